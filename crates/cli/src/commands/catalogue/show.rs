//! `strata catalogue show`

use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use serde_yaml::Value;
use strata_catalogue::{DEFAULT, load};
use strata_domain::did_you_mean;
use strata_terminal::say;

/// Print a catalogue as YAML, with all that it extends.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// A built-in name, or a YAML file
    #[arg(value_name = "NAME|FILE", default_value = DEFAULT)]
    catalogue: String,
    /// Only this part: keys with dots between them, such as platforms.aws-lambda.price
    #[arg(long, value_name = "PATH")]
    section: Option<String>,
}

impl Show {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let document = serde_yaml::to_value(load(&self.catalogue)?.document)?;
        let part = match &self.section {
            Some(path) => section(&document, path).map_err(|error| anyhow!(error))?,
            None => &document,
        };
        say(serde_yaml::to_string(part)?.trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The part of a document at a path. Keys may have dots themselves.
///
/// # Errors
/// A sentence that says which key there is not.
fn section<'d>(value: &'d Value, path: &str) -> Result<&'d Value, String> {
    let entries = value.as_mapping().into_iter().flatten();
    let named: Vec<(String, &Value)> = entries.map(|(key, value)| (text(key), value)).collect();
    let rest = |key: &str| path.strip_prefix(key).map(|rest| rest.strip_prefix('.'));
    for (key, value) in &named {
        match rest(key) {
            _ if path == key => return Ok(value),
            Some(Some(rest)) => return section(value, rest),
            _ => {}
        }
    }
    let wanted = path.split('.').next().unwrap_or_default();
    let hint = did_you_mean(wanted, named.iter().map(|(key, _)| key.as_str()));
    Err(format!("the catalogue has no `{wanted}` there{hint}"))
}

/// A key as it stands in a path.
pub(super) fn text(key: &Value) -> String {
    match key {
        Value::String(text) => text.clone(),
        other => serde_yaml::to_string(other).unwrap_or_default().trim_end().to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_found_by_its_path() {
        let document: Value =
            serde_yaml::from_str("{a: {b.c: {128: 1.5}, d: x}, ab: {d: y}}").unwrap();
        let found = |path| section(&document, path).map(text);
        assert_eq!(found("a.b.c.128").unwrap(), "1.5");
        assert_eq!((found("a.d").unwrap(), found("ab.d").unwrap()), ("x".into(), "y".into()));
        assert!(found("a.e").unwrap_err().contains("no `e` there"));
        assert!(found("platform").unwrap_err().contains("no `platform`"));
    }
}
