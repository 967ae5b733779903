use std::time::SystemTime;

use strata_chassis::report;
use strata_domain::FaultKind;
use strata_runtime::{
    Manifest, ModelOptions, OnnxRuntime, Precision, Prepared, Repository, RepositoryError, Stamp,
    StartError,
};
use strata_wire::Fault;

use super::tally::Tally;
use crate::{
    adapter::{Adapter, ModelMismatch},
    metrics::LayerMetrics,
    models::runner::Runner,
};

/// A loaded version: the model, and the adapter that was made for its manifest.
pub(crate) struct Version<A> {
    pub(crate) number: u32,
    pub(crate) adapter: A,
    pub(crate) runner: Runner,
    /// In which numbers it computes.
    pub(crate) precision: Precision,
    pub(crate) loaded_at: SystemTime,
    /// What it did in the shadow.
    pub(crate) shadow: Tally,
}

impl<A> Version<A> {
    /// What the model is.
    pub(crate) fn manifest(&self) -> &Manifest {
        self.runner.model().manifest()
    }

    /// Rows it has run since it was loaded.
    pub(crate) fn rows(&self) -> u64 {
        let runs = self.runner.model().runs().into_iter();
        runs.map(|runs| runs.count.saturating_mul(runs.rows as u64)).sum()
    }
}

/// What it takes to load a version.
pub(crate) struct Loader {
    pub(crate) runtime: OnnxRuntime,
    pub(crate) repository: Repository,
    pub(crate) options: ModelOptions,
    /// In which numbers versions compute, if they can.
    pub(crate) precision: Precision,
    pub(crate) metrics: LayerMetrics,
}

/// Why a version is not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Its files.
    #[error(transparent)]
    Files(#[from] RepositoryError),
    /// Its graph.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It is no model for this layer.
    #[error(transparent)]
    Mismatch(#[from] ModelMismatch),
}

impl Refusal {
    /// Whether the repository has no such version, rather than one that is no good.
    pub(crate) fn is_absence(&self) -> bool {
        let Self::Files(error) = self else { return false };
        matches!(error, RepositoryError::NoModel { .. } | RepositoryError::NoVersion { .. })
    }

    /// What a caller is told.
    pub(crate) fn into_fault(self) -> Fault {
        let kind = match self.is_absence() {
            true => FaultKind::NotFound,
            false => FaultKind::FailedPrecondition,
        };
        Fault::new(kind, report(&self).to_string())
    }
}

/// A version that is checked and warmed up.
pub(crate) struct Unstarted<A> {
    number: u32,
    adapter: A,
    model: Prepared,
    precision: Precision,
}

impl Loader {
    /// Reads a version, checks its hash and manifest, opens the sessions and warms them up. It
    /// blocks for as long as that takes.
    ///
    /// # Errors
    /// [`Refusal`]; nothing is left then.
    pub(crate) fn prepare<A: Adapter>(&self, number: u32) -> Result<Unstarted<A>, Refusal> {
        let files = self.repository.load_as(A::NAME, Some(number), self.precision)?;
        let precision = files.precision();
        if precision != self.precision {
            tracing::info!(
                model = A::NAME,
                version = number,
                wanted = %self.precision,
                served = %precision,
                "the version has no such variant"
            );
        }
        // Before the graph is run: what the layer cannot serve is told by the manifest alone.
        let adapter = A::for_model(files.manifest())?;
        let model = Prepared::open(&self.runtime, files, &self.options)?;
        Ok(Unstarted { number, adapter, model, precision })
    }

    /// Starts the threads of a version; they have the priority of the current one.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(crate) fn start<A: Adapter>(&self, version: Unstarted<A>) -> Result<Version<A>, Refusal> {
        let Unstarted { number, adapter, model, precision } = version;
        Ok(Version {
            number,
            adapter,
            runner: Runner::new(model.start()?, self.metrics.clone()),
            precision,
            loaded_at: SystemTime::now(),
            shadow: Tally::default(),
        })
    }

    /// The versions in the repository, ascending; empty when there are none. It reads directories,
    /// which blocks.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn available<A: Adapter>(&self) -> Result<Vec<u32>, RepositoryError> {
        match self.repository.versions(A::NAME) {
            Err(RepositoryError::NoModel { .. }) => Ok(Vec::new()),
            other => other,
        }
    }

    /// What the files of a version look like now, if they can be seen at all.
    pub(crate) fn stamp<A: Adapter>(&self, number: u32) -> Option<Stamp> {
        self.repository.stamp(A::NAME, number).ok()
    }
}
