//! Every case on a device against Reference: each legal plan, and the same bits whatever the number
//! of threads.

use tensor_core::backend::Plan;
use tensor_core::{CpuOptions, Device, InstructionSet, Result};

use super::compare::{compare, epsilon, same_bits};
use super::input::{Draw, Input, upload};
use super::{Case, Output, poisoned, run_on_reference};

/// A device, and the same device with other numbers of threads.
pub struct Contestant {
    /// What it calls itself in messages.
    pub name: String,
    /// The one that is held against Reference.
    pub device: Device,
    /// Those that must give the same bits.
    pub twins: Vec<Device>,
}

/// The CPU with each instruction set that it has, with 1, 2 and 4 threads.
pub fn contestants() -> Result<Vec<Contestant>> {
    let available = InstructionSet::ALL.into_iter().filter(|set| set.is_available());
    let open = |set, threads| {
        let options = CpuOptions { threads: Some(threads), instruction_set: Some(set) };
        Device::cpu_with(options).map(poisoned)
    };
    available
        .map(|set| {
            let (device, twins) = (open(set, 1)?, vec![open(set, 2)?, open(set, 4)?]);
            Ok(Contestant { name: format!("CPU {set}"), device, twins })
        })
        .collect()
}

/// Panics with every disagreement of these cases.
pub fn assert_agreement(cases: &[Box<dyn Case>]) {
    let contestants = contestants().expect("every machine has a CPU");
    assert!(!cases.is_empty(), "an empty case table proves nothing");
    let faults: Vec<String> =
        cases.iter().flat_map(|case| disagreements(&**case, &contestants)).collect();
    assert!(faults.is_empty(), "{} disagreements:\n{}", faults.len(), faults.join("\n"));
}

/// What is wrong with this case on these devices, one line a fault.
pub fn disagreements(case: &dyn Case, contestants: &[Contestant]) -> Vec<String> {
    let judgement = match Judgement::new(case) {
        Ok(judgement) => judgement,
        Err(error) => return vec![format!("{} on Reference: {error}", case.name())],
    };
    let mut faults = Vec::new();
    for contestant in contestants {
        if let Err(error) = judgement.check(contestant, &mut faults) {
            faults.push(format!("{} on {}: {error}", case.name(), contestant.name));
        }
    }
    faults
}

/// A case with what Reference makes of it.
struct Judgement<'a> {
    case: &'a dyn Case,
    inputs: Vec<Input>,
    expected: Vec<Output>,
    magnitudes: Vec<Vec<f64>>,
}

impl<'a> Judgement<'a> {
    fn new(case: &'a dyn Case) -> Result<Judgement<'a>> {
        let inputs = case.inputs(&mut Draw::new(&case.name()));
        let expected = run_on_reference(case, &inputs)?;
        let magnitudes = case.magnitudes(&inputs, &expected)?;
        Ok(Judgement { case, inputs, expected, magnitudes })
    }

    fn run(&self, device: &Device, plan: Option<&Plan>) -> Result<Vec<Output>> {
        self.case.run(device, plan, &upload(device, &self.inputs)?)
    }

    /// Runs every legal plan.
    fn check(&self, contestant: &Contestant, faults: &mut Vec<String>) -> Result<()> {
        let plans = self.case.plans(&contestant.device)?;
        if plans.is_empty() {
            return self.check_plan(contestant, None, faults);
        }
        plans.iter().try_for_each(|plan| self.check_plan(contestant, Some(plan), faults))
    }

    fn check_plan(
        &self,
        contestant: &Contestant,
        plan: Option<&Plan>,
        faults: &mut Vec<String>,
    ) -> Result<()> {
        let variant = plan.map_or("", |plan| plan.variant);
        let place = format!("{} on {} {variant}", self.case.name(), contestant.name);
        let found = self.run(&contestant.device, plan)?;
        let fault = self.fault(&found, epsilon(contestant.device.float()));
        faults.extend(fault.map(|fault| format!("{place}: {fault}")));
        for twin in &contestant.twins {
            let fault = differing_bits(&found, &self.run(twin, plan)?);
            faults.extend(fault.map(|fault| format!("{place}, {twin:?} differs: {fault}")));
        }
        Ok(())
    }

    /// The first output that is not the expected one.
    fn fault(&self, found: &[Output], epsilon: f64) -> Option<String> {
        if found.len() != self.expected.len() || found.len() != self.magnitudes.len() {
            return Some(format!("{} outputs of {}", found.len(), self.expected.len()));
        }
        let triples = self.expected.iter().zip(&self.magnitudes).zip(found);
        triples.into_iter().find_map(|((expected, magnitude), found)| {
            let (wanted, got) = (&expected.values, &found.values);
            let fault = compare(wanted, magnitude, got, epsilon, self.case.bounds()).err()?;
            Some(format!("{}, {fault}", found.name))
        })
    }
}

fn differing_bits(left: &[Output], right: &[Output]) -> Option<String> {
    left.iter().zip(right).find_map(|(left, right)| {
        let fault = same_bits(&left.values, &right.values).err()?;
        Some(format!("{}, {fault}", left.name))
    })
}
