//! Reading catalogues: by name or from a file, with what they extend.

use std::path::{Path, PathBuf};

use serde_yaml::Value;
use sha2::{Digest, Sha256};
use strata_domain::{Catalogue, did_you_mean};

use crate::{
    built_in::{self, BUILT_IN},
    check,
    fault::{CatalogueFaults, Fault},
    format::{Document, FORMAT},
    overlay::{self, Only},
    resolve,
};

/// Largest file that is read: the built-in `world` has 0.1 MB.
const MOST_BYTES: u64 = 4 << 20;
/// How many catalogues may extend one another in a row.
const MOST_LAYERS: usize = 8;

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
    let mut faults = Vec::new();
    let value = read_layer(name_or_path, Path::new(""), &mut faults, 0);
    finish(value, faults).map_err(refuse)
}

/// Reads a built-in catalogue.
///
/// # Panics
/// Never for [`BUILT_IN`]: a test loads each.
pub fn built_in(name: &str) -> Loaded {
    load(name).unwrap_or_else(|faults| panic!("{faults}"))
}

/// Reads a catalogue from YAML text; files that it extends are relative to `directory`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_text(name: &str, text: &str, directory: &Path) -> Result<Loaded, CatalogueFaults> {
    let refuse = |faults| CatalogueFaults { name: name.to_owned(), faults };
    let mut faults = Vec::new();
    let value = layer(text, directory, &mut faults, 0);
    finish(value, faults).map_err(refuse)
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
    let place = if place == "." { String::new() } else { place };
    Fault { place, text: error.inner().to_string() }
}

/// A digest of the whole content, of which 12 hexadecimal digits are kept.
fn revision(document: &Document) -> String {
    // Maps are ordered, so that the same content has the same text.
    let text = serde_json::to_vec(document).unwrap_or_default();
    Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

fn fault(place: &str, text: String) -> Fault {
    Fault { place: place.to_owned(), text }
}

/// The document of a built-in catalogue or a file, with everything that it extends.
fn read_layer(name: &str, directory: &Path, faults: &mut Vec<Fault>, depth: usize) -> Value {
    if let Some(texts) = built_in::texts(name) {
        let mut value = Value::Null;
        for text in texts {
            match serde_yaml::from_str(text) {
                Ok(layer) => overlay::merge(&mut value, layer),
                Err(error) => faults.push(fault("", format!("`{name}`: {error}"))),
            }
        }
        return value;
    }
    let path = directory.join(name);
    match read(&path) {
        Ok(text) => {
            let directory = path.parent().map(PathBuf::from).unwrap_or_default();
            layer(&text, &directory, faults, depth)
        }
        Err(text) => {
            let hint = did_you_mean(name, BUILT_IN);
            let built_in = BUILT_IN.join(" and ");
            let text = format!("{text}; built in are {built_in}{hint}");
            faults.push(fault("", text));
            Value::Null
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let refused = |why: String| format!("cannot read the catalogue `{}`: {why}", path.display());
    let data = std::fs::metadata(path).map_err(|error| refused(error.to_string()))?;
    if !data.is_file() {
        return Err(refused("it is no file".to_owned()));
    }
    if data.len() > MOST_BYTES {
        return Err(refused(format!("it has {} bytes, at most {MOST_BYTES}", data.len())));
    }
    std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))
}

/// One document laid over what it extends.
fn layer(text: &str, directory: &Path, faults: &mut Vec<Fault>, depth: usize) -> Value {
    let mut value: Value = match serde_yaml::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            faults.push(fault("", format!("not YAML: {error}")));
            return Value::Null;
        }
    };
    let Value::Mapping(entries) = &mut value else {
        faults.push(fault("", "must be a map with the keys of a catalogue".to_owned()));
        return Value::Null;
    };
    let (extends, only) = (entries.remove("extends"), entries.remove("only"));
    let Some(extends) = extends else {
        if only.is_some() {
            faults.push(fault("only", "has no meaning without `extends`".to_owned()));
        }
        return value;
    };
    let Some(extends) = extends.as_str() else {
        faults.push(fault("extends", "must be the name or the file of a catalogue".to_owned()));
        return Value::Null;
    };
    if depth + 1 >= MOST_LAYERS {
        let text = format!("more than {MOST_LAYERS} catalogues extend one another");
        faults.push(fault("extends", text));
        return Value::Null;
    }
    match entries.get("format").map(|format| (format.as_u64(), format)) {
        Some((Some(format), _)) if format == u64::from(FORMAT) => {}
        Some((_, format)) => {
            let text = format!("must be {FORMAT}, is {}", in_words(format));
            faults.push(fault("format", text));
        }
        None => faults.push(fault("format", format!("must be given: {FORMAT}"))),
    }
    let mut base = read_layer(extends, directory, faults, depth + 1);
    if let Some(only) = only {
        match serde_path_to_error::deserialize::<_, Only>(only) {
            Ok(only) => overlay::keep(&mut base, &only, faults),
            Err(error) => {
                let Fault { place, text } = deserialize_fault(&error);
                faults.push(fault(format!("only.{place}").trim_end_matches('.'), text));
            }
        }
    }
    overlay::merge(&mut base, value);
    base
}

fn in_words(value: &Value) -> String {
    serde_yaml::to_string(value).unwrap_or_default().trim().to_owned()
}
