//! The settings of a configuration: their names and defaults come from its serialized default,
//! what they mean and their ranges from the doc comments and attributes of its fields.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::Serialize;
use serde_json::Value as Json;
use serde_yaml::Value;

use super::{
    error::ConfigError,
    tree::{self, show_scalar},
};

/// The keyword of a schema that says a range in words.
pub(super) const RANGE: &str = "x-range";

/// A setting that has a value of its own.
#[derive(Debug, Clone)]
pub struct Setting {
    path: String,
    pub(super) default: Value,
    meaning: String,
    /// The least and the most, for a number that is bounded at both ends.
    pub(super) bounds: Option<(f64, f64)>,
    range: Option<String>,
}

impl Setting {
    fn new(path: String, default: Value, schema: &Json) -> Self {
        let schema = property(schema, &path);
        let bounds = schema["minimum"].as_f64().zip(schema["maximum"].as_f64());
        let words = schema[RANGE].as_str().map(str::to_owned);
        Self {
            meaning: schema["description"].as_str().unwrap_or_default().to_owned(),
            bounds,
            range: words.or_else(|| bounds.map(|(min, max)| format!("{min} to {max}"))),
            path,
            default,
        }
    }

    /// The names of the sections it stands in and its own, joined with dots: `grpc.listen`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The long option, without its dashes: `grpc-listen`.
    #[must_use]
    pub fn flag(&self) -> String {
        self.path.replace(['.', '_'], "-")
    }

    /// The default as people read it.
    #[must_use]
    pub fn shown_default(&self) -> String {
        match &self.default {
            Value::Null => "unset".to_owned(),
            Value::Sequence(items) => {
                let items: Vec<String> = items.iter().map(show_scalar).collect();
                if items.is_empty() { "none".to_owned() } else { items.join(",") }
            }
            Value::Mapping(_) => "none".to_owned(),
            scalar => show_scalar(scalar),
        }
    }

    /// The range of its values, in words.
    #[must_use]
    pub fn range(&self) -> Option<&str> {
        self.range.as_deref()
    }

    /// What it means: Markdown, the paragraphs of its doc comment.
    #[must_use]
    pub fn meaning(&self) -> &str {
        &self.meaning
    }

    /// The first paragraph of what it means, as plain text without the last full stop.
    pub(super) fn summary(&self) -> String {
        let first = self.meaning.split("\n\n").next().unwrap_or_default();
        first.replace('`', "").replace('\n', " ").trim_end_matches('.').to_owned()
    }

    /// The outermost section, for headings in the help; empty for a top-level setting.
    pub(super) fn section(&self) -> &str {
        self.path.split_once('.').map_or("", |(section, _)| section)
    }

    /// The values a text may mean here, the likeliest first. Which one it is, the type decides.
    pub(super) fn readings(&self, text: &str) -> Vec<Value> {
        match &self.default {
            Value::Sequence(_) => {
                let items: Vec<&str> = match text.trim() {
                    "" => Vec::new(),
                    list => list.split(',').map(str::trim).collect(),
                };
                let strings = items.iter().map(|item| Value::from(*item)).collect();
                let scalars = items.iter().map(|item| tree::scalar(item)).collect();
                vec![Value::Sequence(strings), Value::Sequence(scalars)]
            }
            // A default that is a string stays a string: "1e3" may be a name.
            Value::String(_) => vec![Value::from(text), tree::scalar(text)],
            _ => vec![tree::scalar(text), Value::from(text)],
        }
    }
}

/// The settings of `C`, in the order of its fields.
///
/// # Errors
/// [`ConfigError::Default`] when the default of `C` cannot be serialized.
pub fn settings<C: Default + Serialize + JsonSchema>() -> Result<Vec<Setting>, ConfigError> {
    let defaults = serde_yaml::to_value(C::default()).map_err(ConfigError::Default)?;
    Ok(settings_of::<C>(&defaults))
}

/// The settings of `C`, whose serialized default is known.
pub(super) fn settings_of<C: JsonSchema>(defaults: &Value) -> Vec<Setting> {
    let schema = schema::<C>();
    let leaves = tree::leaves(defaults).into_iter();
    leaves.map(|(path, default)| Setting::new(path, default, &schema)).collect()
}

/// The schema of `C`, without references.
pub(super) fn schema<C: JsonSchema>() -> Json {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<C>().to_value()
}

/// The schema of the setting at `path`, null if there is none.
fn property<'a>(schema: &'a Json, path: &str) -> &'a Json {
    path.split('.').fold(schema, |section, name| &section["properties"][name])
}

/// The paths of the settings that a schema knows.
pub(super) fn properties(schema: &Json, path: &str, found: &mut Vec<String>) {
    match schema["properties"].as_object() {
        None => found.push(path.to_owned()),
        Some(section) => section.iter().for_each(|(name, schema)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            properties(schema, &path, found);
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_dotted_paths_in_order() {
        let tree = serde_yaml::from_str("a: {b: 1, c_d: [x, y]}\ne: null\nf: {}").unwrap();
        let setting = |(path, default)| Setting::new(path, default, &Json::Null);
        let settings: Vec<_> = tree::leaves(&tree).into_iter().map(setting).collect();
        let shown: Vec<_> =
            settings.iter().map(|s| (s.path(), s.flag(), s.shown_default())).collect();
        assert_eq!(shown[0], ("a.b", "a-b".to_owned(), "1".to_owned()));
        assert_eq!(shown[1], ("a.c_d", "a-c-d".to_owned(), "x,y".to_owned()));
        assert_eq!(shown[2], ("e", "e".to_owned(), "unset".to_owned()));
        assert_eq!(shown[3], ("f", "f".to_owned(), "none".to_owned()));
    }
}
