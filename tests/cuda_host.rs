//! The host's side of CUDA: memory, capture and replay, input slots, late values, and what is refused.
//! Kernels are tested in `cuda_ops.rs`.
//!
//! Where there is no device, these run on the emulated driver in a process of their own.

mod cuda;

use tensor_core::cuda::{CudaOptions, Precision};
use tensor_core::ops::pointwise::{Binary, Unary, binary, unary};
use tensor_core::random::Philox;
use tensor_core::transfer::{InputPart, InputSlots, LateValues};
use tensor_core::{DType, Device, Error, Result, Tensor};

/// Elements: more than a block of threads, and no multiple of one.
const LEN: usize = 1000;

fn open() -> Option<Device> {
    let device = cuda::open(CudaOptions::new().precision(Precision::F32))?;
    device.memory().set_poison(true);
    Some(device)
}

/// Normal numbers; another `draw` gives other ones.
fn numbers(draw: u32) -> Vec<f32> {
    let mut stream = Philox::new(23).stream([draw, 0, 0]);
    (0..LEN).map(|_| stream.normal()).collect()
}

fn tensor(device: &Device, draw: u32) -> Result<Tensor> {
    Tensor::from_slice(device, [LEN], &numbers(draw))
}

/// `relu(x) + x`: two launches, and a buffer in between.
fn work(x: &Tensor) -> Result<Tensor> {
    binary(Binary::Add, &unary(Unary::Relu, x)?, x)
}

fn expected(draw: u32) -> Vec<f32> {
    numbers(draw).into_iter().map(|x| x.max(0.0) + x).collect()
}

fn message<T>(result: Result<T>) -> String {
    result.err().map_or_else(String::new, |error| error.to_string())
}

mod memory {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_went() -> Result<()> {
        let Some(device) = open() else { return Ok(()) };
        for len in [0, 1, 255, 256, 70_001] {
            let bytes: Vec<u8> = (0..len).map(|index| (index * 7 % 251) as u8).collect();
            let there = Tensor::from_slice(&device, [len], &bytes)?;
            assert_eq!(there.to_vec::<u8>()?, bytes, "{len}");
            assert_eq!(there.duplicate()?.to_vec::<u8>()?, bytes, "{len}, copied on the device");
        }
        assert_eq!(Tensor::zeros(&device, [5], DType::I32)?.to_vec::<i32>()?, [0; 5]);
        Ok(())
    }

    #[test]
    fn a_full_device_is_an_ordinary_error() -> Result<()> {
        let Some(device) = open() else { return Ok(()) };
        let refused = Tensor::zeros(&device, [1 << 40], DType::U8);
        assert!(matches!(refused, Err(Error::OutOfMemory { .. })), "{refused:?}");
        device.memory().set_limit(Some(device.memory_report().in_use + 4096));
        assert!(message(Tensor::zeros(&device, [8192], DType::U8)).contains("limit"));
        device.memory().set_limit(None);
        assert_eq!(work(&tensor(&device, 0)?)?.to_f32()?, expected(0), "it goes on");
        Ok(())
    }
}

mod room {
    use super::*;

    /// Without poison, which would write all of it.
    #[test]
    fn for_a_large_block_is_made_of_cached_ones() -> Result<()> {
        let Some(device) = cuda::open(CudaOptions::new()) else { return Ok(()) };
        let tenth = tensor_core::cuda::free_memory(0)? / 10;
        drop(Tensor::uninitialised(&device, [6 * tenth], DType::U8)?);
        assert!(device.memory_report().reserved >= 6 * tenth);
        let larger = Tensor::uninitialised(&device, [7 * tenth], DType::U8)?;
        assert!(device.memory_report().reserved < 8 * tenth, "the first block went back");
        let refused = Tensor::uninitialised(&device, [6 * tenth], DType::U8);
        assert!(matches!(refused, Err(Error::OutOfMemory { limit: None, .. })), "{refused:?}");
        drop(larger);
        Ok(())
    }
}

