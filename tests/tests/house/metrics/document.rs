//! `docs/metrics.md`: prose by hand, and tables between comments that name them.

use std::{collections::BTreeMap, fs, path::PathBuf};

use strata_tests::root;

use super::page::Family;

/// The metrics of one table.
pub(crate) struct Group {
    /// Whose metrics they are: `every process`.
    pub(crate) name: &'static str,
    pub(crate) families: Vec<Family>,
}

/// The text of the document.
pub(crate) struct Document(String);

impl Document {
    /// Reads it.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn read() -> Self {
        Self(fs::read_to_string(path()).expect("docs/metrics.md"))
    }

    /// Writes it back.
    ///
    /// # Panics
    /// When it cannot be written.
    pub(crate) fn write(&self) {
        fs::write(path(), &self.0).expect("docs/metrics.md can be written");
    }

    /// Replaces the tables. Returns what was different.
    pub(crate) fn update(&mut self, groups: &[Group], labels: &[[String; 3]]) -> Vec<String> {
        let mut differences = Vec::new();
        for group in groups {
            let rows: Vec<_> = group.families.iter().map(row).collect();
            let head = ["metric", "type", "unit", "labels", "meaning"].map(str::to_owned);
            differences.extend(self.replace(&format!("metrics of {}", group.name), &head, &rows));
        }
        let head = ["label", "of", "values"].map(str::to_owned);
        differences.extend(self.replace("labels", &head, labels));
        differences
    }

    /// Replaces the table between `<!-- begin NAME -->` and `<!-- end NAME -->`.
    fn replace<const N: usize>(
        &mut self,
        name: &str,
        head: &[String; N],
        rows: &[[String; N]],
    ) -> Vec<String> {
        let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->\n"));
        let missing = |comment: &str| -> ! { panic!("docs/metrics.md lacks {comment}") };
        let Some((before, rest)) = self.0.split_once(&begin) else { missing(&begin) };
        let Some((old, after)) = rest.split_once(&end) else { missing(&end) };
        let line = |cells: &[String; N]| format!("| {} |\n", cells.join(" | "));
        let rule = format!("|{}\n", "---|".repeat(N));
        let new: String = [line(head), rule].into_iter().chain(rows.iter().map(line)).collect();
        let differences = differences(name, old, &new);
        self.0 = format!("{before}{begin}{new}{end}{after}");
        differences
    }
}

fn path() -> PathBuf {
    root().join("docs/metrics.md")
}

fn row(family: &Family) -> [String; 5] {
    let labels: Vec<_> = family.labels.keys().map(|label| format!("`{label}`")).collect();
    let [name, kind, unit, help] = family.outline();
    [format!("`{name}`"), kind.to_owned(), unit.to_owned(), labels.join(", "), help.to_owned()]
}

/// How two tables differ, row by row; rows are compared by their first two cells.
fn differences(name: &str, old: &str, new: &str) -> Vec<String> {
    if old == new {
        return Vec::new();
    }
    let [documented, exposed] = [old, new].map(|table| {
        let row = |line: &str| (line.splitn(4, '|').take(3).collect::<String>(), line.to_owned());
        table.lines().map(row).collect::<BTreeMap<_, _>>()
    });
    let mut differences = Vec::new();
    for (key, row) in &exposed {
        match documented.get(key) {
            None => differences.push(format!("{name}: exposed and not documented: {row}")),
            Some(old) if old != row => {
                differences.push(format!("{name}: documented as {old}\n  and exposed as {row}"));
            }
            Some(_) => {}
        }
    }
    let gone = documented.iter().filter(|(key, _)| !exposed.contains_key(*key));
    differences.extend(gone.map(|(_, row)| format!("{name}: documented and not exposed: {row}")));
    if differences.is_empty() {
        differences.push(format!("{name}: the same rows in another order"));
    }
    differences
}
