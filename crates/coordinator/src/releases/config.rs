use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_chassis::{Check, Invalid};
use strata_wire::pb;

use super::Release;

/// The release in force when the coordinator starts. Either all fields are set or none.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseConfig {
    /// Name of the release in force at the start; empty is none: layers choose.
    ///
    /// 1 to 64 letters, digits, `.`, `_` and `-`. All four settings are set, or none.
    pub name: String,
    /// Its version of the strategic model.
    pub strategic: Option<u32>,
    /// Its version of the tactical model.
    pub tactical: Option<u32>,
    /// Its version of the operational model.
    pub operational: Option<u32>,
}

impl ReleaseConfig {
    /// The release, if it is set and valid.
    pub(crate) fn release(&self) -> Option<Release> {
        Release::read(Some(self.message())).ok()
    }

    fn message(&self) -> pb::Release {
        pb::Release {
            name: self.name.clone(),
            strategic: self.strategic.unwrap_or_default(),
            tactical: self.tactical.unwrap_or_default(),
            operational: self.operational.unwrap_or_default(),
        }
    }
}

impl Check for ReleaseConfig {
    fn check(&self) -> Result<(), Invalid> {
        if self.message() == pb::Release::default() {
            return Ok(());
        }
        let fault = match Release::read(Some(self.message())) {
            Ok(_) => return Ok(()),
            Err(fault) => fault,
        };
        // A violation means that the release is set and not valid.
        let Some(wrong) = fault.violations.into_iter().next() else { return Ok(()) };
        let field = wrong.field.trim_start_matches("release.").to_owned();
        Err(Invalid::new(field, format!("{}; set all four, or none", wrong.description)))
    }
}
