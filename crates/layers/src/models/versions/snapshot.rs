use std::{collections::BTreeMap, sync::Arc};

use super::{traffic::Traffic, version::Version};

/// Most versions loaded at once: each has sessions, threads and a queue of its own.
pub(crate) const MAX_LOADED: usize = 8;

/// What is loaded and who answers what, at one moment. It never changes: a change is another
/// snapshot.
pub(crate) struct Snapshot<A> {
    loaded: BTreeMap<u32, Arc<Version<A>>>,
    stable: Arc<Version<A>>,
    shadows: Vec<Arc<Version<A>>>,
    traffic: Traffic,
}

impl<A> Snapshot<A> {
    /// One version that answers everything.
    pub(super) fn of(version: Version<A>) -> Self {
        let (number, version) = (version.number, Arc::new(version));
        Self {
            loaded: [(number, Arc::clone(&version))].into(),
            stable: version,
            shadows: Vec::new(),
            traffic: Traffic::all_to(number),
        }
    }

    /// The same with one more version, which gets no traffic.
    pub(super) fn with(&self, version: Arc<Version<A>>) -> Self {
        let mut loaded = self.loaded.clone();
        loaded.insert(version.number, version);
        Self { loaded, ..self.copy() }
    }

    /// The same without a version that has no traffic; `None` if it is not there, or has some.
    pub(super) fn without(&self, number: u32) -> Option<Self> {
        let mut loaded = self.loaded.clone();
        let gone = loaded.remove(&number).filter(|_| !self.traffic.needs(number));
        gone.map(|_| Self { loaded, ..self.copy() })
    }

    /// The same with other traffic; a version that it needs and that is not loaded is the error.
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

    /// Everything that is loaded, by version.
    pub(crate) fn loaded(&self) -> &BTreeMap<u32, Arc<Version<A>>> {
        &self.loaded
    }

    /// The version with the largest share.
    pub(crate) fn stable(&self) -> &Arc<Version<A>> {
        &self.stable
    }

    /// The versions that run every row and answer none.
    pub(crate) fn shadows(&self) -> &[Arc<Version<A>>] {
        &self.shadows
    }

    /// The shares.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The version that answers a row with this key.
    pub(crate) fn version_for(&self, key: u64) -> &Arc<Version<A>> {
        self.loaded.get(&self.traffic.version_for(key)).unwrap_or(&self.stable)
    }
}
