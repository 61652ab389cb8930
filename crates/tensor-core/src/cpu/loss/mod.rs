//! Losses, a sample's logits at a time. The formulas and their stability are [`rows`]'s.

mod rows;

use super::Cpu;
use super::pointwise::parts::part_rows;
use crate::Result;
use crate::backend::LossKernels;
use crate::backend::loss::{Loss, LossShape, Targets};
use crate::memory::{Destination, Slice, SliceMut};
use rows::RowTargets;

/// The targets of all samples.
#[derive(Clone, Copy)]
enum HostTargets<'a> {
    Classes(&'a [i32]),
    Probabilities(&'a [f32]),
}

impl<'a> HostTargets<'a> {
    fn new(targets: Targets<'a>) -> HostTargets<'a> {
        match targets {
            Targets::Classes(classes) => HostTargets::Classes(classes.host()),
            Targets::Probabilities(probabilities) => {
                HostTargets::Probabilities(probabilities.host())
            }
        }
    }

    fn row(self, sample: usize, classes: usize) -> RowTargets<'a> {
        match self {
            HostTargets::Classes(indices) => RowTargets::Class(indices[sample] as usize),
            HostTargets::Probabilities(all) => {
                RowTargets::Probabilities(&all[sample * classes..][..classes])
            }
        }
    }
}

impl LossKernels for Cpu {
    fn loss(
        &self,
        loss: Loss,
        shape: &LossShape,
        logits: Slice,
        targets: Targets,
        values: SliceMut,
        log_probabilities: SliceMut,
    ) -> Result<()> {
        let targets = HostTargets::new(targets);
        let part = part_rows(shape.classes);
        let rows = log_probabilities.host::<f32>().chunks_mut(part * shape.classes);
        let parts = logits.host::<f32>().chunks(part * shape.classes).zip(rows);
        let parts = parts.zip(values.host::<f32>().chunks_mut(part)).enumerate();
        self.for_each_part(shape.n * shape.classes, parts, |(index, ((logits, rows), values))| {
            let rows = rows.chunks_exact_mut(shape.classes);
            let samples = logits.chunks_exact(shape.classes).zip(rows).zip(values).enumerate();
            for (sample, ((logits, row), value)) in samples {
                let targets = targets.row(index * part + sample, shape.classes);
                *value = match loss {
                    Loss::CrossEntropy => {
                        rows::log_softmax(logits, row);
                        rows::cross_entropy(row, targets)
                    }
                    Loss::BinaryCrossEntropy => {
                        row.copy_from_slice(logits);
                        rows::binary_cross_entropy(logits, targets)
                    }
                };
            }
        });
        Ok(())
    }

    fn loss_gradient(
        &self,
        loss: Loss,
        shape: &LossShape,
        log_probabilities: Slice,
        targets: Targets,
        value_gradients: Slice,
        logit_gradient: Destination,
    ) -> Result<()> {
        let (targets, mode) = (HostTargets::new(targets), logit_gradient.mode);
        let part = part_rows(shape.classes);
        let rows = log_probabilities.host::<f32>().chunks(part * shape.classes);
        let destinations = logit_gradient.slice.host::<f32>().chunks_mut(part * shape.classes);
        let parts = rows.zip(value_gradients.host::<f32>().chunks(part)).zip(destinations);
        let parts = parts.enumerate();
        self.for_each_part(shape.n * shape.classes, parts, |(index, ((rows, gradients), to))| {
            let to = to.chunks_exact_mut(shape.classes);
            let samples = rows.chunks_exact(shape.classes).zip(gradients).zip(to).enumerate();
            for (sample, ((row, gradient), to)) in samples {
                let targets = targets.row(index * part + sample, shape.classes);
                match loss {
                    Loss::CrossEntropy => {
                        rows::cross_entropy_gradient(row, targets, *gradient, mode, to);
                    }
                    Loss::BinaryCrossEntropy => {
                        rows::binary_cross_entropy_gradient(row, targets, *gradient, mode, to);
                    }
                }
            }
        });
        Ok(())
    }

    fn probabilities(
        &self,
        loss: Loss,
        shape: &LossShape,
        logits: Slice,
        probabilities: SliceMut,
    ) -> Result<()> {
        let part = part_rows(shape.classes) * shape.classes;
        let parts = logits.host::<f32>().chunks(part);
        let parts = parts.zip(probabilities.host::<f32>().chunks_mut(part));
        self.for_each_part(shape.n * shape.classes, parts, |(logits, probabilities)| {
            let rows = probabilities.chunks_exact_mut(shape.classes);
            for (logits, row) in logits.chunks_exact(shape.classes).zip(rows) {
                match loss {
                    Loss::CrossEntropy => {
                        rows::log_softmax(logits, row);
                        row.iter_mut().for_each(|value| *value = value.exp());
                    }
                    Loss::BinaryCrossEntropy => {
                        let pairs = row.iter_mut().zip(logits);
                        pairs.for_each(|(value, logit)| *value = rows::sigmoid(*logit));
                    }
                }
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
