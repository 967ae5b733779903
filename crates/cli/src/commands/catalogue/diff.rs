//! `strata catalogue diff`

use std::process::ExitCode;

use clap::Args;
use serde_yaml::Value;
use strata_catalogue::{Loaded, load};
use strata_terminal::say;

use super::show;

/// Say what differs between two catalogues, a line for each figure: its path, old -> new.
///
/// Both are compared with all that they extend. Exits with 0 when they are the same and with 1 when
/// they differ.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The old one: a built-in name, or a YAML file
    #[arg(value_name = "OLD")]
    old: String,
    /// The new one
    #[arg(value_name = "NEW")]
    new: String,
}

impl Diff {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let [old, new] = [load(&self.old)?, load(&self.new)?];
        let value = |loaded: &Loaded| serde_yaml::to_value(&loaded.document);
        let mut lines = Vec::new();
        compare("", &value(&old)?, &value(&new)?, &mut lines);
        if lines.is_empty() {
            say(format_args!("the same: revision {}", new.catalogue.revision()))?;
            return Ok(ExitCode::SUCCESS);
        }
        say(lines.join("\n"))?;
        Ok(ExitCode::FAILURE)
    }
}

/// Adds a line for each difference below `path`.
fn compare(path: &str, old: &Value, new: &Value, lines: &mut Vec<String>) {
    let (Value::Mapping(before), Value::Mapping(after)) = (old, new) else {
        if old != new {
            lines.push(format!("{path}: {} -> {}", shown(old), shown(new)));
        }
        return;
    };
    let at = |key: &Value| match path {
        "" => show::text(key),
        path => format!("{path}.{}", show::text(key)),
    };
    for (key, old) in before {
        match after.get(key) {
            Some(new) => compare(&at(key), old, new, lines),
            None => lines.push(format!("{}: {} -> removed", at(key), shown(old))),
        }
    }
    for (key, new) in after.iter().filter(|(key, _)| !before.contains_key(key)) {
        lines.push(format!("{}: added -> {}", at(key), shown(new)));
    }
}

/// A value in a line.
fn shown(value: &Value) -> String {
    const MOST_CHARACTERS: usize = 80;
    let text = match value {
        Value::Mapping(entries) => match entries.len() {
            0 => "{}".to_owned(),
            1 => "1 entry".to_owned(),
            count => format!("{count} entries"),
        },
        Value::Sequence(_) => serde_json::to_string(value).unwrap_or_default(),
        scalar => show::text(scalar),
    };
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn figures_entries_and_lists_are_compared_by_path() {
        let old = "{a: {x: 1.5, y: [1, 2]}, b: {c: 1}, d: same}";
        let new = "{a: {x: 2.0, y: [1, 3]}, d: same, e: {f: 1, g: 2}}";
        let [old, new] = [old, new].map(|text| serde_yaml::from_str::<Value>(text).unwrap());
        let mut lines = Vec::new();
        compare("", &old, &new, &mut lines);
        let expected = [
            "a.x: 1.5 -> 2.0",
            "a.y: [1,2] -> [1,3]",
            "b: 1 entry -> removed",
            "e: added -> 2 entries",
        ];
        assert_eq!(lines, expected);
        let mut lines = Vec::new();
        compare("", &new, &new, &mut lines);
        assert!(lines.is_empty());
    }
}
