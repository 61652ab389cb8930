//! `fastlearn lr-find`: the rate finder alone.

use std::path::PathBuf;

use clap::Args;
use fastlearn::Learner;
use fastlearn::schedule::{FinderCurve, Ramp, Rates};
use serde_json::json;

use super::arguments::{DataArguments, ModelArguments};
use super::download::DownloadProgress;
use super::error::{CommandError, Result};
use super::machine::MachineArguments;
use super::output::Console;
use super::progress::{Busy, Reporter};
use super::run_folder::RunFolder;
use super::train::{announce, default_ratio, parse_ratio, write_finder};

/// Finds a learning rate: 100 steps from 1e-5 to 10, with plots of rate and loss.
///
/// It looks for the rate of a new head on a frozen body, on activations computed once, or with
/// --unfrozen for that of the whole network. Nothing is trained. The run folder holds finder-rate.png,
/// finder-loss.png and finder.csv.
#[derive(Debug, Args)]
pub struct LrFindArguments {
    /// Find the rate of the whole network instead of the head's
    #[arg(long)]
    unfrozen: bool,
    /// With --unfrozen: how many times smaller each earlier layer group's rate is [default: as for
    /// `train`]
    #[arg(long, value_name = "RATIO", value_parser = parse_ratio)]
    lr_ratio: Option<f32>,
    /// The run folder; new or empty [default: runs/NAME-OF-DIR/NUMBER]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Print one JSON document to standard output, everything else to standard error
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataArguments,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    machine: MachineArguments,
}

pub fn run(arguments: &LrFindArguments) -> Result<()> {
    let console = Console::new(arguments.json);
    let data = arguments.data.open()?;
    let folder = RunFolder::create(arguments.out.as_deref(), data.root())?;
    let device = arguments.machine.device()?;
    let builder = arguments.model.learner(data, &device, arguments.data.seed)?;
    let mut learner = builder
        .listener(Reporter::new(console))
        .build_observed(&mut DownloadProgress::new(console))?;
    let curve = find(arguments, &mut learner)?;
    let rate = announce(console, &curve)?;
    let table = write_finder(&folder, "finder", &curve)?;
    console.line(format!("plots: {}", folder.path().display()));
    let curve = serde_json::to_value(&curve)
        .map_err(|error| CommandError::Text { what: "the curve", reason: error.to_string() })?;
    console.document(&json!({
        "rate": rate,
        "curve": curve,
        "table": table,
        "run_folder": folder.path(),
    }))
}

fn find(arguments: &LrFindArguments, learner: &mut Learner) -> Result<FinderCurve> {
    let _busy = Busy::new("finding a learning rate");
    let is_random = arguments.model.is_random();
    if arguments.unfrozen || is_random {
        learner.unfreeze()?;
        let ratio = arguments.lr_ratio;
        let ratio = ratio.unwrap_or_else(|| default_ratio(arguments.data.transforms, is_random));
        return Ok(learner.lr_find_with(Rates::spread(1.0, ratio), &Ramp::default())?);
    }
    Ok(learner.precompute()?.lr_find()?)
}
