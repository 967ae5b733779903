use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{check::Check, duration::HumanDuration, error::Invalid};

/// The end of the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownConfig {
    /// Time from the first signal to the exit, all of the drain included.
    #[serde(with = "HumanDuration")]
    pub grace: Duration,
    /// Time after the signal in which new calls are still taken.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-range" = "at most shutdown.grace"))]
    pub settle: Duration,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        // Kubernetes kills after 30 s. Readiness reaches load balancers within about half a second.
        Self { grace: Duration::from_secs(20), settle: Duration::from_millis(500) }
    }
}

impl Check for ShutdownConfig {
    fn check(&self) -> Result<(), Invalid> {
        if self.settle > self.grace {
            let reason = format!("must be at most grace, {:?}", self.grace);
            return Err(Invalid::new("settle", reason));
        }
        Ok(())
    }
}

/// Threads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeConfig {
    /// Threads that run async tasks; unset is one for each core, in a layer one for every two, in
    /// strata-node one for every two and as many again for the layers.
    #[schemars(range(min = 1, max = 1024))]
    pub worker_threads: Option<usize>,
    /// Time for which a worker looks for work that is about to come before it sleeps.
    ///
    /// Lone answers come sooner, and processor time is spent. `strata up` sets 1ms, and the threads
    /// of its coordinator to half of the cores, where the environment sets neither and names no
    /// file of settings.
    #[serde(with = "HumanDuration")]
    #[schemars(extend("x-range" = "at most 10ms"))]
    pub idle_poll: Duration,
}

/// Beyond it a process that waits is nearly never asleep.
const MAX_IDLE_POLL: Duration = Duration::from_millis(10);

impl Check for RuntimeConfig {
    fn check(&self) -> Result<(), Invalid> {
        if self.idle_poll > MAX_IDLE_POLL {
            return Err(Invalid::new("idle_poll", format!("must be at most {MAX_IDLE_POLL:?}")));
        }
        Ok(())
    }
}
