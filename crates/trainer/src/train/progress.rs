//! Progress bars on standard error; nothing is drawn when that is not a terminal.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar with a label, the part done, the time left and a message.
pub(super) fn bar(label: &'static str) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template(
        "{prefix:>12} [{bar:40}] {percent:>3}% {elapsed} left {eta} {msg}",
    )?;
    Ok(ProgressBar::new(0).with_style(style).with_prefix(label))
}
