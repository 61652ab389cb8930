//! The plan that is printed before training, with what each stage will take.

use fastlearn::ImageData;
use fastlearn::schedule::{Ramp, Schedule};
use fastlearn::train::PictureTimes;

use super::arguments::{LearningRate, Stages};
use crate::cli::output::{counted, duration};

/// One stage of the plan.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    letter: char,
    name: &'static str,
    what: String,
    seconds: f64,
}

/// All stages with their estimated time.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    heading: String,
    lines: Vec<Line>,
}

/// What a plan is reckoned from.
struct Sizes {
    train: f64,
    valid: f64,
    batch: f64,
    /// Views of each validation picture after an epoch.
    views: f64,
    times: PictureTimes,
    /// Whether it is the first size of the pictures: only there are rates looked for.
    is_first: bool,
}

impl Sizes {
    /// The same at larger or smaller pictures: time goes with their area.
    fn resized(&self, from: usize, to: usize) -> Sizes {
        let growth = (to as f64 / from as f64).powi(2);
        let PictureTimes { predict, frozen, unfrozen } = self.times;
        let [predict, frozen, unfrozen] = [predict, frozen, unfrozen].map(|time| time * growth);
        let times = PictureTimes { predict, frozen, unfrozen };
        Sizes { times, is_first: false, ..*self }
    }

    fn epochs(&self, count: usize, picture: f64) -> f64 {
        count as f64 * (self.train * picture + self.views * self.valid * self.times.predict)
    }

    fn finder(&self, picture: f64) -> f64 {
        Ramp::default().steps as f64 * self.batch.min(self.train) * picture
    }
}

impl Plan {
    pub fn new(stages: &Stages, data: &ImageData, times: PictureTimes) -> Plan {
        let sizes = Sizes {
            train: data.train().epoch_len() as f64,
            valid: data.valid().len() as f64,
            batch: data.loading().size() as f64,
            views: stages.beyond.tta_each_epoch.map_or(1, |tta| 1 + tta.len()) as f64,
            times,
            is_first: true,
        };
        let heading = format!(
            "{} to learn from and {} to judge by, {} classes, {}, batches of {}",
            counted(data.train().len(), "picture"),
            data.valid().len(),
            data.classes().len(),
            pixels(&stages.sizes),
            data.loading().size(),
        );
        let (first, later) = stages.sizes.split_first().unwrap_or((&1, &[]));
        let mut lines =
            vec![precomputed(stages, &sizes), frozen(stages, &sizes), unfrozen(stages, &sizes)];
        let mut last = None;
        for size in later {
            let larger = sizes.resized(*first, *size);
            let at = |line: Line| Line { what: format!("at {size} pixels: {}", line.what), ..line };
            let again = [frozen(stages, &larger), unfrozen(stages, &larger)];
            lines.extend(again.map(|line| line.map(at)));
            last = Some(larger);
        }
        lines.push(Some(predictions(stages, last.as_ref().unwrap_or(&sizes))));
        Plan { heading, lines: lines.into_iter().flatten().collect() }
    }

    /// Estimated seconds of all stages.
    pub fn seconds(&self) -> f64 {
        self.lines.iter().map(|line| line.seconds).sum()
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "plan: {}", self.heading)?;
        let width = self.lines.iter().map(|line| line.what.chars().count()).max().unwrap_or(0);
        for Line { letter, name, what, seconds } in &self.lines {
            let time = duration(*seconds);
            writeln!(f, "  {letter}  {name:<12} {what:<width$}  about {time}")?;
        }
        write!(f, "  about {} in all, from five measured batches", duration(self.seconds()))
    }
}

fn precomputed(stages: &Stages, sizes: &Sizes) -> Option<Line> {
    (stages.precomputed > 0).then(|| Line {
        letter: 'A',
        name: "precomputed",
        what: format!(
            "{}{} of the head on {}",
            finder_first(stages),
            counted(stages.precomputed, "epoch"),
            match stages.beyond.views {
                Some(views) =>
                    format!("activations of {} in turn", counted(views, "augmented view")),
                None => "activations computed once".to_owned(),
            }
        ),
        seconds: (stages.beyond.views.unwrap_or(1) as f64 * sizes.train + sizes.valid)
            * sizes.times.predict,
    })
}

fn frozen(stages: &Stages, sizes: &Sizes) -> Option<Line> {
    let schedule = Schedule::from(stages.frozen?);
    let (name, picture) = match stages.is_pretrained {
        true => ("frozen", sizes.times.frozen),
        false => ("from scratch", sizes.times.unfrozen),
    };
    let finds = sizes.is_first && stages.precomputed == 0 && stages.lr == LearningRate::Auto;
    let finder = if finds { sizes.finder(picture) } else { 0.0 };
    Some(Line {
        letter: 'B',
        name,
        what: format!("{}{}", if finds { FINDER } else { "" }, schedule.label()),
        seconds: finder + sizes.epochs(schedule.epochs(), picture),
    })
}

