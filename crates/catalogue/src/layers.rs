//! The text of a catalogue, laid over what it extends.

use std::path::{Path, PathBuf};

use serde_yaml::Value;
use strata_domain::did_you_mean;

use crate::{
    built_in::{self, BUILT_IN},
    fault::Fault,
    format::FORMAT,
    overlay::{self, Only},
};

/// Largest file that is read: the built-in `world` has 0.1 MB.
const MOST_BYTES: u64 = 4 << 20;
/// How many catalogues may extend one another in a row.
const MOST_LAYERS: usize = 8;

/// Parts of a document that hold entries by name.
const SECTIONS: [&str; 7] =
    ["sources", "providers", "platforms", "regions", "areas", "grids", "hours"];

/// Reads a catalogue and what it extends. Collects what is wrong with the texts as such.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    /// What is wrong so far.
    pub(crate) faults: Vec<Fault>,
    /// The texts that are being read, each extended by the one before, with their files.
    open: Vec<Option<PathBuf>>,
}

impl Layers {
    /// The document of a built-in catalogue or of a file relative to `directory`.
    pub(crate) fn named(&mut self, name: &str, directory: &Path) -> Value {
        if let Some(texts) = built_in::texts(name) {
            return self.built_in(name, texts);
        }
        let at = if self.open.is_empty() { "" } else { "extends" };
        let path = directory.join(name);
        let file = path.canonicalize().unwrap_or_else(|_| path.clone());
        if self.open.iter().flatten().any(|open| *open == file) {
            self.fault(at, format!("`{}` extends itself in the end", path.display()));
            return Value::Null;
        }
        match read(&path) {
            Ok(text) => {
                let directory = path.parent().map(PathBuf::from).unwrap_or_default();
                self.text(&text, &directory, Some(file))
            }
            Err(why) => {
                let hint = did_you_mean(name, BUILT_IN);
                self.fault(at, format!("{why}; built in are {}{hint}", BUILT_IN.join(" and ")));
                Value::Null
            }
        }
    }

    /// The document of a text, whose files are relative to `directory`.
    pub(crate) fn text(&mut self, text: &str, directory: &Path, file: Option<PathBuf>) -> Value {
        self.open.push(file);
        let value = self.layer(text, directory);
        self.open.pop();
        value
    }

    fn built_in(&mut self, name: &str, texts: [&str; 2]) -> Value {
        let mut value = Value::Null;
        for text in texts {
            match serde_yaml::from_str(text) {
                Ok(layer) => overlay::merge(&mut value, layer),
                Err(error) => self.fault("", format!("`{name}`: {error}")),
            }
        }
        value
    }

    fn layer(&mut self, text: &str, directory: &Path) -> Value {
        let mut value: Value = match serde_yaml::from_str(text) {
            Ok(value) => value,
            Err(error) => {
                self.fault("", format!("not YAML: {error}"));
                return Value::Null;
            }
        };
        let Value::Mapping(entries) = &mut value else {
            self.fault("", "must be a map with the keys of a catalogue".to_owned());
            return Value::Null;
        };
        let (extends, only) = (entries.remove("extends"), entries.remove("only"));
        match entries.get("format").map(|format| (format.as_u64(), format)) {
            Some((Some(format), _)) if format == u64::from(FORMAT) => {}
            Some((_, format)) => {
                let text = format!("must be {FORMAT}, is {}", in_words(format));
                self.fault("format", text);
            }
            None => self.fault("format", format!("must be given: {FORMAT}")),
        }
        match extends {
            Some(extends) => self.extension(&extends, directory, (only, value)),
            None => {
                if only.is_some() {
                    self.fault("only", "has no meaning without `extends`".to_owned());
                }
                value
            }
        }
    }

    /// Lays a patch over what it extends, reduced to what it keeps of that.
    fn extension(
        &mut self,
        extends: &Value,
        directory: &Path,
        (only, patch): (Option<Value>, Value),
    ) -> Value {
        let Some(extends) = extends.as_str() else {
            self.fault("extends", "must be the name or the file of a catalogue".to_owned());
            return Value::Null;
        };
        if self.open.len() >= MOST_LAYERS {
            let text = format!("more than {MOST_LAYERS} catalogues extend one another");
            self.fault("extends", text);
            return Value::Null;
        }
        let before = self.faults.len();
        let mut base = self.named(extends, directory);
        if self.faults.len() > before {
            // Whatever else would be wrong follows from that.
            return Value::Null;
        }
        match only.map(serde_path_to_error::deserialize::<_, Only>).transpose() {
            Ok(None) => overlay::merge(&mut base, patch),
            Ok(Some(only)) => {
                let mut faults = Vec::new();
                overlay::keep(&mut base, &only, &mut faults);
                faults.into_iter().for_each(|fault| self.fault(&fault.place, fault.text));
                overlay::merge_and_prune(&mut base, patch);
            }
            Err(error) => {
                let place = format!("only.{}", error.path());
                self.fault(place.trim_end_matches('.'), error.inner().to_string());
            }
        }
        self.nothing_to_remove(&base);
        base
    }

    /// Adds a fault for each `null` that removed no entry: its name is a slip.
    fn nothing_to_remove(&mut self, merged: &Value) {
        for section in SECTIONS {
            let entries = || merged.get(section).and_then(Value::as_mapping).into_iter().flatten();
            let names = || entries().filter_map(|(key, value)| Some((key.as_str()?, value)));
            let known = || names().filter(|(_, value)| !value.is_null()).map(|(name, _)| name);
            for (name, _) in names().filter(|(_, value)| value.is_null()) {
                let hint = did_you_mean(name, known());
                self.fault(&format!("{section}.{name}"), format!("there is none to remove{hint}"));
            }
        }
    }

    /// Adds a fault. One of a text that another one extends says which.
    fn fault(&mut self, place: &str, mut text: String) {
        if self.open.len() > 1
            && let Some(Some(file)) = self.open.last()
        {
            text.push_str(&format!(" (in {})", file.display()));
        }
        self.faults.push(Fault { place: place.to_owned(), text });
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

fn in_words(value: &Value) -> String {
    serde_yaml::to_string(value).unwrap_or_default().trim().to_owned()
}
