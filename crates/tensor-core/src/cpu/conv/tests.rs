//! Every plan of every direction against plain loops in f64, on every instruction set, and the same
//! bits on any number of threads.

use crate::backend::conv::{ConvDirection, ConvInput, ConvKernels, ConvOutput, ConvShape};
use crate::backend::{NormKernels, Plan};
use crate::cpu::norm::part_statistics;
use crate::cpu::{Cpu, CpuOptions};
use crate::memory::{Destination, Slice, SliceMut, WriteMode};
use crate::{DType, InstructionSet};

const DIRECTIONS: [ConvDirection; 3] =
    [ConvDirection::Forward, ConvDirection::InputGradient, ConvDirection::WeightGradient];

fn slice(elements: &[f32]) -> Slice<'_> {
    // SAFETY: borrowed for as long as the slice lives.
    unsafe { Slice::from_raw(elements.as_ptr() as u64, elements.len(), DType::F32, true) }
}

fn slice_mut(elements: &mut [f32]) -> SliceMut<'_> {
    // SAFETY: borrowed mutably for as long as the slice lives.
    unsafe { SliceMut::from_raw(elements.as_mut_ptr() as u64, elements.len(), DType::F32, true) }
}

/// Numbers in -1..1 that look random (SplitMix64).
fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let number = |index: usize| {
        let mut z = (seed << 32).wrapping_add(index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(number).collect()
}

fn cpu(instruction_set: InstructionSet, threads: usize) -> Cpu {
    let options = CpuOptions { threads: Some(threads), instruction_set: Some(instruction_set) };
    Cpu::new(options).expect("an available instruction set")
}

/// A shape, its two operands in contract order, and what lies at the target before.
struct Case {
    shape: ConvShape,
    direction: ConvDirection,
    weights: Vec<f32>,
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Case {
    fn new(shape: ConvShape, direction: ConvDirection) -> Case {
        Case {
            shape,
            direction,
            weights: numbers(1, shape.weight_len()),
            input: numbers(2, shape.input_len()),
            output: numbers(3, shape.output_len()),
        }
    }

    /// What lies at the target before an accumulation.
    fn before(&self) -> &[f32] {
        match self.direction {
            ConvDirection::Forward => &self.output,
            ConvDirection::InputGradient => &self.input,
            ConvDirection::WeightGradient => &self.weights,
        }
    }

    /// Runs a plan with poisoned target and scratch space.
    fn run(&self, cpu: &Cpu, plan: &Plan, mode: WriteMode) -> Vec<f32> {
        let prepared = self.prepared(cpu, plan);
        let mut workspace = vec![f32::NAN; plan.workspace];
        let mut target = match mode {
            WriteMode::Write => vec![f32::NAN; self.before().len()],
            WriteMode::Accumulate => self.before().to_vec(),
        };
        self.compute(cpu, plan, &prepared, &mut workspace, &mut target, mode);
        target
    }

    /// What a plan reads: weights as they are if it needs no other layout.
    fn prepared(&self, cpu: &Cpu, plan: &Plan) -> Vec<f32> {
        if plan.prepared == 0 {
            return self.weights.clone();
        }
        let mut prepared = vec![f32::NAN; plan.prepared];
        self.prepare(cpu, plan, &mut prepared);
        prepared
    }

    fn prepare(&self, cpu: &Cpu, plan: &Plan, prepared: &mut [f32]) {
        let (weights, prepared) = (slice(&self.weights), slice_mut(prepared));
        cpu.conv_prepare(plan, &self.shape, self.direction, weights, prepared).expect("legal plan");
    }

    fn compute(
        &self,
        cpu: &Cpu,
        plan: &Plan,
        prepared: &[f32],
        workspace: &mut [f32],
        target: &mut [f32],
        mode: WriteMode,
    ) {
        let (prepared, workspace, shape) = (slice(prepared), slice_mut(workspace), &self.shape);
        let (input, output) = (slice(&self.input), slice(&self.output));
        let target = Destination { slice: slice_mut(target), mode };
        match self.direction {
            ConvDirection::Forward => {
                let (input, output) = (ConvInput::Plain(input), ConvOutput::Plain(target.slice));
                cpu.conv_forward(plan, shape, input, prepared, workspace, output)
            }
            ConvDirection::InputGradient => {
                cpu.conv_input_gradient(plan, shape, output, prepared, workspace, target)
            }
            ConvDirection::WeightGradient => {
                cpu.conv_weight_gradient(plan, shape, input, output, workspace, target)
            }
        }
        .expect("legal plan");
    }

    /// The same by definition, and the sum of absolute products that bounds its rounding errors.
    fn expected(&self) -> Vec<[f64; 2]> {
        let shape = &self.shape;
        let mut sums = vec![[0.0; 2]; self.before().len()];
        let mut add = |target: usize, left: f32, right: f32| {
            let product = f64::from(left) * f64::from(right);
            sums[target][0] += product;
            sums[target][1] += product.abs();
        };
        for row in 0..shape.output_rows() {
            let (n, p, q) =
                (row / (shape.p() * shape.q()), row / shape.q() % shape.p(), row % shape.q());
            for k in 0..shape.k {
                let output = row * shape.k + k;
                for tap in 0..shape.r * shape.s {
                    let h = (p * shape.stride[0] + tap / shape.s).wrapping_sub(shape.padding[0]);
                    let w = (q * shape.stride[1] + tap % shape.s).wrapping_sub(shape.padding[1]);
                    if h >= shape.h || w >= shape.w {
                        continue;
                    }
                    for c in 0..shape.group_c() {
                        let channel = k / shape.group_k() * shape.group_c() + c;
                        let input = ((n * shape.h + h) * shape.w + w) * shape.c + channel;
                        let weight = (k * shape.r * shape.s + tap) * shape.group_c() + c;
                        let [x, y, f] =
                            [self.input[input], self.output[output], self.weights[weight]];
                        match self.direction {
                            ConvDirection::Forward => add(output, x, f),
                            ConvDirection::InputGradient => add(input, y, f),
                            ConvDirection::WeightGradient => add(weight, x, y),
                        }
                    }
                }
            }
        }
        sums
    }
}

fn shape(n: usize, hw: [usize; 2], c: usize, k: usize, rs: [usize; 2]) -> ConvShape {
    let [[h, w], [r, s]] = [hw, rs];
    ConvShape { n, h, w, c, k, r, s, stride: [1, 1], padding: [r / 2, s / 2], groups: 1 }
}

/// Odd shapes: tails everywhere, strides that leave input unread, padding wider than the kernel's
/// half, groups of every kind.
fn shapes() -> Vec<ConvShape> {
    let base = shape(2, [9, 7], 5, 37, [3, 3]);
    vec![
        base,
        ConvShape { stride: [2, 2], ..base },
        ConvShape { stride: [2, 3], padding: [2, 0], ..base },
        ConvShape { padding: [3, 2], k: 3, ..base },
        ConvShape { stride: [2, 2], ..shape(3, [8, 10], 70, 18, [1, 1]) },
        shape(1, [1, 1], 16, 33, [1, 1]),
        ConvShape { stride: [2, 2], ..shape(2, [17, 19], 3, 20, [7, 7]) },
        shape(2, [5, 6], 2, 4, [2, 4]),
        shape(3, [20, 22], 34, 66, [3, 3]),
        shape(2, [57, 61], 16, 17, [3, 3]),
        shape(5, [6, 5], 33, 16, [3, 3]),
        shape(4, [5, 6], 300, 292, [3, 3]),
        ConvShape { padding: [0, 1], ..shape(1, [9, 3], 20, 40, [3, 3]) },
        ConvShape { groups: 6, ..shape(2, [6, 5], 24, 12, [3, 3]) },
        ConvShape { groups: 2, stride: [2, 2], ..shape(2, [6, 5], 14, 80, [3, 3]) },
        ConvShape { groups: 40, ..shape(1, [6, 5], 40, 40, [3, 3]) },
        ConvShape { groups: 8, ..shape(3, [16, 15], 32, 32, [3, 3]) },
        ConvShape { groups: 2, stride: [2, 2], ..shape(2, [9, 31], 32, 32, [3, 3]) },
        ConvShape { stride: [3, 3], padding: [0, 0], ..shape(2, [10, 11], 8, 9, [2, 2]) },
    ]
}

#[test]
fn every_plan_agrees_with_the_definition() {
    for instruction_set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
        let cpu = cpu(instruction_set, 2);
        for shape in shapes() {
            for direction in DIRECTIONS {
                check(&cpu, &Case::new(shape, direction), instruction_set);
            }
        }
    }
}

fn check(cpu: &Cpu, case: &Case, instruction_set: InstructionSet) {
    let expected = case.expected();
    let modes = match case.direction {
        ConvDirection::Forward => &[WriteMode::Write][..],
        _ => &[WriteMode::Write, WriteMode::Accumulate],
    };
    for plan in cpu.conv_plans(&case.shape, DType::F32, case.direction) {
        for &mode in modes {
            let found = case.run(cpu, &plan, mode);
            for (index, (found, [sum, magnitude])) in found.iter().zip(&expected).enumerate() {
                let before = match mode {
                    WriteMode::Write => 0.0,
                    WriteMode::Accumulate => f64::from(case.before()[index]),
                };
                let bound = 8.0 * f64::from(f32::EPSILON) * (magnitude + before.abs()) + 1e-30;
                let error = (f64::from(*found) - sum - before).abs();
                assert!(
                    error <= bound,
                    "{instruction_set} {} {:?} {} {mode:?}, element {index}: {found}, not {sum}",
                    plan.variant,
                    case.direction,
                    case.shape,
                );
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let shapes = [
        ConvShape { stride: [2, 2], ..shape(6, [29, 27], 40, 70, [3, 3]) },
        ConvShape { groups: 16, ..shape(6, [29, 27], 64, 64, [3, 3]) },
        shape(11, [30, 26], 40, 70, [3, 3]),
    ];
    for (shape, direction) in shapes.into_iter().flat_map(|shape| DIRECTIONS.map(|d| (shape, d))) {
        let case = Case::new(shape, direction);
        let one = cpu(InstructionSet::best(), 1);
        for plan in one.conv_plans(&shape, DType::F32, direction) {
            let expected = case.run(&one, &plan, WriteMode::Write);
            for threads in [2, 4] {
                let cpu = cpu(InstructionSet::best(), threads);
                let found = case.run(&cpu, &plan, WriteMode::Write);
                let same = found.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{} {direction:?} on {threads} threads", plan.variant);
            }
        }
    }
}

#[test]
fn a_picture_has_the_same_bits_in_any_batch() {
    for instruction_set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
        let cpu = cpu(instruction_set, 2);
        for direction in [ConvDirection::Forward, ConvDirection::InputGradient] {
            let run = |n| {
                let case = Case::new(shape(n, [14, 15], 64, 70, [3, 3]), direction);
                let plan = cpu.conv_plans(&case.shape, DType::F32, direction).swap_remove(0);
                (plan.variant, case.run(&cpu, &plan, WriteMode::Write))
            };
            let (variant, alone) = run(1);
            for n in [2, 5] {
                let (found_variant, found) = run(n);
                let same = alone.iter().zip(&found).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same && variant == found_variant, "{instruction_set} {direction:?} {n}");
            }
        }
    }
}

#[test]
fn fused_statistics_have_the_bits_of_separate_ones() {
    let shapes = [
        shape(3, [21, 22], 10, 70, [3, 3]),
        shape(1, [5, 5], 100, 300, [1, 1]),
        // Winograd: several pictures and one picture a part, rows of a picture, columns in splits.
        shape(13, [7, 6], 20, 33, [3, 3]),
        shape(2, [28, 25], 16, 70, [3, 3]),
        shape(1, [56, 60], 16, 40, [3, 3]),
        shape(13, [7, 6], 300, 292, [3, 3]),
    ];
    for instruction_set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
        let cpu = cpu(instruction_set, 2);
        for shape in shapes {
            let case = Case::new(shape, ConvDirection::Forward);
            for plan in cpu.conv_plans(&shape, DType::F32, ConvDirection::Forward) {
                let Some(part_rows) = plan.fuses_statistics else {
                    panic!("{} of {shape}", plan.variant);
                };
                let expected_output = case.run(&cpu, &plan, WriteMode::Write);
                let parts = expected_output.chunks(part_rows * shape.k);
                let expected: Vec<f32> = parts
                    .flat_map(|rows| {
                        let mut partial = vec![f32::NAN; 3 * shape.k];
                        part_statistics(instruction_set, rows, shape.k, &mut partial);
                        partial
                    })
                    .collect();

                let prepared = case.prepared(&cpu, &plan);
                let mut workspace = vec![f32::NAN; plan.workspace];
                let mut output = vec![f32::NAN; shape.output_len()];
                let mut partials = vec![f32::NAN; expected.len()];
                let (input, prepared) = (ConvInput::Plain(slice(&case.input)), slice(&prepared));
                let both = ConvOutput::WithStatistics {
                    output: slice_mut(&mut output),
                    partials: slice_mut(&mut partials),
                };
                cpu.conv_forward(&plan, &shape, input, prepared, slice_mut(&mut workspace), both)
                    .expect("legal plan");
                assert_eq!(output, expected_output, "{instruction_set} {}", plan.variant);
                assert_eq!(partials, expected, "{instruction_set} {}", plan.variant);
            }
        }
    }
}

#[test]
fn a_fused_normalisation_has_the_bits_of_a_separate_one() {
    let shapes = [
        shape(3, [21, 22], 10, 70, [3, 3]),
        shape(1, [5, 5], 100, 300, [1, 1]),
        shape(13, [7, 6], 20, 33, [3, 3]),
        shape(13, [7, 6], 300, 292, [3, 3]),
    ];
    for instruction_set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
        let cpu = cpu(instruction_set, 2);
        let uses = [(true, true), (false, false), (true, false), (false, true)];
        for (shape, (adds, relu)) in shapes.into_iter().zip(uses) {
            let case = Case::new(shape, ConvDirection::Forward);
            let (scale, shift) = (numbers(4, shape.k), numbers(5, shape.k));
            let addend = numbers(6, shape.output_len());
            let (scale, shift) = (slice(&scale), slice(&shift));
            let addend = adds.then(|| slice(&addend));
            let plans = cpu.conv_plans(&shape, DType::F32, ConvDirection::Forward);
            for plan in plans.iter().filter(|plan| cpu.conv_normalises(plan)) {
                let convolved = case.run(&cpu, plan, WriteMode::Write);
                let mut expected = vec![f32::NAN; shape.output_len()];
                let (input, to) = (slice(&convolved), slice_mut(&mut expected));
                cpu.norm_apply(&shape.output_norm(), input, scale, shift, addend, relu, to)
                    .expect("fitting lengths");

                let prepared = case.prepared(&cpu, plan);
                let mut workspace = vec![f32::NAN; plan.workspace];
                let mut found = vec![f32::NAN; shape.output_len()];
                let output = slice_mut(&mut found);
                let output = ConvOutput::Normalised { output, scale, shift, addend, relu };
                let (input, prepared) = (ConvInput::Plain(slice(&case.input)), slice(&prepared));
                let workspace = slice_mut(&mut workspace);
                cpu.conv_forward(plan, &shape, input, prepared, workspace, output)
                    .expect("legal plan");
                assert_eq!(found, expected, "{instruction_set} {}", plan.variant);
            }
        }
    }
}

