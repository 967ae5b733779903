//! The upper bound without a network: the program `chain` runs the three models one after the other
//! in one process.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::process::Command;

/// The program, if it was built.
pub(crate) fn program(bin_dir: &Path) -> Option<PathBuf> {
    Some(bin_dir.join("examples/chain")).filter(|program| program.is_file())
}

/// Runs the program and returns its figures by their keys.
///
/// # Errors
/// When the program fails, with its standard error, or does not print JSON.
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