mod graphs {
    use super::*;

    #[test]
    fn replay_what_was_captured_with_new_input() -> Result<()> {
        let Some(device) = open() else { return Ok(()) };
        let mut input = tensor(&device, 0)?;
        let warm = work(&input)?;
        let (output, mut graph) = device.capture(|| work(&input))?;
        for draw in 1..4 {
            input.write(0, &numbers(draw))?;
            // What is allocated between the runs must not lie where the graph writes.
            let between = [tensor(&device, 10 + draw)?, tensor(&device, 20 + draw)?];
            graph.replay()?;
            let after = work(&between[0])?;
            assert_eq!(output.to_f32()?, expected(draw));
            assert_eq!(after.to_f32()?, expected(10 + draw));
            assert_eq!(between[1].to_f32()?, numbers(20 + draw));
        }
        assert_eq!(warm.to_f32()?, expected(0));
        Ok(())
    }

    #[test]
    fn keep_the_bytes_that_captured_copies_read() -> Result<()> {
        let Some(device) = open() else { return Ok(()) };
        work(&tensor(&device, 0)?)?;
        let (output, mut graph) = device.capture(|| work(&tensor(&device, 1)?))?;
        let unrelated: Vec<_> = (2..20).map(numbers).collect();
        for _ in 0..2 {
            graph.replay()?;
            assert_eq!(output.to_f32()?, expected(1));
        }
        drop(unrelated);
        Ok(())
    }

    #[test]
    fn read_tensors_that_nobody_else_holds_any_more() -> Result<()> {
        let Some(device) = open() else { return Ok(()) };
        let input = tensor(&device, 0)?;
        work(&input)?;
        let (output, mut graph) = device.capture(|| work(&input))?;
        drop(input);
        let others = [1, 2, 3].map(|draw| tensor(&device, draw));
        graph.replay()?;
        assert_eq!(output.to_f32()?, expected(0));
        for (draw, other) in (1..).zip(others) {
            assert_eq!(other?.to_f32()?, numbers(draw));
        }
        Ok(())
    }

    #[test]
    fn give_their_memory_back_when_the_last_owner_is_gone() -> Result<()> {
        let Some(device) = open() else { return Ok(()) };
        let input = tensor(&device, 0)?;
        work(&input)?;
        let before = device.memory_report().in_use;
        let (output, mut graph) = device.capture(|| work(&input))?;
        assert!(device.memory_report().in_use > before);
        graph.replay()?;
        drop(graph);
        assert_eq!(output.to_f32()?, expected(0), "its memory outlives the graph");
        drop(output);
        assert_eq!(device.memory_report().in_use, before);
        Ok(())
    }

    #[test]
    fn refuse_what_waits_and_leave_the_device_as_it_was() -> Result<()> {
        let Some(device) = open() else { return Ok(()) };
        let input = tensor(&device, 0)?;
        work(&input)?;
        let before = device.memory_report().in_use;
        let read = device.capture(|| work(&input)?.to_f32());
        assert!(message(read.map(|_| ())).contains("captured"));
        let waited = device.capture(|| device.synchronize());
        assert!(message(waited.map(|_| ())).contains("captured"));
        let nested = device.capture(|| device.capture(|| work(&input)).map(|_| ()));
        assert!(message(nested.map(|_| ())).contains("already"));
        let own = || Error::Device("of its own".to_string());
        let failed = device.capture(|| work(&input).and_then(|_| Err::<(), _>(own())));
        assert_eq!(failed.err(), Some(own()), "the error is the one of what was captured");
        assert_eq!(device.memory_report().in_use, before);
        assert_eq!(work(&input)?.to_f32()?, expected(0));
        let (output, mut graph) = device.capture(|| work(&input))?;
        graph.replay()?;
        assert_eq!(output.to_f32()?, expected(0));
        Ok(())
    }

