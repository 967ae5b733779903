//! Reading catalogues: by name or from a file, with what they extend.

use std::path::Path;

use serde_yaml::Value;
use sha2::{Digest, Sha256};
use strata_domain::Catalogue;

use crate::{
    check,
    fault::{CatalogueFaults, Fault},
    format::Document,
    layers::Layers,
    resolve,
};

/// A catalogue that was read and checked.
#[derive(Debug)]
pub struct Loaded {
    /// The catalogue.
    pub catalogue: Catalogue,
    /// Its document, after all overlays.
    pub document: Document,
    /// What is odd about it without being wrong: gaps, figures without effect.
    pub warnings: Vec<Fault>,
}

impl Loaded {
    /// Sources that are older than `years` at `today`, a number of days since 1970: the figures to
    /// look up again.
    pub fn stale_sources(&self, today: i64, years: i64) -> Vec<Fault> {
        check::stale(&self.document, today, years)
    }
}

/// Reads the built-in catalogue of that name, or else the file at that path.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(name_or_path: &str) -> Result<Loaded, CatalogueFaults> {
    let refuse = |faults| CatalogueFaults { name: name_or_path.to_owned(), faults };
    let mut layers = Layers::default();
    let value = layers.named(name_or_path, Path::new(""));
    finish(value, layers.faults).map_err(refuse)
}

/// Reads a built-in catalogue.
///
/// # Panics
/// Never for [`crate::BUILT_IN`]: a test loads each.
pub fn built_in(name: &str) -> Loaded {
    load(name).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Reads a catalogue from YAML text; files that it extends are relative to `directory`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_text(name: &str, text: &str, directory: &Path) -> Result<Loaded, CatalogueFaults> {
    let refuse = |faults| CatalogueFaults { name: name.to_owned(), faults };
    let mut layers = Layers::default();
    let value = layers.text(text, directory, None);
    finish(value, layers.faults).map_err(refuse)
}

fn finish(value: Value, mut faults: Vec<Fault>) -> Result<Loaded, Vec<Fault>> {
    if !faults.is_empty() {
        return Err(faults);
    }
    let document: Document =
        serde_path_to_error::deserialize(value).map_err(|error| vec![deserialize_fault(&error)])?;
    let mut warnings = Vec::new();
    check::check(&document, &mut faults, &mut warnings);
    if !faults.is_empty() {
        return Err(faults);
    }
    let parts = resolve::parts(&document, revision(&document));
    let catalogue = Catalogue::new(parts)
        .map_err(|error| vec![Fault { place: error.place, text: error.fault }])?;
    Ok(Loaded { catalogue, document, warnings })
}

fn deserialize_fault(error: &serde_path_to_error::Error<serde_yaml::Error>) -> Fault {
    let place = error.path().to_string();
    // A `?` stands for a key of the wrong type, a dot for the document.
    let place = place.trim_end_matches(['.', '?']).to_owned();
    Fault { place, text: error.inner().to_string() }
}

/// A digest of the whole content, of which 12 hexadecimal digits are kept.
fn revision(document: &Document) -> String {
    // Maps are ordered, so that the same content has the same text.
    let text = serde_json::to_vec(document).unwrap_or_default();
    Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
