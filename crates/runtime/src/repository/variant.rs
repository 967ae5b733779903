use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// The precision in which a model computes, as configured: `fp32` or `int8`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// The graph as it was trained.
    #[default]
    Fp32,
    /// The variant whose large weights are 8-bit integers, where a version has one.
    Int8,
}

impl Precision {
    /// The word used in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Precision::Fp32 => "fp32",
            Precision::Int8 => "int8",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A second graph of the same version, with the same inputs and outputs, made from the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// A plain file name in the manifest's own directory, another than the graph's.
    pub file: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the graph file that it was made from: a variant of another one is refused.
    pub source_sha256: String,
    /// What was done to which weights, in words.
    pub scheme: String,
    /// By which fraction the error of any output was allowed to grow.
    pub tolerance: f64,
    /// Why it should not have been published, if it was published by force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced_against: Option<String>,
    /// Both graphs on held-out data, for people: no program reads them. Every value is finite.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accuracy: BTreeMap<String, f64>,
}

impl Variant {
    /// What is wrong with the variant of the graph file `graph`, if anything.
    pub(super) fn fault(&self, graph: &str) -> Option<String> {
        if self.file == graph {
            return Some(format!("variant file `{graph}` is the graph file"));
        }
        if !(self.tolerance.is_finite() && self.tolerance >= 0.0) {
            return Some(format!("variant tolerance is {}, not 0 or more", self.tolerance));
        }
        let odd = self.accuracy.iter().find(|(_, value)| !value.is_finite());
        odd.map(|(name, value)| format!("accuracy `{name}` is {value}, not a finite number"))
    }
}