    #[test]
    fn take_no_work_of_other_threads() -> Result<()> {
        let Some(device) = open() else { return Ok(()) };
        let input = tensor(&device, 0)?;
        work(&input)?;
        let mut other = String::new();
        let (output, mut graph) = device.capture(|| {
            std::thread::scope(|scope| {
                let work = scope.spawn(|| message(work(&input)));
                other = work.join().expect("it returns an error");
            });
            work(&input)
        })?;
        assert!(other.contains("another thread"), "{other}");
        graph.replay()?;
        assert_eq!(output.to_f32()?, expected(0));
        Ok(())
    }

    #[test]
    fn survive_a_panic_in_what_is_captured() -> Result<()> {
        let Some(device) = open() else { return Ok(()) };
        let input = tensor(&device, 0)?;
        work(&input)?;
        let panicking = std::panic::AssertUnwindSafe(|| {
            device.capture::<(), Error>(|| {
                work(&input)?;
                panic!("in the middle")
            })
        });
        assert!(std::panic::catch_unwind(panicking).is_err());
        assert_eq!(work(&input)?.to_f32()?, expected(0));
        Ok(())
    }

    #[test]
    fn are_not_made_while_ops_are_profiled() -> Result<()> {
        let Some(device) = open() else { return Ok(()) };
        device.start_profile();
        let input = tensor(&device, 0)?;
        assert!(message(device.capture(|| work(&input)).map(|_| ())).contains("profiled"));
        Ok(())
    }
}

#[test]
fn the_cpu_has_nothing_to_capture() -> Result<()> {
    let device = Device::cpu()?;
    let refused = device.capture(|| work(&tensor(&device, 0)?));
    assert!(matches!(refused.map(|_| ()), Err(Error::Unsupported { op: "capture", .. })));
    Ok(())
}

mod transfers {
    use super::*;

    /// On the device, and on the CPU by the same code.
    fn devices() -> Result<Vec<Device>> {
        Ok([Some(Device::cpu()?), open()].into_iter().flatten().collect())
    }

    #[test]
    fn fill_two_slots_in_turn_while_results_are_made() -> Result<()> {
        for device in devices()? {
            let mut slots = InputSlots::new(&device, 3 * LEN * 4)?;
            let (mut results, mut used) = (Vec::new(), Vec::new());
            for draw in 0..7 {
                let (values, labels) = (numbers(draw), [draw as i32; 3]);
                let input = slots
                    .fill(&[InputPart::new([3], &labels)?, InputPart::new([LEN], &values)?])?;
                // Long enough that the next slots are filled before this is done.
                let mut result = work(&input.tensors[1])?;
                for _ in 0..5 {
                    result = unary(Unary::Relu, &result)?;
                }
                results.push((input.tensors[0].duplicate()?, work(&input.tensors[1])?, result));
                used.push(input.slot);
                slots.release(input)?;
            }
            assert_eq!(used, [0, 1, 0, 1, 0, 1, 0]);
            for (draw, (labels, sums, result)) in (0..).zip(results) {
                assert_eq!(labels.to_vec::<i32>()?, [draw as i32; 3]);
                assert_eq!(sums.to_f32()?, expected(draw));
                let positive: Vec<f32> = expected(draw).iter().map(|x| x.max(0.0)).collect();
                assert_eq!(result.to_f32()?, positive);
            }
        }
        Ok(())
    }

    #[test]
    fn without_release_wait_for_what_reads_a_slot() -> Result<()> {
        for device in devices()? {
            let mut slots = InputSlots::new(&device, LEN * 4)?;
            let mut results = Vec::new();
            for draw in 0..5 {
                let values = numbers(draw);
                let input = slots.fill(&[InputPart::new([LEN], &values)?])?;
                results.push(work(&input.tensors[0])?);
            }
            for (draw, result) in (0..).zip(results) {
                assert_eq!(result.to_f32()?, expected(draw));
            }
        }
        Ok(())
    }

