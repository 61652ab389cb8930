//! `FASTLEARN_DEBUG`: what was chosen (1), and every op with its shapes, time and rates (2), on standard
//! error.

use fastlearn::Device;
use models::weights::cache_folder;

use super::error::{CommandError, Result};

const VARIABLE: &str = "FASTLEARN_DEBUG";

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Nothing,
    Choices,
    Ops,
}

impl Level {
    fn from_words(words: Option<&str>) -> Result<Level> {
        match words.map(str::trim) {
            None | Some("" | "0") => Ok(Level::Nothing),
            Some("1") => Ok(Level::Choices),
            Some("2") => Ok(Level::Ops),
            Some(other) => Err(CommandError::Request(format!(
                "{VARIABLE} is {other}; 1 shows what was chosen, 2 every op as well"
            ))),
        }
    }
}

/// Shows what the variable asks for, about the device that was opened. At level 2 every op is waited for,
/// so that a run takes longer than it otherwise does.
pub fn begin(device: &Device) -> Result<()> {
    let words = std::env::var(VARIABLE).ok();
    let level = Level::from_words(words.as_deref())?;
    if level >= Level::Choices {
        eprintln!("debug: device: {}", device.description());
        let memory = device.memory_report();
        let limit = memory.limit.map_or("no limit".to_owned(), |limit| format!("{limit} bytes"));
        eprintln!("debug: activations: {}; memory: {limit}", device.activation());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        eprintln!("debug: processors: {cores}");
        match cache_folder(None) {
            Ok(folder) => eprintln!("debug: cache folder: {}", folder.display()),
            Err(error) => eprintln!("debug: cache folder: none: {error}"),
        }
    }
    if level >= Level::Ops {
        device.trace(|call| eprintln!("debug: {call}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_0_to_2() {
        let level = |words| Level::from_words(words).ok();
        assert_eq!(level(None), Some(Level::Nothing));
        assert_eq!(level(Some("0")), Some(Level::Nothing));
        assert_eq!(level(Some(" 1 ")), Some(Level::Choices));
        assert_eq!(level(Some("2")), Some(Level::Ops));
        assert_eq!(level(Some("yes")), None);
    }
}
