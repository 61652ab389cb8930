//! Losses and their gradients against the formulas in f64, on every instruction set.

use super::*;
use crate::cpu::pointwise::testing::{
    MODES, assert_close, before, destination, normal, on_all_sets, read, write,
};

/// Logits, targets of both kinds and gradients of the values.
struct Case {
    shape: LossShape,
    logits: Vec<f32>,
    classes: Vec<i32>,
    soft: Vec<f32>,
    gradients: Vec<f32>,
}

impl Case {
    fn new(n: usize, classes: usize, scale: f32) -> Case {
        let len = n * classes;
        Case {
            shape: LossShape { n, classes },
            logits: normal(len, 1).iter().map(|x| scale * x).collect(),
            classes: (0..n).map(|sample| (sample * 7 % classes) as i32).collect(),
            soft: normal(len, 2).iter().map(|x| x.abs().min(1.0)).collect(),
            gradients: normal(n, 3),
        }
    }

    fn targets(&self, soft: bool) -> Targets<'_> {
        if soft {
            Targets::Probabilities(read(&self.soft))
        } else {
            Targets::Classes(read(&self.classes))
        }
    }

    fn target(&self, soft: bool, sample: usize, class: usize) -> f64 {
        if soft {
            f64::from(self.soft[sample * self.shape.classes + class])
        } else {
            f64::from(u8::from(self.classes[sample] as usize == class))
        }
    }

    /// Values, log-probabilities (or logits), probabilities and logit gradients in f64.
    fn exact(&self, loss: Loss, soft: bool) -> [Vec<f64>; 4] {
        let mut all: [Vec<f64>; 4] = Default::default();
        for (sample, logits) in self.logits.chunks(self.shape.classes).enumerate() {
            let logits: Vec<f64> = logits.iter().map(|&x| f64::from(x)).collect();
            let targets: Vec<f64> =
                (0..logits.len()).map(|class| self.target(soft, sample, class)).collect();
            let gradient = f64::from(self.gradients[sample]);
            let largest = logits.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = logits.iter().map(|z| (z - largest).exp()).sum();
            let total: f64 = targets.iter().sum();
            let mut value = 0.0;
            for (z, t) in logits.iter().zip(&targets) {
                let (saved, probability, slope, term) = match loss {
                    Loss::CrossEntropy => {
                        let log = z - largest - sum.ln();
                        (log, log.exp(), log.exp() * total - t, -t * log)
                    }
                    Loss::BinaryCrossEntropy => {
                        let classes = logits.len() as f64;
                        let probability = 1.0 / (1.0 + (-z).exp());
                        let term = z.max(0.0) - z * t + (-z.abs()).exp().ln_1p();
                        (*z, probability, (probability - t) / classes, term / classes)
                    }
                };
                value += term;
                all[1].push(saved);
                all[2].push(probability);
                all[3].push(gradient * slope);
            }
            all[0].push(value);
        }
        all
    }
}

const FORMS: [(Loss, bool); 3] =
    [(Loss::CrossEntropy, false), (Loss::CrossEntropy, true), (Loss::BinaryCrossEntropy, true)];

#[test]
fn values_probabilities_and_gradients_are_right() {
    for (n, classes, scale) in [(1, 1, 1.0), (7, 2, 3.0), (33, 10, 5.0), (40, 1000, 2.0)] {
        let case = Case::new(n, classes, scale);
        let len = n * classes;
        for (loss, soft) in FORMS {
            let [values, saved, probabilities, gradients] = case.exact(loss, soft);
            let compute = |cpu: &Cpu| {
                let (mut value, mut row) = (vec![f32::NAN; n], vec![f32::NAN; len]);
                let mut probability = vec![f32::NAN; len];
                let logits = read(&case.logits);
                let (to, rows) = (write(&mut value), write(&mut row));
                cpu.loss(loss, &case.shape, logits, case.targets(soft), to, rows).unwrap();
                cpu.probabilities(loss, &case.shape, logits, write(&mut probability)).unwrap();
                [value, row, probability].concat()
            };
            let expected = [values, saved.clone(), probabilities].concat();
            on_all_sets(compute, |set, found| {
                assert_close(found, &expected, 2e-6, &format!("{set} {loss:?} {soft}"));
            });
            let saved: Vec<f32> = saved.iter().map(|&x| x as f32).collect();
            for mode in MODES {
                let old = before(mode, len);
                let old = |i: usize| if old[i].is_nan() { 0.0 } else { f64::from(old[i]) };
                let expected: Vec<f64> = (0..len).map(|i| old(i) + gradients[i]).collect();
                let compute = |cpu: &Cpu| {
                    let mut to = before(mode, len);
                    let (targets, values) = (case.targets(soft), read(&case.gradients));
                    let destination = destination(&mut to, mode);
                    cpu.loss_gradient(
                        loss,
                        &case.shape,
                        read(&saved),
                        targets,
                        values,
                        destination,
                    )
                    .unwrap();
                    to
                };
                on_all_sets(compute, |set, found| {
                    let what = format!("{set} {loss:?} {soft} {mode:?} {n} {classes}");
                    assert_close(found, &expected, 4e-6, &what);
                });
            }
        }
    }
}

#[test]
fn extreme_logits_overflow_nothing() {
    let shape = LossShape { n: 2, classes: 2 };
    let logits = [1e4f32, -1e4, -1e30, 1e30];
    let targets = [1.0f32, 0.0, 1.0, 0.0];
    for loss in [Loss::CrossEntropy, Loss::BinaryCrossEntropy] {
        let compute = |cpu: &Cpu| {
            let (mut value, mut row) = (vec![f32::NAN; 2], vec![f32::NAN; 4]);
            let mut probability = vec![f32::NAN; 4];
            let (to, rows) = (write(&mut value), write(&mut row));
            let targets = Targets::Probabilities(read(&targets));
            cpu.loss(loss, &shape, read(&logits), targets, to, rows).unwrap();
            cpu.probabilities(loss, &shape, read(&logits), write(&mut probability)).unwrap();
            [value, probability].concat()
        };
        on_all_sets(compute, |_, found| {
            assert_eq!(found[0], 0.0, "{loss:?}");
            assert!((1e30..=2.01e30).contains(&found[1]), "{loss:?} {}", found[1]);
            assert_eq!(found[2..], [1.0, 0.0, 0.0, 1.0], "{loss:?}");
        });
    }
}
