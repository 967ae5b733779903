//! The twelve steps of telemetry that go with a request.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use strata_wire::pb;

/// Steps of 15 seconds in a request.
const STEPS: usize = 12;
const SECONDS_PER_MINUTE: f64 = 60.0;
/// Far more than twelve steps or a request need: a device given by mistake would never end.
const MAX_FILE_BYTES: u64 = 1 << 20;

#[derive(Debug, Args)]
#[command(next_help_heading = "Telemetry")]
pub(super) struct TelemetryFlags {
    /// File with the last 12 steps of 15 s, oldest first: CSV with the columns request_rate,
    /// memory_util, cpu_util and queue_depth, or a JSON array of objects with these names
    #[arg(long, value_name = "FILE", conflicts_with = "steady")]
    telemetry: Option<PathBuf>,
    /// Make 12 equal steps of --request-rate, --memory-util, --cpu-util and --queue-depth
    #[arg(long)]
    steady: bool,
    /// Requests per second [default: the rate over 60]
    #[arg(long, value_name = "PER_SECOND", requires = "steady")]
    request_rate: Option<f64>,
    /// Share of the memory in use
    #[arg(long, value_name = "SHARE", requires = "steady", default_value_t = 0.5)]
    memory_util: f64,
    /// Share of the CPU in use
    #[arg(long, value_name = "SHARE", requires = "steady", default_value_t = 0.3)]
    cpu_util: f64,
    /// Requests waiting
    #[arg(long, value_name = "COUNT", requires = "steady", default_value_t = 0.0)]
    queue_depth: f64,
}

/// A step in a file, in either spelling of protobuf's JSON form.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(alias = "requestRate")]
    request_rate: f64,
    #[serde(alias = "memoryUtil")]
    memory_util: f64,
    #[serde(alias = "cpuUtil")]
    cpu_util: f64,
    #[serde(alias = "queueDepth", default)]
    queue_depth: f64,
}

impl From<Step> for pb::TelemetryStep {
    fn from(step: Step) -> Self {
        Self {
            request_rate: step.request_rate,
            memory_util: step.memory_util,
            cpu_util: step.cpu_util,
            queue_depth: step.queue_depth,
        }
    }
}

impl TelemetryFlags {
    /// The steps; empty without any flag. `rate` is in invocations per minute.
    pub(super) fn steps(self, rate: Option<f64>) -> anyhow::Result<Vec<pb::TelemetryStep>> {
        if let Some(path) = self.telemetry {
            return from_file(&path);
        }
        if !self.steady {
            return Ok(Vec::new());
        }
        let request_rate = match (self.request_rate, rate) {
            (Some(per_second), _) => per_second,
            (None, Some(per_minute)) => per_minute / SECONDS_PER_MINUTE,
            (None, None) => bail!("--steady needs --request-rate or --rate"),
        };
        let step = Step {
            request_rate,
            memory_util: self.memory_util,
            cpu_util: self.cpu_util,
            queue_depth: self.queue_depth,
        };
        Ok(vec![step.into(); STEPS])
    }
}

fn from_file(path: &Path) -> anyhow::Result<Vec<pb::TelemetryStep>> {
    let text = read(path)?;
    let parsed = match text.trim_start().starts_with('[') {
        true => serde_json::from_str(&text).map_err(anyhow::Error::from),
        false => csv::Reader::from_reader(text.as_bytes())
            .deserialize()
            .collect::<Result<Vec<Step>, _>>()
            .map_err(anyhow::Error::from),
    };
    let steps = parsed.with_context(|| format!("{} is not telemetry", path.display()))?;
    if steps.len() != STEPS {
        bail!("{} has {} steps; exactly {STEPS} are needed", path.display(), steps.len());
    }
    Ok(steps.into_iter().map(pb::TelemetryStep::from).collect())
}

/// The text of a file, or of standard input for `-`.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().take(MAX_FILE_BYTES + 1).read_to_string(&mut text),
        false => std::fs::File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)),
    };
    let bytes = read.with_context(|| format!("{} cannot be read", path.display()))?;
    if bytes as u64 > MAX_FILE_BYTES {
        bail!("{} is larger than {MAX_FILE_BYTES} bytes", path.display());
    }
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn csv_and_json_give_the_same_steps() {
        let csv = format!("request_rate,memory_util,cpu_util\n{}", "2.5,0.5,0.25\n".repeat(STEPS));
        let object = r#"{"requestRate": 2.5, "memory_util": 0.5, "cpuUtil": 0.25}"#;
        let json = format!("[{}]", [object; STEPS].join(","));
        let steps = from_file(file(&csv).path()).unwrap();
        assert_eq!(steps, from_file(file(&json).path()).unwrap());
        let step = pb::TelemetryStep {
            request_rate: 2.5,
            memory_util: 0.5,
            cpu_util: 0.25,
            queue_depth: 0.0,
        };
        assert_eq!(steps, [step; STEPS]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, word) in [
            ("[]", "has 0 steps"),
            ("request_rate,memory_util,cpu_util\n1,2,3\n", "has 1 steps"),
            ("request_rate,memory_util\n1,2\n", "cpu_util"),
            ("request_rate,memory_util,cpu_util,colour\n1,2,3,4\n", "colour"),
            ("request_rate,memory_util,cpu_util\n1,2,x\n", "line: 2"),
            ("[{\"requestRate\": true}]", "bool"),
        ] {
            let error = format!("{:#}", from_file(file(text).path()).unwrap_err());
            assert!(error.contains(word), "{text:?}: {error}");
        }
    }
}
