//! Which model a request may name.

use strata_domain::FaultKind;
use strata_wire::{
    Fault,
    oip::{RepositoryIndexRequest, RepositoryIndexResponse, repository_index_response::ModelIndex},
};

use super::{Oip, decode::invalid, quoted};

const READY: &str = "READY";
const UNAVAILABLE: &str = "UNAVAILABLE";

impl Oip {
    /// Whether that model, and that version or any, is the one that is served.
    ///
    /// # Errors
    /// `NotFound` if it is not, `InvalidArgument` if the version is not one.
    pub(super) fn check_served(&self, name: &str, version: &str) -> Result<(), Fault> {
        let served = self.0.runner.model().manifest();
        if name != served.name {
            let message = format!(
                "request for unknown model: {} is not found; this layer serves `{}`",
                quoted(name),
                served.name
            );
            return Err(Fault::new(FaultKind::NotFound, message));
        }
        if version.is_empty() {
            return Ok(());
        }
        match version.parse::<u32>() {
            Ok(version) if version == served.version => Ok(()),
            Ok(version) if version > 0 => {
                let message = format!(
                    "request for unknown model: `{name}` version {version} is not found; version {} is served",
                    served.version
                );
                Err(Fault::new(FaultKind::NotFound, message))
            }
            _ => {
                let version = quoted(version);
                Err(invalid(format!(
                    "version {version} of a model must be a number from 1, or empty"
                )))
            }
        }
    }

    /// What is in the repository. It reads directories, which blocks.
    ///
    /// # Errors
    /// `Unimplemented` for a repository by name, `Internal` if it cannot be read.
    pub(super) fn index(
        &self,
        request: &RepositoryIndexRequest,
    ) -> Result<RepositoryIndexResponse, Fault> {
        if !request.repository_name.is_empty() {
            let message = "there is one repository; leave repository_name empty";
            return Err(Fault::new(FaultKind::Unimplemented, message));
        }
        let served = self.0.runner.model().manifest();
        let unreadable = |error: strata_runtime::RepositoryError| {
            tracing::error!(error = %error, "the repository cannot be read");
            Fault::new(FaultKind::Internal, "the repository cannot be read; the log says why")
        };
        let mut models = Vec::new();
        for name in self.0.repository.models().map_err(unreadable)? {
            for version in self.0.repository.versions(&name).map_err(unreadable)? {
                let reason = if name != served.name {
                    format!("this layer serves `{}`", served.name)
                } else if version != served.version {
                    format!("version {} is served", served.version)
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
