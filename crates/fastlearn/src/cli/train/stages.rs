//! The lesson's stages, one after the other, on a learner.

use fastlearn::Learner;
use fastlearn::schedule::{FinderCurve, Ramp, Rates, Schedule};

use super::arguments::{LearningRate, Stages};
use super::recipe::StageRate;
use crate::cli::error::{CommandError, Result};
use crate::cli::output::{Console, rate};
use crate::cli::progress::Busy;

/// Names of the stages, in tables and files.
pub const PRECOMPUTED: &str = "precomputed";
pub const FROZEN: &str = "frozen";
pub const SCRATCH: &str = "from scratch";
pub const UNFROZEN: &str = "unfrozen";

/// A rate-finder run and the stage it was for.
#[derive(Debug)]
pub struct Finder {
    pub stage: &'static str,
    pub curve: FinderCurve,
    /// Its suggestion.
    pub rate: f32,
}

/// What a run has found and used so far; it outlives an error.
#[derive(Debug, Default)]
pub struct Progress {
    pub finders: Vec<Finder>,
    pub rates: Vec<StageRate>,
    /// Schedules with their stage and base rate, for plots.
    pub schedules: Vec<(&'static str, Schedule, f32)>,
}

/// Runs all stages; `after` is called when one is done.
pub fn run(
    learner: &mut Learner,
    stages: &Stages,
    console: Console,
    progress: &mut Progress,
    mut after: impl FnMut(&Learner, &Progress) -> Result<()>,
) -> Result<()> {
    if stages.precomputed > 0 {
        train_head(learner, stages, console, progress)?;
        after(learner, progress)?;
    }
    if let Some(cycles) = stages.frozen {
        train_frozen(learner, stages, cycles.into(), console, progress)?;
        after(learner, progress)?;
    }
    if let Some(cycles) = stages.unfrozen {
        train_unfrozen(learner, stages, cycles.into(), console, progress)?;
        after(learner, progress)?;
    }
    Ok(())
}

/// Stage A: the head on activations that are computed once.
fn train_head(
    learner: &mut Learner,
    stages: &Stages,
    console: Console,
    progress: &mut Progress,
) -> Result<()> {
    learner.set_stage(PRECOMPUTED);
    let busy = Busy::new("computing the activations below the head");
    let mut head = learner.precompute()?;
    drop(busy);
    let rate = match stages.lr {
        LearningRate::Fixed(rate) => rate,
        LearningRate::Auto => {
            let busy = Busy::new("finding a learning rate for the head");
            let curve = head.lr_find()?;
            drop(busy);
            progress.found(console, PRECOMPUTED, curve)?
        }
    };
    let schedule = Schedule::constant(stages.precomputed);
    progress.begin(console, 'A', PRECOMPUTED, &schedule, rate);
    head.fit(rate, schedule)?;
    Ok(())
}

/// Stage B: the head on augmented pictures; every group, if none is pre-trained.
fn train_frozen(
    learner: &mut Learner,
    stages: &Stages,
    schedule: Schedule,
    console: Console,
    progress: &mut Progress,
) -> Result<()> {
    let stage = if stages.is_pretrained { FROZEN } else { SCRATCH };
    match stages.is_pretrained {
        true => learner.freeze()?,
        false => learner.unfreeze()?,
    }
    learner.set_stage(stage);
    let rate = match (stages.lr, progress.rates.last()) {
        (LearningRate::Fixed(rate), _) => rate,
        (LearningRate::Auto, Some(earlier)) => earlier.rate,
        (LearningRate::Auto, None) => {
            let busy = Busy::new("finding a learning rate");
            let curve = learner.lr_find()?;
            drop(busy);
            progress.found(console, stage, curve)?
        }
    };
    progress.begin(console, 'B', stage, &schedule, rate);
    learner.fit(rate, schedule)?;
    Ok(())
}

/// Stage C: every group, earlier ones at lower rates.
fn train_unfrozen(
    learner: &mut Learner,
    stages: &Stages,
    schedule: Schedule,
    console: Console,
    progress: &mut Progress,
) -> Result<()> {
    learner.unfreeze()?;
    learner.freeze_norms(stages.freeze_norms);
    learner.set_stage(UNFROZEN);
    let earlier = progress.rates.last().map(|earlier| earlier.rate);
    let rate = match (stages.lr, earlier) {
        (LearningRate::Fixed(rate), _) => rate,
        (LearningRate::Auto, Some(earlier)) if !stages.finds_again => earlier,
        (LearningRate::Auto, earlier) => {
            let busy = Busy::new("finding a learning rate for the unfrozen network");
            let ratios = Rates::spread(1.0, stages.ratio);
            let curve = learner.lr_find_with(ratios, &Ramp::default())?;
            drop(busy);
            let found = progress.found(console, UNFROZEN, curve)?;
            lower(console, earlier, found)
        }
    };
    progress.begin(console, 'C', UNFROZEN, &schedule, rate);
    learner.fit(Rates::spread(rate, stages.ratio), schedule)?;
    Ok(())
}

/// Of the rate before and the one found now, the lower.
fn lower(console: Console, earlier: Option<f32>, found: f32) -> f32 {
    let Some(earlier) = earlier else { return found };
    let lower = earlier.min(found);
    let (before, now, used) = (rate(earlier), rate(found), rate(lower));
    console.line(format!("rate before {before}, now {now}: the lower, {used}, is used"));
    lower
}

impl Progress {
    /// Tells what a finder run suggests and keeps it.
    fn found(&mut self, console: Console, stage: &'static str, curve: FinderCurve) -> Result<f32> {
        let rate = announce(console, &curve)?;
        self.finders.push(Finder { stage, curve, rate });
        Ok(rate)
    }

    fn begin(
        &mut self,
        console: Console,
        letter: char,
        stage: &'static str,
        schedule: &Schedule,
        base: f32,
    ) {
        console.line(format!("\n{letter} {stage}: {}, rate {}", schedule.label(), rate(base)));
        self.rates.push(StageRate { stage, rate: base });
        self.schedules.push((stage, schedule.clone(), base));
    }
}

/// Prints a curve's suggestion, the steepest point and what speaks against them.
pub fn announce(console: Console, curve: &FinderCurve) -> Result<f32> {
    let suggestion = curve.suggest().ok_or(CommandError::NoRate)?;
    let steepest = suggestion.steepest.map_or_else(String::new, |index| {
        format!(", the loss falls most steeply at {}", rate(curve.rates[index]))
    });
    console.line(format!(
        "\nrate finder ({}): {} suggested, lowest loss at {}{steepest}",
        curve.group,
        rate(suggestion.rate),
        rate(curve.rates[suggestion.lowest]),
    ));
    if let Some(reservation) = suggestion.reservation {
        console.note(format!("{reservation}"));
    }
    Ok(suggestion.rate)
}
