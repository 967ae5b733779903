//! The help text of every setting, and the proof that none is missing.

use std::collections::BTreeSet;

use serde::Serialize;

use super::error::Invalid;
use super::{load, tree};

/// A configuration, or a section of one, that can explain each of its settings.
pub trait Documented {
    /// One row for each leaf of the serialized default.
    fn help() -> Help;

    /// Checks what the types alone cannot: ranges, and settings that depend on each other.
    ///
    /// # Errors
    /// The first setting that is out of range, by its path.
    fn check(&self) -> Result<(), Invalid> {
        Ok(())
    }
}

/// The meaning of settings, by path.
#[derive(Debug, Clone, Default)]
pub struct Help {
    rows: Vec<(String, &'static str)>,
}

impl Help {
    /// Rows of `(path, meaning)`; a path joins the names of nested settings with dots.
    #[must_use]
    pub fn of(rows: &[(&str, &'static str)]) -> Self {
        Self { rows: rows.iter().map(|(path, text)| ((*path).to_owned(), *text)).collect() }
    }

    /// Adds the rows of a section that stands under `path`.
    #[must_use]
    pub fn section<S: Documented>(mut self, path: &str) -> Self {
        let rows = S::help().rows;
        self.rows.extend(rows.into_iter().map(|(row, text)| (format!("{path}.{row}"), text)));
        self
    }

    pub(super) fn text(&self, path: &str) -> &'static str {
        self.rows.iter().find(|(row, _)| row == path).map_or("", |(_, text)| text)
    }
}

/// Fails if a setting of `C` has no help, a help row has no setting, a row or a generated name is
/// there twice, or the default does not pass its own check. Every configuration has a test of one
/// line that calls it.
///
/// # Panics
/// With the list of what is wrong.
pub fn assert_documented<C: Default + Serialize + Documented>() {
    let mut wrong = Vec::new();
    let leaves = match tree::default_leaves::<C>() {
        Ok(leaves) => leaves,
        Err(error) => panic!("the default configuration cannot be serialized: {error}"),
    };
    let paths: BTreeSet<&str> = leaves.iter().map(|leaf| leaf.path.as_str()).collect();
    let mut rows = BTreeSet::new();
    for (path, text) in &C::help().rows {
        if !rows.insert(path.clone()) {
            wrong.push(format!("help row {path} is there twice"));
        }
        if !paths.contains(path.as_str()) {
            wrong.push(format!("help row {path} has no setting"));
        }
        if text.trim().is_empty() {
            wrong.push(format!("help row {path} is empty"));
        }
    }
    let mut flags: BTreeSet<String> =
        load::RESERVED_FLAGS.iter().map(|f| (*f).to_owned()).collect();
    for leaf in &leaves {
        if !rows.contains(&leaf.path) {
            wrong.push(format!("setting {} has no help row", leaf.path));
        }
        if !flags.insert(leaf.flag()) {
            wrong.push(format!("setting {} and another one are both --{}", leaf.path, leaf.flag()));
        }
    }
    if let Err(error) = C::default().check() {
        wrong.push(format!("the default is refused: {error}"));
    }
    assert!(wrong.is_empty(), "configuration help:\n  {}", wrong.join("\n  "));
}