/// The layers of ResNet-34 at 224 pixels: run with `--ignored --nocapture` for a table of rates.
#[test]
#[ignore = "a measurement, not a check"]
fn resnet34_layer_rates() {
    let layer = |hw, c, k, r, stride| {
        let stride = [stride, stride];
        ConvShape { stride, ..shape(32, [hw, hw], c, k, [r, r]) }
    };
    let layers = [
        layer(224, 3, 64, 7, 2),
        layer(56, 64, 64, 3, 1),
        layer(56, 64, 128, 3, 2),
        layer(56, 64, 128, 1, 2),
        layer(28, 128, 128, 3, 1),
        layer(28, 128, 256, 3, 2),
        layer(14, 256, 256, 3, 1),
        layer(14, 256, 512, 3, 2),
        layer(7, 512, 512, 3, 1),
        layer(56, 64, 256, 1, 1),
        layer(14, 1024, 256, 1, 1),
    ];
    let only = std::env::var("RATE_SET").ok().and_then(|name| name.parse().ok());
    let cpu = cpu(only.unwrap_or(InstructionSet::best()), 2);
    println!("\nGFLOP/s, counted as plain sums take them; of weights prepared, as many a second");
    for shape in layers {
        for direction in DIRECTIONS {
            print!("{:<78}", format!("{shape} {direction:?}"));
            let case = Case::new(shape, direction);
            for plan in cpu.conv_plans(&shape, DType::F32, direction) {
                print!(" {} {:.1}", plan.variant, rate(&cpu, &case, &plan));
                if plan.prepared > 0 {
                    let mut prepared = vec![0.0; plan.prepared];
                    let seconds = fastest(|| case.prepare(&cpu, &plan, &mut prepared));
                    print!(" ({:.2} ms)", seconds * 1e3);
                }
            }
            println!();
        }
    }
}

/// The best of several runs, in GFLOP/s, as if both cores were ours alone.
fn rate(cpu: &Cpu, case: &Case, plan: &Plan) -> f64 {
    let prepared = case.prepared(cpu, plan);
    let mut workspace = vec![0.0; plan.workspace];
    let mut target = vec![0.0; case.before().len()];
    let seconds = fastest(|| {
        case.compute(cpu, plan, &prepared, &mut workspace, &mut target, WriteMode::Write);
    });
    plan.flops as f64 / seconds / 1e9
}

/// The least of several runs' seconds, as if both cores were ours alone.
fn fastest(mut work: impl FnMut()) -> f64 {
    let seconds = (0..7).map(|_| {
        let start = busy_seconds();
        work();
        (busy_seconds() - start) / 2.0
    });
    seconds.fold(f64::INFINITY, f64::min)
}

/// Time that this process's threads have spent on cores.
fn busy_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let nanoseconds = tasks.map(|task| {
        let text = std::fs::read_to_string(task.expect("a task").path().join("schedstat"));
        let text = text.unwrap_or_default();
        text.split(' ').next().and_then(|first| first.parse::<f64>().ok()).unwrap_or(0.0)
    });
    nanoseconds.sum::<f64>() / 1e9
}
