//! Ctrl-C and the wish of others that the program end: the first time it finishes its batch and saves, the
//! second time it ends at once.

use std::io::{self, Write};
use std::process;

use fastlearn::train::Interruption;

/// Exit code of a program that was interrupted, as shells have it.
pub const EXIT_CODE: u8 = 130;

/// From now on SIGINT and SIGTERM (Ctrl-C on every system) ask for an interruption.
pub fn interruption() -> Interruption {
    let interruption = Interruption::new();
    let asked = interruption.clone();
    let listening = ctrlc::set_handler(move || {
        if asked.request() {
            process::exit(i32::from(EXIT_CODE));
        }
        let _ = writeln!(
            io::stderr(),
            "\ninterrupted: finishing the batch and saving; once more to quit at once"
        );
    });
    if let Err(error) = listening {
        let _ = writeln!(io::stderr(), "note: Ctrl-C will end this at once ({error})");
    }
    interruption
}
