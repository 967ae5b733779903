//! A configuration as a tree of YAML values: its leaves, and how values are put into it.

use serde::Serialize;
use serde_yaml::{Mapping, Value};

/// A setting that has a value of its own, with the default it was found with.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    /// The names of the sections it stands in and its own, joined with dots.
    pub(super) path: String,
    pub(super) default: Value,
}

impl Leaf {
    /// The long option, without its dashes.
    pub(super) fn flag(&self) -> String {
        self.path.replace(['.', '_'], "-")
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
                let scalars = items.iter().map(|item| scalar(item)).collect();
                vec![Value::Sequence(strings), Value::Sequence(scalars)]
            }
            // A default that is a string stays a string: "1e3" may be a name.
            Value::String(_) => vec![Value::from(text), scalar(text)],
            _ => vec![scalar(text), Value::from(text)],
        }
    }

    /// The default as people read it.
    pub(super) fn shown_default(&self) -> String {
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
}

fn show_scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => serde_yaml::to_string(other).unwrap_or_default().trim().to_owned(),
    }
}

/// Text as the scalar YAML would read, or as a string if YAML reads anything else.
fn scalar(text: &str) -> Value {
    match serde_yaml::from_str(text) {
        Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value,
        _ => Value::from(text),
    }
}

/// The leaves of the serialized default of `C`, in the order of its fields.
pub(super) fn default_leaves<C: Default + Serialize>() -> Result<Vec<Leaf>, serde_yaml::Error> {
    Ok(leaves(&serde_yaml::to_value(C::default())?))
}

/// The leaves of a tree. A section without settings is a leaf itself: a table with keys of the
/// user's own.
pub(super) fn leaves(tree: &Value) -> Vec<Leaf> {
    let mut found = Vec::new();
    collect(tree, "", &mut found);
    found
}

fn collect(value: &Value, path: &str, found: &mut Vec<Leaf>) {
    match value {
        Value::Mapping(section) if !section.is_empty() => {
            for (key, value) in section {
                collect(value, &join(path, key), found);
            }
        }
        value => found.push(Leaf { path: path.to_owned(), default: value.clone() }),
    }
}

/// The path of `key` inside the section at `path`.
pub(super) fn join(path: &str, key: &Value) -> String {
    let key = show_scalar(key);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// Puts `value` at `path`, making sections on the way where there are none.
pub(super) fn put(tree: &mut Value, path: &str, value: Value) {
    let mut at = tree;
    for name in path.split('.') {
        if !at.is_mapping() {
            *at = Value::Mapping(Mapping::new());
        }
        let Value::Mapping(section) = at else { return };
        at = section.entry(Value::from(name)).or_insert(Value::Null);
    }
    *at = value;
}

/// The candidate nearest to `wrong` in spelling, if one is near enough to be a typing error.
pub(super) fn nearest<'a>(
    wrong: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<String> {
    // Winkler's similarity: 0.8 admits two or three wrong letters in a name of ten.
    const NEAR: f64 = 0.8;
    candidates
        .map(|candidate| (strsim::jaro_winkler(wrong, candidate), candidate))
        .filter(|(similarity, _)| *similarity > NEAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Value {
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn leaves_have_dotted_paths_in_order() {
        let leaves = leaves(&tree("a: {b: 1, c_d: [x, y]}\ne: null\nf: {}"));
        let shown: Vec<_> =
            leaves.iter().map(|l| (l.path.as_str(), l.flag(), l.shown_default())).collect();
        assert_eq!(shown[0], ("a.b", "a-b".to_owned(), "1".to_owned()));
        assert_eq!(shown[1], ("a.c_d", "a-c-d".to_owned(), "x,y".to_owned()));
        assert_eq!(shown[2], ("e", "e".to_owned(), "unset".to_owned()));
        assert_eq!(shown[3], ("f", "f".to_owned(), "none".to_owned()));
    }

    #[test]
    fn put_replaces_and_creates() {
        let mut value = tree("a: {b: 1}");
        put(&mut value, "a.b", Value::from(2));
        put(&mut value, "c.d", Value::from("x"));
        assert_eq!(value, tree("a: {b: 2}\nc: {d: x}"));
    }

    #[test]
    fn the_nearest_name_is_found_and_strangers_are_not() {
        let names = ["grpc.listen", "admin.listen", "runtime.worker_threads"];
        let near = |wrong| nearest(wrong, names.into_iter());
        assert_eq!(near("grpc.lisen").as_deref(), Some("grpc.listen"));
        assert_eq!(near("zzz"), None);
    }
}
