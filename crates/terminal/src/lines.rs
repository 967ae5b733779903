//! Answers go to standard output; everything else goes to standard error.

use std::{
    fmt,
    io::{self, Write},
};

/// Prints a line to standard output and flushes it.
///
/// # Errors
/// When the reader has closed standard output: the command has no purpose then.
pub fn say(line: impl fmt::Display) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

/// Prints a line to standard error. A closed standard error leaves no place to report anything.
pub fn note(line: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
