use std::{fmt, str::FromStr};

use crate::indexed_enum::indexed_enum;

indexed_enum! {
    /// A cloud provider, in the index order of the strategic model's actions.
    pub enum Provider {
        /// Amazon Web Services (Lambda).
        Aws,
        /// Microsoft Azure (Functions, consumption plan).
        Azure,
        /// Google Cloud (Cloud Functions, 1st generation).
        Gcp,
    }
}

impl Provider {
    /// Lower-case name: `aws`, `azure`, `gcp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }

    /// Name in prose: `AWS`, `Azure`, `GCP`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Azure => "Azure",
            Self::Gcp => "GCP",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is none of the known names.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown provider `{0}`; known are {known}",
    known = Provider::ALL.map(Provider::name).join(", ")
)]
pub struct UnknownProvider(String);

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|p| p.name() == text)
            .ok_or_else(|| UnknownProvider(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_unknown_provider_is_answered_with_the_known_ones() {
        for provider in Provider::ALL {
            assert_eq!(provider.name().parse::<Provider>().unwrap(), provider);
        }
        assert_eq!(
            "ovh".parse::<Provider>().unwrap_err().to_string(),
            "unknown provider `ovh`; known are aws, azure, gcp"
        );
    }
}
