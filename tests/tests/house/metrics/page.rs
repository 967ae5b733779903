//! A page of metrics as OpenMetrics text.

use std::collections::{BTreeMap, BTreeSet};

/// A metric: all series of one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Family {
    /// Its name as queries use it: that of a counter ends in `_total`.
    pub(crate) name: String,
    /// `counter`, `gauge` or `histogram`.
    pub(crate) kind: String,
    /// `seconds` or `bytes`; empty if the page names no unit.
    pub(crate) unit: String,
    /// What it means.
    pub(crate) help: String,
    /// Its labels with the values seen, without the bounds of a histogram's buckets.
    pub(crate) labels: BTreeMap<String, BTreeSet<String>>,
}

impl Family {
    /// Name, type, unit and help: all that does not depend on traffic.
    pub(crate) fn outline(&self) -> [&str; 4] {
        [&self.name, &self.kind, &self.unit, &self.help]
    }

    /// Adds the labels that another process has seen.
    pub(crate) fn merge_labels(&mut self, other: &Self) {
        for (label, values) in &other.labels {
            self.labels.entry(label.clone()).or_default().extend(values.iter().cloned());
        }
    }

    fn describe(&mut self, keyword: &str, text: &str) {
        match keyword {
            // prometheus-client ends most texts with a full stop.
            "HELP" => self.help = text.trim_end_matches('.').to_owned(),
            "UNIT" => self.unit = text.to_owned(),
            "TYPE" => {
                self.kind = text.to_owned();
                if text == "counter" {
                    self.name.push_str("_total");
                }
            }
            other => panic!("{other} is no comment of OpenMetrics"),
        }
    }
}

/// The metrics of a page, by the names in its comments.
pub(crate) type Families = BTreeMap<String, Family>;

/// Reads a page.
///
/// # Panics
/// When a series has no comments before it.
pub(crate) fn parse(page: &str) -> Families {
    let mut families = Families::new();
    for line in page.lines().filter(|line| *line != "# EOF") {
        match line.strip_prefix("# ") {
            Some(comment) => {
                let mut words = comment.splitn(3, ' ');
                let mut word = || words.next().expect("a keyword, a name and a text").to_owned();
                let (keyword, name, text) = (word(), word(), word());
                let family = families
                    .entry(name.clone())
                    .or_insert_with(|| Family { name, ..Family::default() });
                family.describe(&keyword, &text);
            }
            None => add_series(&mut families, line),
        }
    }
    families
}

/// Adds the labels of a series: `name{label="value",...} number`.
fn add_series(families: &mut Families, line: &str) {
    let (name, labels) = match line.split_once('{') {
        Some((name, rest)) => (name, rest.rsplit_once("\"} ").expect("an end of the labels").0),
        None => (line.split(' ').next().unwrap_or_default(), ""),
    };
    let family = ["", "_total", "_bucket", "_sum", "_count"]
        .iter()
        .filter_map(|suffix| name.strip_suffix(suffix))
        .find(|family| families.contains_key(*family))
        .unwrap_or_else(|| panic!("{name} has no comments before it"));
    let family = families.get_mut(family).expect("a known metric");
    for label in labels.split("\",").filter(|label| !label.is_empty()) {
        let (label, value) = label.split_once("=\"").expect("a label and its value");
        if label != "le" {
            family.labels.entry(label.to_owned()).or_default().insert(value.to_owned());
        }
    }
}
