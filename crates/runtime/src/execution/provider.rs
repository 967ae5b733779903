use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where the graph runs, as configured: `auto`, `cpu` or `cuda`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionProvider {
    /// CUDA if it is available, else the CPU. The choice and its reason are logged once, at info.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// CUDA, or no start at all.
    Cuda,
}

impl ExecutionProvider {
    /// Every value, in the order in which they are documented.
    pub const ALL: [ExecutionProvider; 3] =
        [ExecutionProvider::Auto, ExecutionProvider::Cpu, ExecutionProvider::Cuda];

    /// The word used in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ExecutionProvider::Auto => "auto",
            ExecutionProvider::Cpu => "cpu",
            ExecutionProvider::Cuda => "cuda",
        }
    }
}

impl fmt::Display for ExecutionProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that is no execution provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown execution provider `{0}`; use auto, cpu or cuda")]
pub struct UnknownProvider(String);

impl FromStr for ExecutionProvider {
    type Err = UnknownProvider;

    fn from_str(word: &str) -> Result<ExecutionProvider, UnknownProvider> {
        ExecutionProvider::ALL
            .into_iter()
            .find(|provider| provider.as_str() == word)
            .ok_or_else(|| UnknownProvider(word.to_owned()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn one_word_in_flags_files_and_output() {
        for provider in ExecutionProvider::ALL {
            let word = provider.to_string();
            assert_eq!(word.parse(), Ok(provider));
            assert_eq!(serde_yaml::from_str::<ExecutionProvider>(&word).unwrap(), provider);
            assert_eq!(serde_yaml::to_string(&provider).unwrap().trim(), word);
        }
        let error = "gpu".parse::<ExecutionProvider>().unwrap_err();
        assert_eq!(error.to_string(), "unknown execution provider `gpu`; use auto, cpu or cuda");
    }
}
