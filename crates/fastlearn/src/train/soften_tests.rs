//! Softened targets and mixed pictures against loops by hand.

use super::*;
use tensor_core::Device;

const CLASSES: usize = 4;

fn key(batch: usize) -> BatchKey {
    BatchKey { seed: 5, epoch: 2, batch }
}

fn batch(device: &Device, labels: Labels) -> Input {
    let mut random = Philox::new(1).stream([0, 0, 0]);
    let shape = [labels.len(), 3, 2, 3];
    let values: Vec<f32> = (0..labels.len() * 18).map(|_| random.normal()).collect();
    Input { tensor: Tensor::from_f32(device, shape, &values).unwrap(), labels, soft: None }
}

fn target(input: &Input) -> &[f32] {
    &input.soft.as_ref().expect("soft").values
}

#[track_caller]
fn assert_near(got: &[f32], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    let near = |(got, want): (&f32, &f64)| (f64::from(*got) - want).abs() < 1e-6;
    assert!(got.iter().zip(want).all(near), "{got:?}\n{want:?}");
}

#[test]
fn smoothing_spreads_a_part_over_all_classes() {
    let device = Device::cpu().unwrap();
    let softening = Softening { smoothing: 0.1, mixup: 0.0 };
    let one = softening.soften(batch(&device, Labels::One(vec![2, 0])), key(0), CLASSES).unwrap();
    let (rest, own) = (0.025, 0.925);
    assert_near(target(&one), &[rest, rest, own, rest, own, rest, rest, rest]);
    let tags = Labels::several(vec![vec![1, 3], vec![]]);
    let several = softening.soften(batch(&device, tags), key(0), CLASSES).unwrap();
    assert_near(target(&several), &[0.05, 0.95, 0.05, 0.95, 0.05, 0.05, 0.05, 0.05]);
    assert_eq!(
        several.tensor.to_f32().unwrap(),
        batch(&device, Labels::One(vec![0; 2])).tensor.to_f32().unwrap()
    );
}

#[test]
fn mixing_agrees_with_a_loop_by_hand() {
    let device = Device::cpu().unwrap();
    let softening = Softening { smoothing: 0.0, mixup: 0.4 };
    for labels in [
        Labels::One(vec![3, 0, 1, 1, 2]),
        Labels::several(vec![vec![0, 1], vec![], vec![3], vec![2], vec![1, 2, 3]]),
    ] {
        let input = batch(&device, labels.clone());
        let pictures = input.tensor.to_f32().unwrap();
        let Mix { lambda, partner } = softening.draw(5, key(7)).expect("mixed");
        assert!((0.5..=1.0).contains(&lambda) && (1..5).contains(&partner));
        let (mut mixed, mut targets) = (Vec::new(), Vec::new());
        for picture in 0..5 {
            let other = (picture + partner) % 5;
            for i in 0..18 {
                let [own, theirs] = [picture, other].map(|p| f64::from(pictures[p * 18 + i]));
                mixed.push(lambda * own + (1.0 - lambda) * theirs);
            }
            for class in 0..CLASSES as u32 {
                let has = |p: usize| f64::from(u8::from(labels.of(p).contains(&class)));
                targets.push(lambda * has(picture) + (1.0 - lambda) * has(other));
            }
        }
        let softened = softening.soften(input, key(7), CLASSES).unwrap();
        assert_near(&softened.tensor.to_f32().unwrap(), &mixed);
        assert_near(target(&softened), &targets);
        assert_eq!(softened.labels, labels);
    }
}

#[test]
fn draws_hang_on_seed_epoch_and_batch() {
    let softening = Softening { smoothing: 0.0, mixup: 0.4 };
    let at = |key| softening.draw(64, key).expect("mixed");
    assert_eq!(at(key(3)), at(key(3)));
    for other in [key(4), BatchKey { seed: 6, ..key(3) }, BatchKey { epoch: 3, ..key(3) }] {
        assert_ne!(at(key(3)), at(other));
    }
    let partners: std::collections::BTreeSet<usize> =
        (0..200).map(|b| at(key(b)).partner).collect();
    assert!(partners.len() > 40 && partners.iter().all(|place| (1..64).contains(place)));
    assert_eq!(softening.draw(1, key(0)), None, "one picture has no partner");
    assert_eq!(Softening { smoothing: 0.1, mixup: 0.0 }.draw(64, key(0)), None);
    // A fit that goes on within an epoch mixes as if it had not stopped.
    let device = Device::cpu().unwrap();
    let run = |first: usize| -> Vec<Vec<f32>> {
        let count = 4 - first;
        let input = || Ok(batch(&device, Labels::One(vec![3, 0, 1])));
        let inputs: Batches = Box::new((0..count).map(|_| input()).collect::<Vec<_>>().into_iter());
        let softened = softening.apply(inputs, key(first), CLASSES);
        softened.map(|input| target(&input.unwrap()).to_vec()).collect()
    };
    assert_eq!(run(0)[2..], run(2));
}

#[test]
fn shares_have_the_moments_of_the_beta_distribution() {
    for alpha in [0.1, 0.4, 1.0, 3.0] {
        let mut random = Philox::new(11).stream([0, 0, 0]);
        let draws: Vec<f64> = (0..40_000).map(|_| beta(&mut random, alpha)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        let want = 0.25 / (2.0 * alpha + 1.0);
        assert!((mean - 0.5).abs() < 0.01, "{alpha}: mean {mean}");
        assert!((variance / want - 1.0).abs() < 0.03, "{alpha}: {variance} for {want}");
        assert!(draws.iter().all(|x| (0.0..=1.0).contains(x)));
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    assert!([1.0, -0.1, f32::NAN].iter().all(|&value| check_smoothing(value).is_err()));
    assert!([-0.1, f32::NAN, f32::INFINITY].iter().all(|&value| check_mixup(value).is_err()));
    assert_eq!((check_smoothing(0.1).unwrap(), check_mixup(0.4).unwrap()), (0.1, 0.4));
}
