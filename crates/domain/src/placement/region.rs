use std::{fmt, str::FromStr};

use super::provider::Provider;
use crate::indexed_enum::indexed_enum;

indexed_enum! {
    /// An area of the world in which every provider has a region, in the index order of the
    /// tactical model's actions.
    pub enum Region {
        /// Virginia.
        UsEast,
        /// Oregon and Washington.
        UsWest,
        /// Ireland; Belgium for GCP, which has no region in Ireland.
        EuWest,
        /// Singapore.
        ApSoutheast,
    }
}

impl Region {
    /// Strata's own name, which is AWS's: `us-east-1`, `us-west-2`, `eu-west-1`,
    /// `ap-southeast-1`.
    pub const fn name(self) -> &'static str {
        self.name_at(Provider::Aws)
    }

    /// What `provider` calls its region in this area.
    pub const fn name_at(self, provider: Provider) -> &'static str {
        match (provider, self) {
            (Provider::Aws, Self::UsEast) => "us-east-1",
            (Provider::Aws, Self::UsWest) => "us-west-2",
            (Provider::Aws, Self::EuWest) => "eu-west-1",
            (Provider::Aws, Self::ApSoutheast) => "ap-southeast-1",
            (Provider::Azure, Self::UsEast) => "eastus",
            (Provider::Azure, Self::UsWest) => "westus2",
            (Provider::Azure, Self::EuWest) => "northeurope",
            (Provider::Azure, Self::ApSoutheast) => "southeastasia",
            (Provider::Gcp, Self::UsEast) => "us-east4",
            (Provider::Gcp, Self::UsWest) => "us-west1",
            (Provider::Gcp, Self::EuWest) => "europe-west1",
            (Provider::Gcp, Self::ApSoutheast) => "asia-southeast1",
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is none of the known names.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown region `{0}`; known are {known} and the other providers' names for them",
    known = Region::ALL.map(Region::name).join(", ")
)]
pub struct UnknownRegion(String);

impl FromStr for Region {
    type Err = UnknownRegion;

    /// Takes any provider's name: `us-east-1`, `eastus` and `us-east4` are one area.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|region| Provider::ALL.into_iter().any(|p| region.name_at(p) == text))
            .ok_or_else(|| UnknownRegion(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_providers_name_leads_back_to_its_region() {
        for region in Region::ALL {
            for provider in Provider::ALL {
                assert_eq!(region.name_at(provider).parse::<Region>().unwrap(), region);
            }
            assert_eq!(Region::from_index(region.index()), Some(region));
        }
        assert_eq!(
            "us-east-2".parse::<Region>().unwrap_err().to_string(),
            "unknown region `us-east-2`; known are us-east-1, us-west-2, eu-west-1, \
             ap-southeast-1 and the other providers' names for them"
        );
    }
}
