/// What a binary is called, by people and by its environment variables.
#[derive(Debug, Clone, Copy)]
pub struct Binary {
    /// The name of the executable, `strategic`; traces call the service `strata-<name>`.
    pub name: &'static str,
    /// One sentence for `--help`.
    pub about: &'static str,
    /// What all its environment variables begin with, without the last underscore:
    /// `STRATA_STRATEGIC`.
    pub env_prefix: &'static str,
    /// The version of the package: `env!("CARGO_PKG_VERSION")`.
    pub version: &'static str,
}

impl Binary {
    /// The environment variable of a setting, or of one of the loader's own names.
    #[must_use]
    pub fn variable(&self, path: &str) -> String {
        format!("{}_{}", self.env_prefix, path.replace('.', "_").to_ascii_uppercase())
    }
}