fn unfrozen(stages: &Stages, sizes: &Sizes) -> Option<Line> {
    let schedule = Schedule::from(stages.unfrozen?);
    let is_first = stages.precomputed == 0 && stages.frozen.is_none();
    let finds =
        sizes.is_first && stages.lr == LearningRate::Auto && (is_first || stages.finds_again);
    let finder = if finds { sizes.finder(sizes.times.unfrozen) } else { 0.0 };
    Some(Line {
        letter: 'C',
        name: "unfrozen",
        what: format!(
            "{}{}, {}",
            if finds { FINDER } else { "" },
            schedule.label(),
            group_rates(stages.ratio)
        ),
        seconds: finder + sizes.epochs(schedule.epochs(), sizes.times.unfrozen),
    })
}

/// Rates of the three layer groups as parts of the last one's.
fn group_rates(ratio: f32) -> String {
    match ratio {
        1.0 => "one rate for all layers".to_owned(),
        _ => format!("rates 1/{}, 1/{ratio}, 1 by layer group", ratio * ratio),
    }
}

fn predictions(stages: &Stages, sizes: &Sizes) -> Line {
    let what = match stages.tta.is_plain() {
        true => "the plain validation pictures".to_owned(),
        false => format!("test-time augmentation, {}", stages.tta.label()),
    };
    // The last stage's snapshots are predicted with too.
    let last = stages.unfrozen.or(stages.frozen).filter(|_| stages.beyond.snapshots);
    let models = 1 + last.map_or(0, |cycles| cycles.count());
    let views = (models * stages.tta.len()) as f64;
    Line {
        letter: 'D',
        name: "predictions",
        what,
        seconds: views * sizes.valid * sizes.times.predict,
    }
}

/// `64, then 128 pixels`.
fn pixels(sizes: &[usize]) -> String {
    let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
    format!("{} pixels", sizes.join(", then "))
}

const FINDER: &str = "rate finder, then ";

fn finder_first(stages: &Stages) -> &'static str {
    match stages.lr {
        LearningRate::Auto => FINDER,
        LearningRate::Fixed(_) | LearningRate::Between(..) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::train::beyond::BeyondArguments;
    use fastlearn::predict::Tta;
    use fastlearn::schedule::Cycles;

    fn stages() -> Stages {
        Stages {
            sizes: vec![64, 128],
            precomputed: 2,
            frozen: Some(Cycles::new(3)),
            unfrozen: Some(Cycles::new(3).multiplier(2)),
            is_pretrained: true,
            finds_again: true,
            lr: LearningRate::Auto,
            ratio: 10.0,
            tta: Tta::random(4),
            freeze_norms: false,
            beyond: BeyondArguments::default(),
        }
    }

    fn sizes() -> Sizes {
        let times = PictureTimes { predict: 1.0, frozen: 2.0, unfrozen: 3.0 };
        Sizes { train: 80.0, valid: 20.0, batch: 8.0, views: 1.0, times, is_first: true }
    }

    #[test]
    fn every_stage_is_reckoned() {
        let (stages, sizes) = (stages(), sizes());
        assert_eq!(precomputed(&stages, &sizes).map(|line| line.seconds), Some(100.0));
        assert_eq!(frozen(&stages, &sizes).map(|line| line.seconds), Some(3.0 * 180.0));
        let unfrozen = unfrozen(&stages, &sizes).expect("a stage");
        assert_eq!(unfrozen.seconds, 100.0 * 8.0 * 3.0 + 7.0 * 260.0);
        assert_eq!(predictions(&stages, &sizes).seconds, 100.0);
    }

    #[test]
    fn larger_pictures_take_longer_and_have_no_finder() {
        let larger = sizes().resized(64, 128);
        assert_eq!(frozen(&stages(), &larger).map(|line| line.seconds), Some(4.0 * 3.0 * 180.0));
        assert_eq!(unfrozen(&stages(), &larger).map(|line| line.seconds), Some(4.0 * 7.0 * 260.0));
    }

    #[test]
    fn the_finder_counts_where_it_runs() {
        let sizes = sizes();
        let minimal = Stages { precomputed: 0, finds_again: false, ..stages() };
        let finder = 100.0 * 8.0 * 2.0;
        assert_eq!(frozen(&minimal, &sizes).map(|line| line.seconds), Some(finder + 540.0));
        assert_eq!(unfrozen(&minimal, &sizes).map(|line| line.seconds), Some(1820.0));
        let fixed = Stages { lr: LearningRate::Fixed(0.01), ..stages() };
        assert_eq!(unfrozen(&fixed, &sizes).map(|line| line.seconds), Some(1820.0));
    }
}
