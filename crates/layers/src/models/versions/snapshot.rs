use std::{collections::BTreeMap, sync::Arc};

use super::{traffic::Traffic, version::Version};

/// Maximum number of loaded versions: each has its own sessions, threads and queue.
pub(crate) const MAX_LOADED: usize = 8;

/// The loaded versions and the traffic between them at one moment. A snapshot is immutable: a
/// change makes another one.
pub(crate) struct Snapshot<A> {
    loaded: BTreeMap<u32, Arc<Version<A>>>,
    stable: Arc<Version<A>>,
    shadows: Vec<Arc<Version<A>>>,
    traffic: Traffic,
}

impl<A> Snapshot<A> {
    /// A snapshot of one version that gets all traffic.
    pub(super) fn of(version: Version<A>) -> Self {
        let (number, version) = (version.number, Arc::new(version));
        Self {
            loaded: [(number, Arc::clone(&version))].into(),
            stable: version,
            shadows: Vec::new(),
            traffic: Traffic::all_to(number),
        }
    }

    /// Adds a version, which gets no traffic.
    pub(super) fn with(&self, version: Arc<Version<A>>) -> Self {
        let mut loaded = self.loaded.clone();
        loaded.insert(version.number, version);
        Self { loaded, ..self.copy() }
    }

    /// Removes a version; `None` if it is not loaded, has traffic or is a shadow.
    pub(super) fn without(&self, number: u32) -> Option<Self> {
        let mut loaded = self.loaded.clone();
        let gone = loaded.remove(&number).filter(|_| !self.traffic.needs(number));
        gone.map(|_| Self { loaded, ..self.copy() })
    }

    /// Replaces the traffic; the error is a version of the new traffic that is not loaded.
    pub(super) fn sharing(&self, traffic: Traffic) -> Result<Self, u32> {
        let of = |number| self.loaded.get(&number).cloned().ok_or(number);
        if let Some(missing) = traffic.needed().find(|number| !self.loaded.contains_key(number)) {
            return Err(missing);
        }
        let stable = of(traffic.stable())?;
        let shadows = traffic.shadows().map(of).collect::<Result<_, _>>()?;
        Ok(Self { loaded: self.loaded.clone(), stable, shadows, traffic })
    }

    fn copy(&self) -> Self {
        Self {
            loaded: self.loaded.clone(),
            stable: Arc::clone(&self.stable),
            shadows: self.shadows.clone(),
            traffic: self.traffic.clone(),
        }
    }

    /// The loaded versions by number.
    pub(crate) fn loaded(&self) -> &BTreeMap<u32, Arc<Version<A>>> {
        &self.loaded
    }

    /// The version with the largest share of the traffic.
    pub(crate) fn stable(&self) -> &Arc<Version<A>> {
        &self.stable
    }

    /// The shadow versions, which run every row and answer none.
    pub(crate) fn shadows(&self) -> &[Arc<Version<A>>] {
        &self.shadows
    }

    /// The traffic.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The version that answers a row with this key.
    pub(crate) fn version_for(&self, key: u64) -> &Arc<Version<A>> {
        self.loaded.get(&self.traffic.version_for(key)).unwrap_or(&self.stable)
    }
}
