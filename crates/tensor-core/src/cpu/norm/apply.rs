//! `relu?(input * scale + shift + addend?)` on whole rows.

use crate::cpu::InstructionSet;
use crate::cpu::vector::dispatch;

/// Normalises a part of the rows.
pub(super) fn apply_part(
    set: InstructionSet,
    input: &[f32],
    scale: &[f32],
    shift: &[f32],
    addend: Option<&[f32]>,
    relu: bool,
    output: &mut [f32],
) {
    match (addend, relu) {
        (None, false) => scale_shift::<false>(set, input, scale, shift, output),
        (None, true) => scale_shift::<true>(set, input, scale, shift, output),
        (Some(addend), false) => scale_shift_add::<false>(set, input, scale, shift, addend, output),
        (Some(addend), true) => scale_shift_add::<true>(set, input, scale, shift, addend, output),
    }
}

/// Elements that are moved aside at once: few enough to stay in the nearest cache.
const BLOCK: usize = 2048;

/// Normalises a part of the rows where they lie.
pub(in crate::cpu) fn apply_in_place(
    set: InstructionSet,
    rows: &mut [f32],
    scale: &[f32],
    shift: &[f32],
    addend: Option<&[f32]>,
    relu: bool,
) {
    let block = (BLOCK / scale.len()).max(1) * scale.len();
    let mut input = vec![0.0; block.min(rows.len())];
    for (index, rows) in rows.chunks_mut(block).enumerate() {
        let input = &mut input[..rows.len()];
        input.copy_from_slice(rows);
        let addend = addend.map(|addend| &addend[index * block..][..rows.len()]);
        apply_part(set, input, scale, shift, addend, relu, rows);
    }
}

/// `max(x, 0)` that lets not-a-number through, so that a diverged run is seen.
#[inline(always)]
fn rectified<const RELU: bool>(x: f32) -> f32 {
    if RELU && x < 0.0 { 0.0 } else { x }
}

dispatch! {
    fn scale_shift<const RELU: bool>(
        input: &[f32],
        scale: &[f32],
        shift: &[f32],
        output: &mut [f32],
    ) {
        let channels = scale.len();
        let shift = &shift[..channels];
        for (x, y) in input.chunks_exact(channels).zip(output.chunks_exact_mut(channels)) {
            for i in 0..channels {
                y[i] = rectified::<RELU>(x[i] * scale[i] + shift[i]);
            }
        }
    }

    fn scale_shift_add<const RELU: bool>(
        input: &[f32],
        scale: &[f32],
        shift: &[f32],
        addend: &[f32],
        output: &mut [f32],
    ) {
        let channels = scale.len();
        let shift = &shift[..channels];
        let rows = input.chunks_exact(channels).zip(addend.chunks_exact(channels));
        for ((x, a), y) in rows.zip(output.chunks_exact_mut(channels)) {
            for i in 0..channels {
                y[i] = rectified::<RELU>(x[i] * scale[i] + shift[i] + a[i]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::backend::NormKernels;
    use crate::backend::norm::NormShape;
    use crate::cpu::pointwise::testing::{assert_close, normal, on_all_sets, read, write};

    #[test]
    fn every_form_is_right_on_odd_shapes() {
        for (rows, channels) in [(1, 1), (13, 3), (1000, 67), (300, 64)] {
            let shape = NormShape { rows, channels };
            let (input, addend) = (normal(shape.len(), 1), normal(shape.len(), 2));
            let (scale, shift) = (normal(channels, 3), normal(channels, 4));
            for (add, relu) in [(false, false), (false, true), (true, false), (true, true)] {
                let expected: Vec<f64> = (0..shape.len())
                    .map(|i| {
                        let (scale, shift) = (scale[i % channels], shift[i % channels]);
                        let y = f64::from(input[i]) * f64::from(scale) + f64::from(shift);
                        let y = if add { y + f64::from(addend[i]) } else { y };
                        if relu { y.max(0.0) } else { y }
                    })
                    .collect();
                let compute = |cpu: &crate::cpu::Cpu| {
                    let mut output = vec![f32::NAN; shape.len()];
                    let addend = add.then(|| read(&addend));
                    let (scale, shift) = (read(&scale), read(&shift));
                    let to = write(&mut output);
                    cpu.norm_apply(&shape, read(&input), scale, shift, addend, relu, to).unwrap();
                    output
                };
                on_all_sets(compute, |set, found| {
                    assert_close(found, &expected, 1e-6, &format!("{set} {shape:?} {add} {relu}"));
                });
            }
        }
    }

    #[test]
    fn a_not_a_number_passes_the_relu() {
        let shape = NormShape { rows: 1, channels: 2 };
        on_all_sets(
            |cpu| {
                let mut output = vec![0.0f32; 2];
                let (input, one, zero) = ([f32::NAN, -1.0], [1.0f32; 2], [0.0f32; 2]);
                let (one, zero) = (read(&one), read(&zero));
                let to = write(&mut output);
                cpu.norm_apply(&shape, read(&input), one, zero, None, true, to).unwrap();
                output
            },
            |_, found| assert!(found[0].is_nan() && found[1] == 0.0),
        );
    }
}
