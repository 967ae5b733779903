//! What a person or a pipe reads: answers on standard output, everything else on standard error.

use std::fmt;
use std::io::{self, Write};

/// Prints a line to standard output, at once.
///
/// # Errors
/// When nobody reads it any more: the command has no purpose then.
pub(crate) fn say(line: impl fmt::Display) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

/// Prints a line to standard error. If that is closed, nothing can be said at all.
pub(crate) fn note(line: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
