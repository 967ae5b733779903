//! A cluster that several tests of one program use at the same time.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::cluster::Cluster;

type Shared = Mutex<Weak<Cluster>>;

static RESEARCH: Shared = Mutex::new(Weak::new());
static WORLD: Shared = Mutex::new(Weak::new());

/// The shared cluster of this test program on the catalogue of the research framework, for tests
/// that change none of its settings and stop none of its processes. It is started when no other
/// test holds it. The last test that drops it stops its processes; a static that held it would
/// leave them behind.
pub fn shared_cluster() -> Arc<Cluster> {
    shared(&RESEARCH, Cluster::start)
}

/// The same on the catalogue `world`, as users start it.
pub fn shared_world() -> Arc<Cluster> {
    shared(&WORLD, || Cluster::start_with(|spec| spec.on_catalogue("world")))
}

fn shared(place: &Shared, start: impl Fn() -> Cluster) -> Arc<Cluster> {
    let mut shared = place.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let cluster = Arc::new(start());
        *shared = Arc::downgrade(&cluster);
        cluster
    })
}
