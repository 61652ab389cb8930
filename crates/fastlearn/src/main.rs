//! The `fastlearn` command: reads the arguments, runs one command, turns its error into an exit code.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
