//! Every case on devices against Reference: each legal plan, and the same bits whatever the number of
//! threads and however often it is run. Which devices there are is for the tests to say.

use tensor_core::backend::Plan;
use tensor_core::{Device, Result};

use super::compare::{compare, same_bits};
use super::format::Format;
use super::input::{Draw, Input, upload};
use super::{Case, Output, run_on_reference};

/// A device, and devices that have to do the same.
pub struct Contestant {
    /// What it calls itself in messages.
    pub name: String,
    /// The one that is held against Reference.
    pub device: Device,
    /// Those that must give the same bits: the same device with other numbers of threads, or itself
    /// once more.
    pub twins: Vec<Device>,
    /// What it rounds factors to before it multiplies them.
    pub format: Format,
    /// How much farther off than a rounded sum its sums may be: 1 where every step is rounded.
    pub widening: f64,
    /// The same device with fewer formats allowed: plans that are legal there are judged with it.
    pub without: Option<Device>,
}

impl Contestant {
    /// The legal plans that are this contestant's to show.
    fn plans(&self, case: &dyn Case) -> Result<Plans> {
        let mut plans = case.plans(&self.device)?;
        if plans.is_empty() {
            return Ok(Plans::Unplanned);
        }
        if let Some(without) = &self.without {
            let others = case.plans(without)?;
            plans.retain(|plan| others.iter().all(|other| other.variant != plan.variant));
        }
        Ok(Plans::These(plans))
    }
}

/// What there is to choose from.
enum Plans {
    Unplanned,
    These(Vec<Plan>),
}

/// Panics with every disagreement of these cases.
pub fn assert_agreement(cases: &[Box<dyn Case>], contestants: &[Contestant]) {
    assert!(!cases.is_empty(), "an empty case table proves nothing");
    let faults: Vec<String> =
        cases.iter().flat_map(|case| disagreements(&**case, contestants)).collect();
    assert!(faults.is_empty(), "{} disagreements:\n{}", faults.len(), faults.join("\n"));
}

/// What is wrong with this case on these devices, one line a fault.
pub fn disagreements(case: &dyn Case, contestants: &[Contestant]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut last: Option<Judgement> = None;
    for contestant in contestants {
        // Contestants of one format are judged alike, and the judge is slow.
        let judgement = match last.take().filter(|last| last.format == contestant.format) {
            Some(judgement) => judgement,
            None => match Judgement::new(case, contestant.format) {
                Ok(judgement) => judgement,
                Err(error) => return vec![format!("{} on Reference: {error}", case.name())],
            },
        };
        if let Err(error) = judgement.check(contestant, &mut faults) {
            faults.push(format!("{} on {}: {error}", case.name(), contestant.name));
        }
        last = Some(judgement);
    }
    faults
}

/// A case with what Reference makes of it.
struct Judgement<'a> {
    case: &'a dyn Case,
    format: Format,
    inputs: Vec<Input>,
    expected: Vec<Output>,
    magnitudes: Vec<Vec<f64>>,
}

impl<'a> Judgement<'a> {
    fn new(case: &'a dyn Case, format: Format) -> Result<Judgement<'a>> {
        let drawn = case.inputs(&mut Draw::new(&case.name()));
        let inputs: Vec<Input> = drawn.iter().map(|input| input.rounded(format)).collect();
        let expected = run_on_reference(case, &inputs)?;
        let magnitudes = case.magnitudes(&inputs, &expected)?;
        Ok(Judgement { case, format, inputs, expected, magnitudes })
    }

    fn run(&self, device: &Device, plan: Option<&Plan>) -> Result<Vec<Output>> {
        self.case.run(device, plan, &upload(device, &self.inputs)?)
    }

    /// Runs every legal plan.
    fn check(&self, contestant: &Contestant, faults: &mut Vec<String>) -> Result<()> {
        match contestant.plans(self.case)? {
            Plans::Unplanned => self.check_plan(contestant, None, faults),
            Plans::These(plans) => {
                plans.iter().try_for_each(|plan| self.check_plan(contestant, Some(plan), faults))
            }
        }
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
        let fault = self.fault(&found, contestant.widening);
        faults.extend(fault.map(|fault| format!("{place}: {fault}")));
        for twin in &contestant.twins {
            let fault = differing_bits(&found, &self.run(twin, plan)?);
            faults.extend(fault.map(|fault| format!("{place}, {twin:?} differs: {fault}")));
        }
        Ok(())
    }

    /// The first output that is not the expected one.
    fn fault(&self, found: &[Output], widening: f64) -> Option<String> {
        if found.len() != self.expected.len() || found.len() != self.magnitudes.len() {
            return Some(format!("{} outputs of {}", found.len(), self.expected.len()));
        }
        let bounds = self.case.bounds().widened(widening);
        let triples = self.expected.iter().zip(&self.magnitudes).zip(found);
        triples.into_iter().find_map(|((expected, magnitude), found)| {
            let (wanted, got) = (&expected.values, &found.values);
            let fault = compare(wanted, magnitude, got, found.rounding, bounds).err()?;
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
