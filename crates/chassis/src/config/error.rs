//! Why a configuration was refused, in words that say what to change.

use std::{fmt, path::PathBuf};

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    File(PathBuf),
    Variable(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
        }
    }
}

/// A setting whose value has the right type and is still not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct Invalid {
    path: String,
    reason: String,
}

impl Invalid {
    /// `reason` completes the sentence "`path`: ...", for example "must be at least 1".
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }

    /// The same refusal seen from the configuration in which the section stands under `section`.
    #[must_use]
    pub(super) fn within(self, section: &str) -> Self {
        Self { path: format!("{section}.{}", self.path), reason: self.reason }
    }

    /// The setting's path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong with its value.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// A configuration that cannot be used. `Display` is one line and says where to look.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The command line cannot be understood; the text is clap's.
    #[error("{0}")]
    Usage(String),
    /// The file cannot be read.
    #[error("configuration file {} cannot be read", path.display())]
    Unreadable {
        /// The file named by `--config` or the environment.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than any configuration needs to be.
    #[error("configuration file {} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        limit: u64,
    },
    /// The file is not one YAML document with unique keys.
    #[error("configuration file {} is not valid YAML", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// The parser's message, with line and column.
        #[source]
        source: serde_yaml::Error,
    },
    /// The file names a setting that does not exist.
    #[error("unknown key {key} in file {}{}", path.display(), did_you_mean(hint))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key, with the sections it stands in.
        key: String,
        /// The nearest key that exists.
        hint: Option<String>,
    },
    /// The environment names a setting that does not exist.
    #[error("unknown environment variable {name}{}", did_you_mean(hint))]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The nearest variable that exists.
        hint: Option<String>,
    },
    /// A value is of the wrong type, or not allowed.
    #[error("{path}: {reason} (from {origin})")]
    Value {
        /// The setting.
        path: String,
        /// What was found and what was expected.
        reason: String,
        /// The file, variable or flag it came from.
        origin: String,
    },
    /// The default configuration itself cannot be turned into a tree: a mistake in the program.
    #[error("the default configuration cannot be serialized")]
    Default(#[source] serde_yaml::Error),
}

fn did_you_mean(hint: &Option<String>) -> String {
    hint.as_ref().map_or_else(String::new, |hint| format!("; did you mean {hint}?"))
}
