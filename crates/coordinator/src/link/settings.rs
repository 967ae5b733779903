//! How links are made.

use std::{sync::Arc, time::Duration};

use prometheus_client::metrics::gauge::Gauge;
use strata_chassis::ClientConfig;
use tokio::sync::{Notify, watch};

use super::needs::Needs;

/// How links are made.
#[derive(Debug, Clone)]
pub(crate) struct LinkSettings {
    pub(crate) client: ClientConfig,
    pub(crate) queue_rows: usize,
    pub(crate) max_backoff: Duration,
    pub(crate) max_message_bytes: usize,
    pub(crate) resolve_interval: Duration,
    /// Streams that are up.
    pub(crate) connected: Gauge,
    /// Told whenever a stream comes up.
    pub(crate) came_up: Arc<Notify>,
    /// What a replica must have loaded before it is asked.
    pub(crate) needs: watch::Receiver<Needs>,
}

impl LinkSettings {
    pub(super) fn changed(&self, up: bool) {
        if up {
            self.connected.inc();
            self.came_up.notify_waiters();
        } else {
            self.connected.dec();
        }
    }
}
