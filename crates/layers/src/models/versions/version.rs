use std::{sync::Arc, time::SystemTime};

use strata_chassis::report;
use strata_domain::{Catalogue, FaultKind};
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

/// A loaded version: the model, and the adapter for its manifest.
pub(crate) struct Version<A> {
    pub(crate) number: u32,
    pub(crate) adapter: A,
    pub(crate) runner: Runner,
    /// The precision in which it computes.
    pub(crate) precision: Precision,
    pub(crate) loaded_at: SystemTime,
    /// The outcomes of its comparisons as a shadow.
    pub(crate) shadow: Tally,
}

impl<A> Version<A> {
    /// The manifest of the model.
    pub(crate) fn manifest(&self) -> &Manifest {
        self.runner.model().manifest()
    }

    /// The number of rows that it ran since it was loaded.
    pub(crate) fn rows(&self) -> u64 {
        let runs = self.runner.model().runs().into_iter();
        runs.map(|runs| runs.count.saturating_mul(runs.rows as u64)).sum()
    }
}

/// Loads versions from the repository.
pub(crate) struct Loader {
    pub(crate) runtime: OnnxRuntime,
    pub(crate) repository: Repository,
    /// What the layer chooses from when a request does not say.
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) options: ModelOptions,
    /// The precision in which versions compute, if they have that variant.
    pub(crate) precision: Precision,
    pub(crate) metrics: LayerMetrics,
}

/// Why a version cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Its files cannot be read or are invalid.
    #[error(transparent)]
    Files(#[from] RepositoryError),
    /// Its graph cannot be run.
    #[error(transparent)]
    Start(#[from] StartError),
    /// This layer cannot serve the model.
    #[error(transparent)]
    Mismatch(#[from] ModelMismatch),
}

impl Refusal {
    /// Whether the version is missing from the repository, rather than invalid.
    pub(crate) fn is_absence(&self) -> bool {
        let Self::Files(error) = self else { return false };
        matches!(error, RepositoryError::NoModel { .. } | RepositoryError::NoVersion { .. })
    }

    /// The fault for the caller.
    pub(crate) fn into_fault(self) -> Fault {
        let kind = match self.is_absence() {
            true => FaultKind::NotFound,
            false => FaultKind::FailedPrecondition,
        };
        Fault::new(kind, report(&self).to_string())
    }
}

/// A version that was checked and warmed up, without threads.
pub(crate) struct Unstarted<A> {
    number: u32,
    adapter: A,
    model: Prepared,
    precision: Precision,
}

impl Loader {
    /// Reads a version, checks its hash and manifest, opens the sessions and warms them up. This
    /// blocks for all of that time.
    ///
    /// # Errors
    /// [`Refusal`]; the sessions are closed again.
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
        // Checked before the graph runs: the manifest alone shows what the layer cannot serve.
        let adapter = A::for_model(files.manifest(), &self.catalogue)?;
        let model = Prepared::open(&self.runtime, files, &self.options)?;
        Ok(Unstarted { number, adapter, model, precision })
    }

    /// Starts the threads of a version with the priority of the current thread.
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

    /// The versions in the repository, ascending; empty when there are none. This reads directories
    /// and blocks.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn available<A: Adapter>(&self) -> Result<Vec<u32>, RepositoryError> {
        match self.repository.versions(A::NAME) {
            Err(RepositoryError::NoModel { .. }) => Ok(Vec::new()),
            other => other,
        }
    }

    /// The stamp of a version's files, if they can be read.
    pub(crate) fn stamp<A: Adapter>(&self, number: u32) -> Option<Stamp> {
        self.repository.stamp(A::NAME, number).ok()
    }
}
