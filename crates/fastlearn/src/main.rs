//! The `fastlearn` command.

fn main() {}
