//! The model and the version that a request may name.

use strata_domain::FaultKind;
use strata_wire::{
    Fault,
    oip::{RepositoryIndexRequest, RepositoryIndexResponse, repository_index_response::ModelIndex},
};

use super::{Oip, decode::invalid, quoted};
use crate::models::Runner;

const READY: &str = "READY";
const UNAVAILABLE: &str = "UNAVAILABLE";

impl Oip {
    /// The version that a request names, which must be loaded. Without one, the stable version:
    /// other versions may have inputs of other shapes than the metadata that the client read.
    ///
    /// # Errors
    /// `NotFound` if the version is not loaded, `InvalidArgument` if the text is not a version.
    pub(super) fn served(&self, name: &str, version: &str) -> Result<Runner, Fault> {
        if name != self.0.layer {
            let message = format!(
                "request for unknown model: {} is not found; this layer serves `{}`",
                quoted(name),
                self.0.layer
            );
            return Err(Fault::new(FaultKind::NotFound, message));
        }
        if version.is_empty() {
            return Ok(self.0.runners.stable());
        }
        match version.parse::<u32>() {
            Ok(version) if version > 0 => self.0.runners.version(version).ok_or_else(|| {
                let loaded: Vec<_> = self.loaded().iter().map(u32::to_string).collect();
                let message = format!(
                    "request for unknown model: `{name}` version {version} is not found; loaded: \
                     {}",
                    loaded.join(", ")
                );
                Fault::new(FaultKind::NotFound, message)
            }),
            _ => {
                let version = quoted(version);
                Err(invalid(format!(
                    "version {version} of a model must be a number from 1 to {}, or empty",
                    u32::MAX
                )))
            }
        }
    }

    /// The loaded versions, ascending.
    pub(super) fn loaded(&self) -> Vec<u32> {
        self.0.runners.loaded().iter().map(|runner| runner.model().manifest().version).collect()
    }

    /// Lists the repository. This reads directories and blocks.
    ///
    /// # Errors
    /// `Unimplemented` for a request that names a repository, `Internal` if it cannot be read.
    pub(super) fn index(
        &self,
        request: &RepositoryIndexRequest,
    ) -> Result<RepositoryIndexResponse, Fault> {
        if !request.repository_name.is_empty() {
            let message = "there is one repository; leave repository_name empty";
            return Err(Fault::new(FaultKind::Unimplemented, message));
        }
        let (served, loaded) = (self.0.layer, self.loaded());
        let unreadable = |error: strata_runtime::RepositoryError| {
            tracing::error!(error = %error, "the repository cannot be read");
            Fault::new(FaultKind::Internal, "the repository cannot be read; the log says why")
        };
        let mut models = Vec::new();
        for name in self.0.repository.models().map_err(unreadable)? {
            for version in self.0.repository.versions(&name).map_err(unreadable)? {
                let reason = if name != served {
                    format!("this layer serves `{served}`")
                } else if !loaded.contains(&version) {
                    "not loaded".to_owned()
                } else {
                    String::new()
                };
                let state = if reason.is_empty() { READY } else { UNAVAILABLE };
                let (name, version, state) = (name.clone(), version.to_string(), state.to_owned());
                models.push(ModelIndex { name, version, state, reason });
            }
        }
        models.retain(|model| !request.ready || model.state == READY);
        Ok(RepositoryIndexResponse { models })
    }
}
