//! Lists the registry with models alone.

use models::Arch;

fn main() {
    for arch in Arch::ALL {
        let parameters = arch.architecture().parameter_count(Some(1000));
        println!("{arch:<20} {parameters:>12}");
    }
}
