//! Standard output and standard error: which text goes where, and what happens when nobody reads.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use super::error::{CommandError, Result};

/// Where a command's text goes. With `--json` standard output is one document, so that lines for
/// people go to standard error.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    json: bool,
}

impl Console {
    pub fn new(json: bool) -> Console {
        Console { json }
    }

    pub fn is_json(self) -> bool {
        self.json
    }

    /// A line for people. A reader who went away is no reason to stop training.
    pub fn line(self, text: impl Display) {
        let _ = match self.json {
            true => writeln!(io::stderr(), "{text}"),
            false => writeln!(io::stdout(), "{text}"),
        };
    }

    /// A remark that is not part of the result.
    pub fn note(self, text: impl Display) {
        let _ = writeln!(io::stderr(), "note: {text}");
    }

    /// With `--json`: the document.
    pub fn document(self, document: &serde_json::Value) -> Result<()> {
        match self.json {
            true => write_out(|out| writeln!(out, "{document:#}")),
            false => Ok(()),
        }
    }
}

/// Writes a result to standard output. A reader who has seen enough (`| head`) is no fault.
pub fn write_out(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CommandError::Output(error)),
        _ => Ok(()),
    }
}

/// Seconds as people say them: `0.4 s`, `48 s`, `3 min 20 s`, `1 h 05 min`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A count with its noun, `s` added unless it is one.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A rate in scientific notation with two digits: `1.2e-2`.
pub fn rate(value: f32) -> String {
    format!("{value:.1e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        for (seconds, text) in [
            (-1.0, "0.0 s"),
            (0.44, "0.4 s"),
            (9.96, "10 s"),
            (59.4, "59 s"),
            (59.6, "1 min 00 s"),
            (3725.0, "1 h 02 min"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn rates_keep_two_digits() {
        assert_eq!((rate(0.01), rate(3.24e-4)), ("1.0e-2".to_owned(), "3.2e-4".to_owned()));
    }
}
