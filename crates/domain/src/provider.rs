use std::{fmt, str::FromStr};

/// A cloud provider, in the index order of the strategic model's actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// Amazon Web Services (Lambda).
    Aws,
    /// Microsoft Azure (Functions, consumption plan).
    Azure,
    /// Google Cloud (Cloud Functions, 1st generation).
    Gcp,
}

impl Provider {
    /// Every provider, in index order.
    pub const ALL: [Self; 3] = [Self::Aws, Self::Azure, Self::Gcp];

    /// Position in [`Provider::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The provider at `index`, or `None` beyond the last.
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// Lower-case name: `aws`, `azure`, `gcp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
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
#[error("unknown provider `{0}`; known are aws, azure, gcp")]
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
