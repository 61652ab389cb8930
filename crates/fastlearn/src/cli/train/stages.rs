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
    pub stage: String,
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
    pub schedules: Vec<(String, Schedule, f32)>,
}

/// Runs all stages at the first size, then the head alone and everything at each of the others;
/// `after` is called when a stage is done.
pub fn run(
    learner: &mut Learner,
    stages: &Stages,
    console: Console,
    progress: &mut Progress,
    mut after: impl FnMut(&Learner, &Progress) -> Result<()>,
) -> Result<()> {
    for (number, &size) in stages.sizes.iter().enumerate() {
        if number > 0 {
            learner.set_size(size)?;
        }
        let is_last = number + 1 == stages.sizes.len();
        let mut stage = Stage { learner, stages, console, progress, size };
        if stages.precomputed > 0 && number == 0 {
            stage.train_head()?;
            stage.end(&mut after)?;
        }
        if let Some(cycles) = stages.frozen {
            if is_last && stages.unfrozen.is_none() {
                stages.beyond.keep_weights(stage.learner);
            }
            stage.train_frozen(cycles.into())?;
            stage.end(&mut after)?;
        }
        if let Some(cycles) = stages.unfrozen {
            if is_last {
                stages.beyond.keep_weights(stage.learner);
            }
            stage.train_unfrozen(cycles.into())?;
            stage.end(&mut after)?;
        }
    }
    Ok(())
}

/// A stage at one size, and what it changes.
struct Stage<'a> {
    learner: &'a mut Learner,
    stages: &'a Stages,
    console: Console,
    progress: &'a mut Progress,
    size: usize,
}

impl Stage<'_> {
    /// When it is done: advice, and whatever its caller does after each.
    fn end(&self, after: &mut impl FnMut(&Learner, &Progress) -> Result<()>) -> Result<()> {
        self.stages.beyond.advise(self.learner, self.console);
        after(self.learner, self.progress)
    }

    /// A: the head on activations that are computed once.
    fn train_head(&mut self) -> Result<()> {
        let name = self.name(PRECOMPUTED);
        self.learner.set_stage(&name);
        let busy = Busy::new("computing the activations below the head");
        let mut head = match self.stages.beyond.views {
            Some(views) => self.learner.precompute_views(views)?,
            None => self.learner.precompute()?,
        };
        drop(busy);
        let rate = match self.stages.lr.fixed() {
            Some(rate) => rate,
            None => {
                let busy = Busy::new("finding a learning rate for the head");
                let curve = head.lr_find()?;
                drop(busy);
                self.progress.found(self.console, &name, curve)?
            }
        };
        let schedule = Schedule::constant(self.stages.precomputed);
        self.progress.begin(self.console, 'A', &name, &schedule, rate);
        head.fit(rate, schedule)?;
        Ok(())
    }

    /// B: the head on augmented pictures; every group, if none is pre-trained.
    fn train_frozen(&mut self, schedule: Schedule) -> Result<()> {
        let kind = if self.stages.is_pretrained { FROZEN } else { SCRATCH };
        let name = self.name(kind);
        match self.stages.is_pretrained {
            true => self.learner.freeze()?,
            false => self.learner.unfreeze()?,
        }
        self.learner.freeze_norms(false);
        self.learner.set_stage(&name);
        let earlier = self.progress.rate_of(kind).or_else(|| self.progress.last_rate());
        let rate = match self.stages.lr.fixed().or(earlier) {
            Some(rate) => rate,
            None => {
                let busy = Busy::new("finding a learning rate");
                let curve = self.learner.lr_find()?;
                drop(busy);
                self.progress.found(self.console, &name, curve)?
            }
        };
        self.progress.begin(self.console, 'B', &name, &schedule, rate);
        self.learner.fit(rate, schedule)?;
        Ok(())
    }

    /// C: every group, earlier ones at lower rates; at later sizes at the rate of the first.
    fn train_unfrozen(&mut self, schedule: Schedule) -> Result<()> {
        let name = self.name(UNFROZEN);
        self.learner.unfreeze()?;
        self.learner.freeze_norms(self.stages.freeze_norms);
        self.learner.set_stage(&name);
        let earlier = self.progress.last_rate().filter(|_| !self.stages.finds_again);
        let settled = self.stages.lr.fixed().or(self.progress.rate_of(UNFROZEN)).or(earlier);
        let rate = match settled {
            Some(rate) => rate,
            None => {
                let busy = Busy::new("finding a learning rate for the unfrozen network");
                let ratios = Rates::spread(1.0, self.stages.ratio);
                let curve = self.learner.lr_find_with(ratios, &Ramp::default())?;
                drop(busy);
                let found = self.progress.found(self.console, &name, curve)?;
                lower(self.console, self.progress.last_rate(), found)
            }
        };
        self.progress.begin(self.console, 'C', &name, &schedule, rate);
        let rates = match self.stages.lr {
            LearningRate::Between(low, high) => Rates::between(low, high),
            _ => Rates::spread(rate, self.stages.ratio),
        };
        self.learner.fit(rates, schedule)?;
        Ok(())
    }

    /// The stage's name, with the size where there are several.
    fn name(&self, kind: &str) -> String {
        match self.stages.sizes.len() {
            1 => kind.to_owned(),
            _ => format!("{kind} at {}", self.size),
        }
    }
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
    /// The first rate of a kind of stage.
    fn rate_of(&self, kind: &str) -> Option<f32> {
        self.rates
            .iter()
            .find(|earlier| earlier.stage.starts_with(kind))
            .map(|earlier| earlier.rate)
    }

    fn last_rate(&self) -> Option<f32> {
        self.rates.last().map(|earlier| earlier.rate)
    }

    /// Tells what a finder run suggests and keeps it.
    fn found(&mut self, console: Console, stage: &str, curve: FinderCurve) -> Result<f32> {
        let rate = announce(console, &curve)?;
        self.finders.push(Finder { stage: stage.to_owned(), curve, rate });
        Ok(rate)
    }

    fn begin(
        &mut self,
        console: Console,
        letter: char,
        stage: &str,
        schedule: &Schedule,
        base: f32,
    ) {
        console.line(format!("\n{letter} {stage}: {}, rate {}", schedule.label(), rate(base)));
        self.rates.push(StageRate { stage: stage.to_owned(), rate: base });
        self.schedules.push((stage.to_owned(), schedule.clone(), base));
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
