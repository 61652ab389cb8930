//! `fastlearn train`: from a folder of pictures to a run folder with a model.

mod arguments;
mod beyond;
mod estimate;
mod folds;
mod recipe;
mod repeat;
mod results;
mod stages;

use std::fs;
use std::time::Instant;

use autograd::optimizer::Decay;
use fastlearn::train::{Checkpoints, Interruption};
use fastlearn::{Error, ImageData, Learner};
use serde_json::Value;

pub use arguments::TrainArguments;
pub use arguments::{default_ratio, parse_ratio};
pub use recipe::{GivenArguments, read_recipe};
pub use repeat::{given_arguments, repeated};
pub use results::write_finder;
pub use stages::announce;

use super::download::DownloadProgress;
use super::error::{CommandError, Result};
use super::interrupt::interruption;
use super::output::Console;
use super::progress::{Busy, Reporter};
use super::run_folder::RunFolder;
use arguments::Stages;
use estimate::Plan;
use recipe::{RECIPE, Recipe};
use results::{MODEL, Results};
use stages::Progress;

/// The checkpoint's file in the run folder, for as long as the run is not finished.
const CHECKPOINT: &str = "checkpoint.safetensors";

/// Trains; `given` is what the command line says explicitly, for the recipe.
pub fn run(arguments: &TrainArguments, given: GivenArguments) -> Result<()> {
    if let Some(folds) = arguments.folds {
        return folds::run(arguments, &given, folds);
    }
    let interruption = interruption();
    let data = arguments.data.open().map_err(|error| of_moved_data(error, arguments))?;
    arguments.beyond.check(arguments.stages().last_epochs(), &data)?;
    let folder = match &arguments.resume {
        Some(run) => RunFolder::reopen(run)?,
        None => RunFolder::create(arguments.out.as_deref(), data.root())?,
    };
    let document = train_in(arguments, given, data, &folder, &interruption)?;
    Console::new(arguments.json).document(&document)
}

/// Trains into a folder; returns the results as a document.
fn train_in(
    arguments: &TrainArguments,
    given: GivenArguments,
    data: ImageData,
    folder: &RunFolder,
    interruption: &Interruption,
) -> Result<Value> {
    train(arguments, given, data, folder, interruption).map_err(|error| match error {
        CommandError::Library(Error::Interrupted) => {
            let can_go_on = folder.file(RECIPE).is_file();
            CommandError::Interrupted { run: can_go_on.then(|| folder.path().to_owned()) }
        }
        other => other,
    })
}

fn train(
    arguments: &TrainArguments,
    given: GivenArguments,
    data: ImageData,
    folder: &RunFolder,
    interruption: &Interruption,
) -> Result<Value> {
    let begun = Instant::now();
    let console = Console::new(arguments.json);
    let stages = arguments.stages();
    let mut learner = build(arguments, data, console, folder, interruption)?;
    let device = learner.device().description();
    console.line(format!("{} on {device}", learner.architecture().name));
    console.line(format!("run folder: {}", folder.path().display()));
    let (data, architecture) = (learner.data(), learner.architecture());
    let recipe = Recipe::new(arguments, given, &stages, data, architecture, device);
    folder.write(RECIPE, recipe.to_toml()?)?;
    let estimated = match &arguments.resume {
        Some(_) => None,
        None => Some(announce_plan(&stages, &mut learner, console)?),
    };
    let mut progress = Progress::default();
    let trained =
        stages::run(&mut learner, &stages, console, &mut progress, |learner, progress| {
            keep(folder, learner, &recipe, progress)
        });
    if let Err(error) = trained {
        return Err(rescued(error, folder, &learner, &recipe, &progress));
    }
    stages.beyond.finish(&mut learner, console)?;
    let ensemble = stages.beyond.ensemble(&mut learner, folder, stages.tta)?;
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
        folder,
        learner: &learner,
        recipe: recipe.with_rates(&progress.rates).finished(),
        progress: &progress,
        predictions,
        test,
        ensemble,
        tta: stages.tta,
        estimated,
    };
    results.write()?;
    // Nobody goes on from the end, and it is as large as three models.
    let _ = fs::remove_file(folder.file(CHECKPOINT));
    stages.beyond.clean_up(folder);
    console.line(results.summary()?);
    results.document(begun.elapsed().as_secs_f64())
}

fn build(
    arguments: &TrainArguments,
    data: ImageData,
    console: Console,
    folder: &RunFolder,
    interruption: &Interruption,
) -> Result<Learner> {
    let device = arguments.machine.device()?;
    let checkpoint = folder.file(CHECKPOINT);
    let mut builder = arguments
        .model
        .learner(arguments.beyond.data(data), &device, arguments.data.seed)?
        .interruption(interruption)
        .listener(Reporter::new(console))
        .listener(Checkpoints::new(&checkpoint).every(arguments.checkpoint));
    // A run that was killed before its first checkpoint begins anew, which comes to the same.
    if arguments.resume.is_some() && checkpoint.is_file() {
        builder = builder.resume(&checkpoint);
    }
    let mut learner = builder.build_observed(&mut DownloadProgress::new(console))?;
    learner.weight_decay(arguments.recipe.weight_decay, Decay::L2);
    arguments.beyond.set_up(&mut learner, folder)?;
    Ok(learner)
}

/// Measures some batches and says what will be done and how long it will take; returns the seconds.
fn announce_plan(stages: &Stages, learner: &mut Learner, console: Console) -> Result<f64> {
    let busy = Busy::new("measuring five batches");
    let times = learner.time_batches()?;
    drop(busy);
    let plan = Plan::new(stages, learner.data(), times);
    console.line(&plan);
    Ok(plan.seconds())
}

/// After each stage: whoever ends the run keeps what it had reached.
fn keep(folder: &RunFolder, learner: &Learner, recipe: &Recipe, progress: &Progress) -> Result<()> {
    let recipe = recipe.clone().with_rates(&progress.rates);
    folder.write(RECIPE, recipe.to_toml()?)?;
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

/// Pictures that a run had and that are not there any more may lie elsewhere.
fn of_moved_data(error: CommandError, arguments: &TrainArguments) -> CommandError {
    match &arguments.resume {
        Some(run) if !arguments.data.folder.exists() => CommandError::Request(format!(
            "the pictures of {} are not in {} any more; say where they are: fastlearn train DIR --resume {}",
            run.display(),
            arguments.data.folder.display(),
            run.display(),
        )),
        _ => error,
    }
}
