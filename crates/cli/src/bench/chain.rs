//! The bound without a network: the models one after the other in one process, which the program `chain` measures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::Command;

/// The program, where it was built.
pub(crate) fn program(bin_dir: &Path) -> Option<PathBuf> {
    Some(bin_dir.join("examples/chain")).filter(|program| program.is_file())
}

/// Runs it; gives its figures by their keys.
///
/// # Errors
/// When it fails, with what it said, or does not answer in JSON.
pub(crate) async fn run(
    program: &Path,
    models: &Path,
    duration: Duration,
) -> anyhow::Result<BTreeMap<String, f64>> {
    let output = Command::new(program)
        .arg(models)
        .arg(duration.as_secs_f64().to_string())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{} cannot be started", program.display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{} did not print figures", program.display()))
}
