//! The machine on which a run was made.

use std::{path::Path, process::Command};

use serde::Serialize;

/// What the figures depend on besides the program. Empty or 0 where the system does not tell it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) memory_mb: u64,
    pub(crate) kernel: String,
    /// The version of the library in `.ort`.
    pub(crate) onnxruntime: String,
    /// The commit, followed by `+` if files have changed since; empty outside of a checkout.
    pub(crate) commit: String,
}

impl Machine {
    /// The machine that runs this program.
    pub(crate) fn this() -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let meminfo = read("/proc/meminfo");
        let kibibytes = field(&meminfo, "MemTotal").trim_end_matches(" kB").parse::<u64>();
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: field(&cpuinfo, "model name").to_owned(),
            memory_mb: kibibytes.unwrap_or_default() * 1024 / 1_000_000,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            onnxruntime: onnxruntime(),
            commit: commit(),
        }
    }

    /// The description in one line.
    pub(crate) fn line(&self) -> String {
        let Self { cores, processor, memory_mb, kernel, onnxruntime, commit } = self;
        let commit = if commit.is_empty() { "unknown" } else { commit };
        format!(
            "{cores} cores of {processor}, {memory_mb} MB, Linux {kernel}, \
             ONNX Runtime {onnxruntime}, commit {commit}"
        )
    }
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The value of a line `name: value`; empty if there is none.
fn field<'t>(text: &'t str, name: &str) -> &'t str {
    let values = text.lines().filter_map(|line| line.split_once(':'));
    let value = values.into_iter().find(|(key, _)| key.trim() == name);
    value.map_or("", |(_, value)| value.trim())
}

/// The version that `make ort` wrote beside the library.
fn onnxruntime() -> String {
    let library = std::env::var_os("STRATA_ORT_LIB").unwrap_or_else(|| ".ort/library".into());
    let version = read(Path::new(&library).with_file_name("VERSION"));
    version.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return String::new() };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    let changed = changed.is_none_or(|changed| !changed.is_empty());
    if changed { commit + "+" } else { commit }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "model\t\t: 1\nmodel name\t: A CPU: fast\n";
        assert_eq!(field(text, "model name"), "A CPU: fast");
        assert_eq!(field(text, "missing"), "");
    }
}
