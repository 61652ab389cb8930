//! `--like RUN` and `--resume RUN`: the arguments of a run in place of those that are not given.
//!
//! They are put together before the arguments are parsed, so that they are checked like any others and
//! every argument that there will ever be can be repeated. Where they are written is `recipe`'s business.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::ValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::recipe::{GivenArguments, RECIPE, RecordedRun};
use crate::cli::error::{CommandError, Result};

const TRAIN: &str = "train";
const LIKE: &str = "like";
const RESUME: &str = "resume";
const FOLDER: &str = "folder";
const WEIGHTS: &str = "weights";
/// Belong to one run, not to its recipe.
const NOT_REPEATED: [&str; 4] = [LIKE, RESUME, "out", "json"];
/// Change nothing of a run's result: they can be given beside `--resume`.
const CHANGE_NOTHING: [&str; 7] =
    [RESUME, "json", FOLDER, "cache_dir", "threads", "workers", "quiet"];

/// The words of a command line, with those of the run that it names for `--like` or `--resume`.
pub fn repeated(command: &Command, words: Vec<OsString>) -> Result<Vec<OsString>> {
    let relaxed = command
        .clone()
        .mut_subcommand(TRAIN, |train| train.mut_args(|argument| argument.required(false)));
    // What is wrong with the words is better said by those who know which are required.
    let Ok(matches) = relaxed.try_get_matches_from(&words) else { return Ok(words) };
    let Some((TRAIN, matches)) = matches.subcommand() else { return Ok(words) };
    let Some(train) = command.find_subcommand(TRAIN) else { return Ok(words) };
    let run = |id: &str| matches.get_one::<PathBuf>(id).map(PathBuf::as_path);
    let (run, given) = match (run(RESUME), run(LIKE)) {
        (Some(run), _) => (run, resuming(train, matches, run)?),
        (None, Some(run)) => (run, given(train, matches)),
        (None, None) => return Ok(words),
    };
    let mut arguments = recorded(run, matches)?;
    arguments.extend(given);
    let program = words.into_iter().take(1).chain([TRAIN.into()]);
    let own = NOT_REPEATED.iter().filter(|&&id| id != LIKE);
    let own = own.flat_map(|id| argument_words(train, id, &explicit(matches, id)));
    let repeated = arguments.iter().flat_map(|(id, values)| argument_words(train, id, values));
    Ok(program.chain(own.collect::<Vec<_>>()).chain(repeated).collect())
}

/// The arguments of a run, which has to be unfinished to be resumed.
fn recorded(run: &Path, matches: &ArgMatches) -> Result<GivenArguments> {
    let recorded = RecordedRun::read(run)?;
    if recorded.finished && is_given(matches, RESUME) {
        return Err(CommandError::run_folder(
            run,
            format!(
                "this run is finished; to repeat it, say with other settings: fastlearn train --like {}",
                run.display()
            ),
        ));
    }
    Ok(recorded.arguments)
}

/// What is given beside `--resume`, which must change nothing.
fn resuming(train: &Command, matches: &ArgMatches, run: &Path) -> Result<GivenArguments> {
    for argument in train.get_arguments() {
        let id = argument.get_id().as_str();
        if is_given(matches, id) && !CHANGE_NOTHING.contains(&id) {
            return Err(CommandError::Request(format!(
                "--resume goes on with the settings of {}, so `{}` cannot be changed; to train anew with \
                 other settings: fastlearn train --like {} ...",
                run.join(RECIPE).display(),
                argument.get_long().map_or_else(|| id.to_owned(), |long| format!("--{long}")),
                run.display(),
            )));
        }
    }
    Ok(given(train, matches))
}

/// What a command line says explicitly of training, as it can be repeated from any folder.
pub fn given_arguments(command: &Command, matches: &ArgMatches) -> GivenArguments {
    match (command.find_subcommand(TRAIN), matches.subcommand()) {
        (Some(train), Some((TRAIN, matches))) => given(train, matches),
        _ => GivenArguments::new(),
    }
}

fn given(train: &Command, matches: &ArgMatches) -> GivenArguments {
    let arguments = train.get_arguments().filter(|argument| {
        let id = argument.get_id().as_str();
        is_given(matches, id) && !NOT_REPEATED.contains(&id)
    });
    let data = matches.get_one::<PathBuf>(FOLDER);
    let entry = |argument: &Arg| {
        let id = argument.get_id().as_str();
        let values = explicit(matches, id).into_iter().map(|value| located(argument, value, data));
        (id.to_owned(), values.collect())
    };
    arguments.map(entry).collect::<BTreeMap<_, _>>()
}

fn is_given(matches: &ArgMatches, id: &str) -> bool {
    // Help and version are no values of the matches.
    matches.try_contains_id(id).is_ok()
        && matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// The values of an argument on the command line; none if it is not there.
fn explicit(matches: &ArgMatches, id: &str) -> Vec<String> {
    match is_given(matches, id) {
        true => {
            let values = matches.get_raw(id).into_iter().flatten();
            values.map(|value| value.to_string_lossy().into_owned()).collect()
        }
        false => Vec::new(),
    }
}

/// Paths whole, so that they mean the same in another folder; but those within the data folder as they
/// are, so that it can be moved.
fn located(argument: &Arg, value: String, data: Option<&PathBuf>) -> String {
    let id = argument.get_id().as_str();
    let is_path = argument.get_value_parser().type_id() == ValueParser::path_buf().type_id();
    let is_file = id == WEIGHTS && Path::new(&value).is_file();
    let is_within = id != FOLDER && data.is_some_and(|data| data.join(&value).exists());
    match (is_path && !is_within) || is_file {
        true => std::path::absolute(&value)
            .map_or(value, |absolute| absolute.to_string_lossy().into_owned()),
        false => value,
    }
}

/// An argument as it is typed; nothing for one that this program does not know, or a switch that is off.
fn argument_words(train: &Command, id: &str, values: &[String]) -> Vec<OsString> {
    let Some(argument) = train.get_arguments().find(|argument| argument.get_id() == id) else {
        return values.iter().map(|value| format!("--{id}={value}").into()).collect();
    };
    match (argument.get_long(), argument.get_action()) {
        (None, _) => values.iter().map(OsString::from).collect(),
        (Some(long), ArgAction::SetTrue) => {
            let is_on = values.iter().any(|value| value == "true");
            is_on.then(|| format!("--{long}").into()).into_iter().collect()
        }
        (Some(long), _) => values.iter().map(|value| format!("--{long}={value}").into()).collect(),
    }
}
