//! The one formula for weights, inputs and targets. Its twin is formula.py; the two give the same bits.
//!
//! A value depends on a name and an element's index alone: splitmix64 of (FNV-1a of the name, index). Every number is
//! rounded to f32, so that a network in f32 and one in f64 compute with equal values. Elements are in PyTorch's order.

/// FNV-1a, 64 bits.
pub fn key(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |value, byte| {
        (value ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// The `index`-th number of the splitmix64 stream that starts at `key`.
pub fn hashed(key: u64, index: usize) -> u64 {
    let z = key.wrapping_add((index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Uniform in [-1, 1), in steps of 2^-23, which f32 holds exactly.
pub fn uniform(key: u64, index: usize) -> f64 {
    (hashed(key, index) >> 40) as f64 / f64::from(1 << 23) - 1.0
}

fn values(name: &str, count: usize, value: impl Fn(f64) -> f64) -> Vec<f32> {
    let key = key(name);
    (0..count).map(|index| value(uniform(key, index)) as f32).collect()
}

/// Inputs and upstream gradients: mean 0, variance 1.
pub fn unit(name: &str, count: usize) -> Vec<f32> {
    values(name, count, |u| 3.0_f64.sqrt() * u)
}

/// A network's parameter or running statistic under torchvision's name, with PyTorch's shape and order.
///
/// A norm's bias is far from zero, with the same sign for a channel throughout a network: few activations are then near
/// zero, where f32 and f64 may take different sides of a ReLU, and no channel's variance all but vanishes.
pub fn parameter(name: &str, shape: &[usize]) -> Vec<f32> {
    let count = shape.iter().product();
    let (owner, last) = name.rsplit_once('.').unwrap_or(("", name));
    let owner = owner.rsplit('.').next().unwrap_or(owner);
    let is_linear = owner.starts_with("fc") || owner.starts_with("linear");
    match (shape.len(), last) {
        (4, _) => {
            let fan_in: usize = shape[1..].iter().product();
            values(name, count, |u| (6.0 / fan_in as f64).sqrt() * u)
        }
        (2, _) => values(name, count, |u| (3.0 / shape[1] as f64).sqrt() * u),
        (_, "weight") => values(name, count, |u| 1.0 + 0.2 * u),
        (_, "running_var") => values(name, count, |u| 2.0 + u),
        (_, "running_mean") => values(name, count, |u| 0.1 * u),
        (_, "bias") if is_linear => values(name, count, |u| 0.1 * u),
        (_, "bias") => norm_bias(name, count),
        _ => panic!("no formula for the parameter {name} of shape {shape:?}"),
    }
}

fn norm_bias(name: &str, count: usize) -> Vec<f32> {
    let (key, sign) = (key(name), key("sign"));
    let side = |index| {
        if uniform(sign, index) < 0.0 { -2.0 } else { 2.0 }
    };
    (0..count).map(|index| (side(index) + 0.5 * uniform(key, index)) as f32).collect()
}

/// Class indices.
pub fn classes(name: &str, count: usize, number_of_classes: usize) -> Vec<i32> {
    let key = key(name);
    (0..count).map(|index| (hashed(key, index) % number_of_classes as u64) as i32).collect()
}

/// Soft targets `[count, number_of_classes]`: three quarters of one class and one quarter of another, which may be the
/// same.
pub fn mixed(name: &str, count: usize, number_of_classes: usize) -> Vec<f32> {
    let mut targets = vec![0.0; count * number_of_classes];
    for (share, part) in [(0.75, "first"), (0.25, "second")] {
        for (sample, class) in
            classes(&format!("{name}/{part}"), count, number_of_classes).into_iter().enumerate()
        {
            targets[sample * number_of_classes + class as usize] += share;
        }
    }
    targets
}

/// Weights of samples, between a half and one and a half.
pub fn weights(name: &str, count: usize) -> Vec<f32> {
    values(name, count, |u| 1.0 + 0.5 * u)
}

/// Targets of several labels a sample: 0 or 1.
pub fn bits(name: &str, count: usize) -> Vec<f32> {
    values(name, count, |u| if u > 0.0 { 1.0 } else { 0.0 })
}
