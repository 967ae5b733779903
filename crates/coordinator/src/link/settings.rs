//! Settings of links.

use std::{sync::Arc, time::Duration};

use prometheus_client::metrics::gauge::Gauge;
use strata_chassis::ClientConfig;
use tokio::sync::{Notify, watch};

use super::needs::Needs;

/// Settings of all links to one layer.
#[derive(Debug, Clone)]
pub(crate) struct LinkSettings {
    pub(crate) client: ClientConfig,
    pub(crate) queue_rows: usize,
    pub(crate) max_backoff: Duration,
    pub(crate) max_message_bytes: usize,
    pub(crate) resolve_interval: Duration,
    /// The number of streams that are up.
    pub(crate) connected: Gauge,
    /// Notified whenever a stream comes up.
    pub(crate) came_up: Arc<Notify>,
    /// The versions that a replica must load before it is asked.
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
