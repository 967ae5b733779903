//! A cluster that several tests of one program use at the same time.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::cluster::Cluster;

static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

/// The shared cluster of this test program, for tests that change none of its settings and stop
/// none of its processes. It is started when no other test holds it. The last test that drops it
/// stops its processes; a static that held it would leave them behind.
pub fn shared_cluster() -> Arc<Cluster> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let cluster = Arc::new(Cluster::start());
        *shared = Arc::downgrade(&cluster);
        cluster
    })
}
