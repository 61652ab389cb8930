//! The commands: one file each, thin layers over the library.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed,
//! 2 wrong usage, 130 interrupted.

mod arguments;
mod compare;
mod debug;
mod doctor;
mod download;
mod error;
mod evaluate;
mod export;
mod inspect;
mod interrupt;
mod judgement;
mod label_arguments;
mod lr_find;
mod machine;
mod output;
mod predict;
mod predictions_file;
mod progress;
mod run_folder;
mod train;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use error::{Result, print_error};

/// Train image classifiers by transfer learning, predict with them and judge them.
///
/// A data folder has one folder of pictures a class (ROOT/CLASS), or ROOT/train/CLASS and
/// ROOT/valid/CLASS. It is never written to.
#[derive(Debug, Parser)]
#[command(name = "fastlearn", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(Box<train::TrainArguments>),
    LrFind(Box<lr_find::LrFindArguments>),
    Compare(compare::CompareArguments),
    Predict(predict::PredictArguments),
    Evaluate(evaluate::EvaluateArguments),
    Inspect(inspect::InspectArguments),
    Export(export::ExportArguments),
    Doctor(doctor::DoctorArguments),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    match run_command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn run_command() -> Result<()> {
    let words = train::repeated(&Cli::command(), std::env::args_os().collect())?;
    let matches = Cli::command().get_matches_from(words);
    let parsed = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match parsed.command {
        Command::Train(arguments) => {
            let given = train::given_arguments(&Cli::command(), &matches);
            train::run(&arguments, given)
        }
        Command::LrFind(arguments) => lr_find::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        super::Cli::command().debug_assert();
    }
}
