//! Every op on every device of this machine against Reference, and every analytic gradient against
//! a numeric one. The cases are in `op_cases/`, a file for each op family.

mod op_cases;

use op_cases::agreement::assert_agreement;
use op_cases::gradient::assert_gradients;

macro_rules! agreement {
    ($($family:ident),*) => {
        mod agrees_with_reference {
            $(#[test]
            fn $family() {
                super::assert_agreement(&super::op_cases::$family::cases());
            })*
        }
    };
}

macro_rules! gradients {
    ($($family:ident),*) => {
        mod gradients_are_those_of_the_function {
            $(#[test]
            fn $family() {
                super::assert_gradients(&super::op_cases::$family::differentiable());
            })*
        }
    };
}

agreement!(augment, conv, dropout, loss, matmul, norm, optimizer, pointwise, pool, reduce);
gradients!(conv, dropout, loss, matmul, norm, pointwise, pool);
