//! What is written: the page, the figures and the pictures.

mod chart;
mod html;
mod json;
mod pictures;

use std::path::Path;

use anyhow::Context;

#[cfg(test)]
pub(super) use self::{html::SECTIONS, json::of as json_of};
use super::results::Results;

/// Writes report.html, report.json and the pictures into `out`.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write(results: &Results, out: &Path) -> anyhow::Result<()> {
    let pictures = pictures::all(results, out)?;
    let save = |name: &str, text: String| {
        let path = out.join(name);
        std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
    };
    save("report.json", serde_json::to_string_pretty(&json::of(results))? + "\n")?;
    save("report.html", html::page(results, &pictures))
}
