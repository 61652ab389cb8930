//! `fastlearn train`: from a folder of pictures to a run folder with a model.

mod arguments;
mod estimate;
mod recipe;
mod results;
mod stages;

use std::time::Instant;

use autograd::optimizer::Decay;
use fastlearn::{Error, ImageData, Learner};

pub use arguments::TrainArguments;
pub use arguments::{default_ratio, parse_ratio};
pub use results::write_finder;
pub use stages::announce;

use super::download::DownloadProgress;
use super::error::{CommandError, Result};
use super::output::Console;
use super::progress::{Busy, Recorder, Reporter};
use super::run_folder::RunFolder;
use arguments::Stages;
use estimate::Plan;
use recipe::Recipe;
use results::{MODEL, Results};
use stages::Progress;

pub fn run(arguments: &TrainArguments) -> Result<()> {
    let begun = Instant::now();
    let console = Console::new(arguments.json);
    let (stages, data) = (arguments.stages(), arguments.data.open()?);
    let folder = RunFolder::create(arguments.out.as_deref(), data.root())?;
    let recorder = Recorder::default();
    let mut learner = build(arguments, data, console, recorder.clone())?;
    let recipe = describe(arguments, &stages, &learner);
    let busy = Busy::new("measuring five batches");
    let times = learner.time_batches()?;
    let plan = Plan::new(&stages, learner.data(), times);
    drop(busy);
    folder.write("recipe.toml", recipe.to_toml()?)?;
    console.line(format!("{} on {}", learner.architecture().name, learner.device().description()));
    console.line(format!("run folder: {}", folder.path().display()));
    console.line(&plan);

    let mut progress = Progress::default();
    let trained =
        stages::run(&mut learner, &stages, console, &mut progress, |learner, progress| {
            keep(&folder, learner, &recipe, progress)
        });
    if let Err(error) = trained {
        return Err(rescued(error, &folder, &learner, &recipe, &progress));
    }
    let busy = Busy::new("predicting the validation pictures");
    let predictions = learner.tta(stages.tta)?;
    drop(busy);
    let test = match learner.data().test().filter(|_| arguments.data.predicts_test()) {
        Some(split) => {
            let _busy = Busy::new("predicting the test pictures");
            Some(learner.tta_split(split, stages.tta)?)
        }
        None => None,
    };
    let results = Results {
        folder: &folder,
        learner: &learner,
        recipe: recipe.with_rates(&progress.rates),
        progress: &progress,
        epochs: recorder.epochs(),
        predictions,
        test,
        tta: stages.tta,
        estimated: plan.seconds(),
    };
    results.write()?;
    console.line(results.summary()?);
    console.document(&results.document(begun.elapsed().as_secs_f64())?)
}

fn build(
    arguments: &TrainArguments,
    data: ImageData,
    console: Console,
    recorder: Recorder,
) -> Result<Learner> {
    let device = arguments.machine.device()?;
    let builder = arguments.model.learner(data, &device, arguments.data.seed)?;
    let builder = builder.listener(Reporter::new(console)).listener(recorder);
    let mut learner = builder.build_observed(&mut DownloadProgress::new(console))?;
    learner.weight_decay(arguments.recipe.weight_decay, Decay::L2);
    Ok(learner)
}

fn describe(arguments: &TrainArguments, stages: &Stages, learner: &Learner) -> Recipe {
    let device = learner.device().description();
    Recipe::new(arguments, stages, learner.data(), learner.architecture(), device)
}

/// After each stage: whoever ends the run keeps what it had reached.
fn keep(folder: &RunFolder, learner: &Learner, recipe: &Recipe, progress: &Progress) -> Result<()> {
    let recipe = recipe.clone().with_rates(&progress.rates);
    folder.write("recipe.toml", recipe.to_toml()?)?;
    results::write_history(folder, learner)?;
    Ok(learner.save(folder.file(MODEL))?)
}

/// A run whose loss is no number any more has the weights of its last finished cycle: they are kept.
fn rescued(
    error: CommandError,
    folder: &RunFolder,
    learner: &Learner,
    recipe: &Recipe,
    progress: &Progress,
) -> CommandError {
    match error {
        CommandError::Library(source @ Error::Diverged { .. }) => {
            match keep(folder, learner, recipe, progress) {
                Ok(()) => CommandError::Diverged { source, model: folder.file(MODEL) },
                Err(failed) => failed,
            }
        }
        other => other,
    }
}
