use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::provider::ExecutionProvider;

/// How a model is run. Every setting has a default, unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelOptions {
    /// Where the graph runs.
    pub execution_provider: ExecutionProvider,
    /// Sessions, each owned by a thread of its own and running one batch at a time: 1 to 64.
    pub sessions: usize,
    /// Most rows in one run of the graph: 1 to 4096. Beyond 64 rows an LSTM gains nothing.
    pub max_batch: usize,
    /// Most rows waiting to be run: 1 to 2^20. A batch that exceeds it is refused at once.
    pub queue_rows: usize,
    /// Most rows of one caller waiting to be run, unless they are a single batch: 1 to 2^20. Unset,
    /// it is `queue_rows`.
    pub caller_rows: Option<usize>,
    /// How long a row may wait for others to fill a run while a session is idle. Zero: not at all.
    pub max_delay: Duration,
    /// What is added to the nice value (nice(2)) of the threads that own the sessions: 0 to 19.
    /// Linux only.
    pub nice: u8,
    /// Whether to run the graph at batch sizes 1, 2 and `max_batch` before the model is handed out.
    pub warm_up: bool,
}

impl Default for ModelOptions {
    fn default() -> ModelOptions {
        ModelOptions {
            execution_provider: ExecutionProvider::Auto,
            sessions: 1,
            max_batch: 64,
            queue_rows: 4096,
            caller_rows: None,
            max_delay: Duration::ZERO,
            nice: 0,
            warm_up: true,
        }
    }
}

impl ModelOptions {
    /// The setting that is out of range, with its range.
    pub(super) fn fault(&self) -> Option<String> {
        let ranges = [
            ("sessions", self.sessions, 64),
            ("max_batch", self.max_batch, 4096),
            ("queue_rows", self.queue_rows, 1 << 20),
            ("caller_rows", self.caller_rows.unwrap_or(1), 1 << 20),
        ];
        ranges
            .into_iter()
            .find(|(_, value, most)| !(1..=*most).contains(value))
            .map(|(name, value, most)| format!("{name} is {value}, it must be 1 to {most}"))
            .or_else(|| {
                (self.nice > 19).then(|| format!("nice is {}, it must be 0 to 19", self.nice))
            })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn settings_left_out_have_defaults_and_unknown_ones_are_refused() {
        let options: ModelOptions = serde_yaml::from_str("{ sessions: 2 }").unwrap();
        assert_eq!(options, ModelOptions { sessions: 2, ..ModelOptions::default() });
        assert_eq!(options.fault(), None);
        assert!(serde_yaml::from_str::<ModelOptions>("{ threads: 2 }").is_err());
    }

    #[test]
    fn a_setting_out_of_range_is_named() {
        for text in ["sessions: 0", "sessions: 65", "max_batch: 4097", "queue_rows: 0", "nice: 20"]
        {
            let options: ModelOptions = serde_yaml::from_str(text).unwrap();
            let fault = options.fault().unwrap();
            assert!(fault.starts_with(text.split(':').next().unwrap()), "{fault}");
        }
    }
}
