//! A configuration as a tree of YAML values: its leaves, and how values are put into it.

use serde_yaml::{Mapping, Value};

pub(super) fn show_scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => serde_yaml::to_string(other).unwrap_or_default().trim().to_owned(),
    }
}

/// Text as the scalar YAML would read, or as a string if YAML reads anything else.
pub(super) fn scalar(text: &str) -> Value {
    match serde_yaml::from_str(text) {
        Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value,
        _ => Value::from(text),
    }
}

/// The leaves of a tree by their paths. A section without settings is a leaf itself: a table with
/// keys of the user's own.
pub(super) fn leaves(tree: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    collect(tree, "", &mut found);
    found
}

fn collect(value: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Mapping(section) if !section.is_empty() => {
            for (key, value) in section {
                collect(value, &join(path, key), found);
            }
        }
        value => found.push((path.to_owned(), value.clone())),
    }
}

/// The path of `key` inside the section at `path`.
pub(super) fn join(path: &str, key: &Value) -> String {
    let key = show_scalar(key);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// The value at `path`, if there is one.
pub(super) fn get<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(tree, |section, name| section.get(name))
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
