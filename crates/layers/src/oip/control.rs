//! Loads and unloads versions of the same catalogue as `strata.v1.Models`, with Triton's names and
//! codes.

use std::{collections::HashMap, sync::Arc};

use futures_util::future::BoxFuture;
use strata_domain::FaultKind;
use strata_wire::{
    Fault,
    oip::{ModelRepositoryParameter, model_repository_parameter::ParameterChoice},
};

use super::{Oip, decode::invalid, quoted};
use crate::{
    adapter::Adapter,
    models::{Catalog, whole},
};

/// Loads and unloads the versions of a layer, for callers that do not know the layer's type.
pub(crate) trait Control: Send + Sync + 'static {
    /// Loads a version, or the newest; returns its number.
    fn load(self: Arc<Self>, version: Option<u32>) -> BoxFuture<'static, Result<u32, Fault>>;

    /// Unloads a version that has no traffic, or every such version; returns how many it unloaded.
    fn unload(self: Arc<Self>, version: Option<u32>) -> BoxFuture<'static, Result<usize, Fault>>;
}

impl<A: Adapter> Control for Catalog<A> {
    fn load(self: Arc<Self>, version: Option<u32>) -> BoxFuture<'static, Result<u32, Fault>> {
        Box::pin(async move { Catalog::load(&self, version).await })
    }

    fn unload(self: Arc<Self>, version: Option<u32>) -> BoxFuture<'static, Result<usize, Fault>> {
        Box::pin(async move {
            match version {
                Some(version) => Catalog::unload(&self, version).await.map(|()| 1),
                None => self.unload_idle().await,
            }
        })
    }
}

type Parameters = HashMap<String, ModelRepositoryParameter>;

impl Oip {
    /// Loads the version in the parameter `version`, or the newest. The version gets no traffic;
    /// requests can name its number.
    ///
    /// # Errors
    /// Triton's codes: `Internal` for a version that is not in the repository, `InvalidArgument`
    /// for one that cannot be served.
    pub(super) async fn load(
        &self,
        repository: &str,
        model: &str,
        parameters: &Parameters,
    ) -> Result<(), Fault> {
        one_repository(repository)?;
        let version = version(parameters, &[])?;
        if model != self.0.layer {
            return Err(not_there(model, &format!("this layer serves `{}`", self.0.layer)));
        }
        let loading = Arc::clone(&self.0.control).load(version);
        match self.whole(loading).await {
            Ok(_) => Ok(()),
            Err(fault) if fault.kind == FaultKind::NotFound => {
                Err(not_there(model, &fault.message))
            }
            Err(fault) if fault.kind == FaultKind::FailedPrecondition => {
                Err(invalid(format!("load failed for model '{model}': {}", fault.message)))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Unloads the version in the parameter `version`, or all versions without traffic. Unloading a
    /// model that the layer does not have succeeds.
    ///
    /// # Errors
    /// Triton's codes: `Internal` when all versions have traffic and none was unloaded; `NotFound`
    /// for a version that is not loaded.
    pub(super) async fn unload(
        &self,
        repository: &str,
        model: &str,
        parameters: &Parameters,
    ) -> Result<(), Fault> {
        one_repository(repository)?;
        let version = version(parameters, &["unload_dependents"])?;
        if model != self.0.layer {
            return Ok(());
        }
        let unloading = Arc::clone(&self.0.control).unload(version);
        match self.whole(unloading).await {
            Ok(0) => Err(self.still_there()),
            Err(fault) if fault.kind == FaultKind::FailedPrecondition => Err(self.still_there()),
            other => other.map(drop),
        }
    }

    fn still_there(&self) -> Fault {
        let loaded: Vec<_> = self.loaded().iter().map(u32::to_string).collect();
        let message = format!(
            "failed to unload '{}', versions that are still available: {}; they have traffic, \
             which strata.v1.Models or `strata models traffic` gives to others",
            self.0.layer,
            loaded.join(",")
        );
        Fault::new(FaultKind::Internal, message)
    }

    /// Runs a change to its end even if its caller leaves: half a change would leave neither the
    /// old state nor the new one.
    async fn whole<T: Send + 'static>(
        &self,
        change: BoxFuture<'static, Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let accepted = self.0.drain.guard();
        whole(async move {
            let _accepted = accepted;
            change.await
        })
        .await
    }
}

fn not_there(model: &str, why: &str) -> Fault {
    let message =
        format!("failed to load {}, failed to poll from model repository: {why}", quoted(model));
    Fault::new(FaultKind::Internal, message)
}

fn one_repository(name: &str) -> Result<(), Fault> {
    if name.is_empty() {
        return Ok(());
    }
    let message = "there is one repository; leave repository_name empty";
    Err(Fault::new(FaultKind::Unimplemented, message))
}

/// The parameter `version`, a number or its digits. Other parameters are refused, except for those
/// in `ignored`: a load that ignores an instruction is worse than a refusal.
fn version(parameters: &Parameters, ignored: &[&str]) -> Result<Option<u32>, Fault> {
    for name in parameters.keys() {
        if name != "version" && !ignored.contains(&name.as_str()) {
            let hint = "the manifest in the repository says how a model is set up; `version` is \
             the only parameter";
            return Err(invalid(format!("unrecognized parameter {}: {hint}", quoted(name))));
        }
    }
    let Some(parameter) = parameters.get("version") else { return Ok(None) };
    let number = match &parameter.parameter_choice {
        Some(ParameterChoice::Int64Param(number)) => u32::try_from(*number).ok(),
        Some(ParameterChoice::StringParam(digits)) => digits.parse().ok(),
        _ => None,
    };
    match number.filter(|number| *number > 0) {
        Some(number) => Ok(Some(number)),
        None => {
            let message = format!("parameter `version` must be a number from 1 to {}", u32::MAX);
            Err(invalid(message))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn given(name: &str, choice: ParameterChoice) -> Result<Option<u32>, Fault> {
        let parameter = ModelRepositoryParameter { parameter_choice: Some(choice) };
        version(&[(name.to_owned(), parameter)].into(), &["unload_dependents"])
    }

    #[test]
    fn a_version_is_a_number_or_digits_and_nothing_else_is_a_parameter() {
        assert_eq!(version(&Parameters::new(), &[]).unwrap(), None);
        assert_eq!(given("version", ParameterChoice::Int64Param(2)).unwrap(), Some(2));
        assert_eq!(given("version", ParameterChoice::StringParam("2".into())).unwrap(), Some(2));
        assert_eq!(given("unload_dependents", ParameterChoice::BoolParam(true)).unwrap(), None);
        for wrong in [
            ParameterChoice::Int64Param(0),
            ParameterChoice::Int64Param(1 << 32),
            ParameterChoice::StringParam("two".to_owned()),
            ParameterChoice::BoolParam(true),
        ] {
            assert_eq!(given("version", wrong).unwrap_err().kind, FaultKind::InvalidArgument);
        }
        let config = given("config", ParameterChoice::StringParam("{}".to_owned()));
        assert_eq!(config.unwrap_err().kind, FaultKind::InvalidArgument);
    }
}