    #[test]
    fn refuse_a_slot_that_is_held_and_parts_that_do_not_fit() -> Result<()> {
        for device in devices()? {
            let mut slots = InputSlots::new(&device, 64)?;
            let values = [1_u8; 65];
            assert!(message(slots.fill(&[InputPart::new([65], &values)?])).contains("do not fit"));
            let part = InputPart::new([64], &values[..64])?;
            let held = slots.fill(&[part])?;
            let other = slots.fill(&[part])?;
            slots.release(other)?;
            assert!(message(slots.fill(&[part])).contains("still in use"));
            slots.release(held)?;
            assert_eq!(slots.fill(&[part])?.slot, 0);
        }
        Ok(())
    }

    #[test]
    fn give_values_a_fixed_number_of_steps_late() -> Result<()> {
        for device in devices()? {
            let mut late = LateValues::new(&device, LEN, 2)?;
            for draw in 0..6 {
                // The tensor is gone before its values have been read.
                let found = late.push(&work(&tensor(&device, draw)?)?)?;
                let known = (draw >= 2).then(|| expected(draw - 2));
                assert_eq!(found, known, "{draw}");
            }
            assert_eq!(late.drain()?, [expected(4), expected(5)]);
            assert!(
                message(late.push(&Tensor::zeros(&device, [LEN], DType::I32)?)).contains("f32")
            );
        }
        Ok(())
    }

    #[test]
    fn are_refused_while_work_is_captured() -> Result<()> {
        let Some(device) = open() else { return Ok(()) };
        let mut slots = InputSlots::new(&device, LEN * 4)?;
        let values = numbers(0);
        let filled = device.capture(|| slots.fill(&[InputPart::new([LEN], &values)?]));
        assert!(message(filled.map(|_| ())).contains("captured"));
        Ok(())
    }
}

mod devices {
    use super::*;

    /// The words that it prints are what the next test looks at.
    #[test]
    fn that_do_not_exist_are_refused_by_number() -> Result<()> {
        let text = message(Device::cuda(4096));
        let known = text.contains("there is no CUDA device 4096") || text.contains("not available");
        assert!(known, "{text}");
        println!("{text}\n{}", Device::best()?.description());
        Ok(())
    }

    #[test]
    fn of_a_driver_that_is_old_or_empty_are_not_used_and_say_why() {
        // What a real driver is cannot be chosen.
        let emulated = open().is_some_and(|device| device.description().contains("emulat"));
        if !emulated {
            return;
        }
        let cases = [
            ("FASTLEARN_EMULATOR_DRIVER_VERSION", "11080", "update it to driver 525"),
            ("FASTLEARN_EMULATOR_DEVICES", "0", "CUDA_VISIBLE_DEVICES"),
        ];
        for (variable, value, advice) in cases {
            let this = std::env::current_exe().expect("a running test has a file");
            let output = std::process::Command::new(this)
                .args([
                    "--exact",
                    "--nocapture",
                    "devices::that_do_not_exist_are_refused_by_number",
                ])
                .env(variable, value)
                .output()
                .expect("it starts");
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("1 passed"), "{text}");
            assert!(text.contains(advice), "{variable}={value}: {text}");
            assert!(text.contains("CPU"), "the best device is the CPU then: {text}");
        }
    }

    #[test]
    fn say_what_they_are_and_why() -> Result<()> {
        let Some(device) = open() else { return Ok(()) };
        let text = device.description();
        assert!(text.contains("compute capability") && text.contains("asked for"), "{text}");
        assert_eq!((device.name(), device.float()), ("cuda", DType::F32));
        let best = Device::best()?;
        assert_eq!(best.name(), "cuda");
        assert!(best.description().contains("first CUDA device"), "{}", best.description());
        Ok(())
    }
}

#[test]
fn on_the_emulated_driver() {
    // Copies and kernels that run as late as they may show where a guard is missing.
    let late = ("FASTLEARN_EMULATOR_STREAMS", "deferred");
    let small = ("FASTLEARN_EMULATOR_MEMORY", "256M");
    cuda::emulated::run_again(&["forward"], &[late, small]);
}
