//! The golden files and their loader themselves: the formula gives Python's bits, the files are whole, and the
//! comparison accepts what is right and refuses what is wrong. Tests of our operations against them are elsewhere.

use golden::compare::Comparison;
use golden::{Case, Digest, Network, channels_first, channels_last, formula};

mod golden;

/// What formula.py gives.
#[test]
fn the_formula_gives_the_bits_that_python_gives() {
    assert_eq!(
        (formula::key(""), formula::key("conv1.weight")),
        (0xcbf2_9ce4_8422_2325, 0x69a2_9a2c_ee47_d254)
    );
    let key = formula::key("conv1.weight");
    assert_eq!(
        [0, 1].map(|index| formula::hashed(key, index)),
        [0x8b8a_08a8_5128_a1b0, 0xbec2_eba8_2f6f_054f]
    );
    assert_eq!(
        [0, 1, 2].map(|index| formula::uniform(key, index)),
        [0.090_149_879_455_566_4, 0.490_323_424_339_294_43, -0.954_156_637_191_772_5]
    );
    let ends = |name: &str, shape: &[usize]| {
        let values = formula::parameter(name, shape);
        [values[0], values[1], values[values.len() - 1]].map(f32::to_bits)
    };
    assert_eq!(ends("conv1.weight", &[64, 3, 7, 7]), [0x3c95_337c, 0x3dca_e01f, 0xbdf8_793e]);
    assert_eq!(ends("fc.weight", &[10, 512]), [0xbb1a_0cf0, 0x3d69_705b, 0x3d23_0668]);
    assert_eq!(ends("bn1.weight", &[64]), [0x3f71_af55, 0x3f90_9c18, 0x3f7e_6a01]);
    assert_eq!(ends("bn1.bias", &[64]), [0xc014_fabd, 0xc01d_6e1c, 0x3fed_2098]);
    assert_eq!(ends("fc.bias", &[10]), [0xbb92_76e6, 0xbb7c_8d66, 0xbda0_58ba]);
    assert_eq!(ends("bn1.running_mean", &[64]), [0x3d40_0fb6, 0x3ca4_da86, 0xbd92_7935]);
    assert_eq!(ends("bn1.running_var", &[64]), [0x4012_3722, 0x4024_b456, 0x4020_cdce]);
    assert_eq!(bits(&formula::unit("input/0", 3)), [0x3f52_56ff, 0xbeef_3385, 0x3fc1_18b0]);
    assert_eq!(formula::classes("labels/0", 6, 10), [3, 8, 4, 1, 3, 3]);
    assert_eq!(formula::mixed("m", 2, 3), [0.0, 0.75, 0.25, 0.75, 0.0, 0.25]);
    assert_eq!(bits(&formula::weights("w", 2)), [0x3fb2_d2ad, 0x3fa3_bd40]);
    assert_eq!(formula::bits("b", 6), [0.0, 0.0, 1.0, 0.0, 1.0, 1.0]);
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_network_has_every_parameter_and_statistic() {
    for (name, parameters, norms) in [
        ("resnet18", 62, 20),
        ("resnet34", 110, 36),
        ("resnet50", 161, 53),
        ("resnext50_32x4d", 161, 53),
    ] {
        let network = Network::load(name);
        assert_eq!(network.network, name);
        for digests in [&network.gradients, &network.sgd.parameters, &network.sgd.movements] {
            assert_eq!(digests.len(), parameters, "{name}");
            assert!(
                digests.values().all(|digest| digest.norm > 0.0 && digest.f32_distance.is_finite()),
                "{name}"
            );
        }
        assert_eq!(
            (network.statistics.len(), network.sgd.statistics.len()),
            (2 * norms, 2 * norms),
            "{name}"
        );
        assert_eq!((network.sgd.losses.len(), network.batches.len()), (10, 10), "{name}");
        assert_eq!(
            network.sgd.losses[0].value, network.loss.value,
            "{name}: the first step's loss is the first loss"
        );
        assert_eq!(network.eval_logits.shape, [network.batch, network.classes], "{name}");
        assert_eq!(network.images(0).len(), network.batch * network.size * network.size * 3);
        assert!(
            network.labels(9).iter().all(|&class| (0..network.classes as i32).contains(&class))
        );
    }
}

/// Ten steps of this size move the large weights far less than their norm, so first and last have nearly one digest.
#[test]
fn weights_of_convolutions_stay_near_the_formula() {
    let network = Network::load("resnet18");
    let parameters = network.sgd.parameters.iter();
    for (name, digest) in parameters.filter(|(_, digest)| digest.shape.len() == 4) {
        let start = formula::parameter(name, network.shape(name));
        let distance = digest.distance(&start);
        assert!(distance > 0.0 && distance < 0.2, "{name}: {distance}");
    }
}

/// Running statistics that running mode leaves alone: what Python digested is what the formula here gives.
#[test]
fn digests_of_python_and_rust_agree() {
    let case = Case::load("batch_norm_running");
    let mut comparison = Comparison::with_tolerance("statistics left alone", 1e-9);
    for name in ["norm.running_mean", "norm.running_var"] {
        comparison.tensor(name, case.tensor(name), &case.parameter(name));
    }
    comparison.finish();
}

/// A result computed here with plain loops, to hold the meaning of shapes, orders and names.
#[test]
fn global_maximum_agrees() {
    let case = Case::load("global_max_pool");
    let &[n, c, h, w] = case.shape("input") else { panic!("rank 4") };
    let input = case.unit("input");
    let mut output = vec![f32::NEG_INFINITY; n * c];
    for (at, &value) in input.iter().enumerate() {
        let cell = &mut output[at / (h * w * c) * c + at % c];
        *cell = cell.max(value);
    }
    let mut comparison = Comparison::new(&case.name);
    comparison.ours("output", case.tensor("output"), &output);
    comparison.finish();
}

/// PyTorch's SGD: the momentum buffer starts as the first gradient, weight decay is added to the gradient.
#[test]
fn sgd_with_momentum_and_decay_agrees() {
    let case = Case::load("sgd_momentum_decay");
    let (rate, momentum, decay) =
        (case.argument("learning_rate"), case.argument("momentum"), case.argument("weight_decay"));
    let mut parameter: Vec<f64> = case.unit("parameter").into_iter().map(f64::from).collect();
    let mut velocity = vec![0.0; parameter.len()];
    for step in 0..case.argument("steps") as usize {
        let gradient = formula::unit(&case.named(&format!("gradient/{step}")), parameter.len());
        for ((value, speed), gradient) in parameter.iter_mut().zip(&mut velocity).zip(gradient) {
            *speed = momentum * *speed + f64::from(gradient) + decay * *value;
            *value -= rate * *speed;
        }
    }
    let mut comparison = Comparison::with_tolerance(&case.name, 1e-6);
    comparison.tensor(
        "parameter",
        case.tensor("parameter"),
        &parameter.iter().map(|&x| x as f32).collect::<Vec<_>>(),
    );
    comparison.finish();
}

fn failures(expected: &Digest, values: &[f32]) -> usize {
    let mut comparison = Comparison::new("made wrong");
    comparison.tensor("values", expected, values);
    comparison.failures().len()
}

#[test]
fn what_is_wrong_is_refused() {
    let case = Case::load("batch_norm_running");
    let expected = case.tensor("norm.running_var");
    let right = case.parameter("norm.running_var");
    assert_eq!(failures(expected, &right), 0);
    let changed = |change: &dyn Fn(&mut Vec<f32>)| {
        let mut values = right.clone();
        change(&mut values);
        failures(expected, &values)
    };
    assert!(changed(&|values| values.swap(0, 1)) > 0, "two elements swapped");
    assert!(
        changed(&|values| values.iter_mut().for_each(|value| *value *= 1.0002)) > 0,
        "all too large"
    );
    assert!(changed(&|values| values[3] += 0.01) > 0, "one element off");
    assert!(changed(&|values| values[3] = f32::NAN) > 0, "not a number");
    assert!(changed(&|values| values.truncate(5)) > 0, "too short");
    assert!(changed(&|values| values.reverse()) > 0, "another order");
}

#[test]
fn three_times_the_distance_of_f32_is_allowed() {
    let case = Case::load("batch_norm_running");
    let mut expected = case.tensor("norm.running_var").clone();
    let off: Vec<f32> =
        case.parameter("norm.running_var").iter().map(|value| value * 1.001).collect();
    assert_eq!(failures(&expected, &off), 1);
    expected.f32_distance = 1e-3;
    assert_eq!(failures(&expected, &off), 0);
}

#[test]
fn orders_lead_to_each_other_and_back() {
    let shape = [2, 3, 4, 5];
    let values: Vec<f32> = (0..120).map(|at| at as f32).collect();
    let ours = channels_last(&values, &shape);
    // Sample 1, channel 2, row 3, column 4.
    assert_eq!(ours[((4 + 3) * 5 + 4) * 3 + 2], values[((3 + 2) * 4 + 3) * 5 + 4]);
    assert_eq!(channels_first(&ours, &shape), values);
}
