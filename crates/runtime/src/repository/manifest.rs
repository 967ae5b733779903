use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{axis::Axis, bounded_file, shape::Shape, variant::Variant};

/// Name of the manifest inside a version's directory.
pub const MANIFEST_FILE: &str = "manifest.yaml";

/// Largest manifest that is read. A model of 47 features needs about 5 KiB.
const MANIFEST_LIMIT: u64 = 1 << 20;

/// What a model is: its graph file, its inputs and outputs by name, and where it came from.
///
/// The trainer writes it and the services read it with this one type. Reading refuses unknown keys;
/// writing is deterministic (every map is ordered).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the model, equal to its directory's name in a repository: letters, digits, `.`, `_`
    /// and `-`, at most 64 of them.
    pub name: String,
    /// Version, from 1, equal to its directory's name in a repository.
    pub version: u32,
    /// The graph file beside this manifest.
    pub graph: GraphFile,
    /// The dimension whose size differs from row to row; absent when every shape is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axis: Option<Axis>,
    /// Inputs of the graph, in the order in which callers hand them over.
    pub inputs: Vec<Input>,
    /// Outputs of the graph, in the order in which callers get them.
    pub outputs: Vec<Output>,
    /// Whether training improved the model on the formula that it starts from; absent where there
    /// is no such formula.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// What the model was trained on; absent when that is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Data>,
    /// Settings of the training run, for people: no program reads them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub training: BTreeMap<String, Scalar>,
    /// Measured on held-out data, for people: no program reads them. Every value is finite.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
    /// The quantised variant; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub int8: Option<Variant>,
}

/// What a model's answers rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// On weights that training improved.
    Learned,
    /// On the formula alone: no weights were better on validation data.
    Formula,
}

impl Policy {
    /// As manifests write it: `learned` or `formula`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::Formula => "formula",
        }
    }
}

/// The ONNX file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphFile {
    /// A plain file name in the manifest's own directory.
    pub file: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Version of the default ONNX operator set that the graph imports.
    pub opset: u32,
}

/// One input tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name of the graph's input.
    pub name: String,
    /// Its shape; the first dimension is the batch.
    pub shape: Shape,
    /// Its element type.
    pub dtype: DType,
    /// What the positions of the last dimension mean, in order. If that is the axis, the one entry
    /// says what each value means.
    pub features: Vec<Feature>,
}

/// Element type of a tensor. Only `f32` is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DType {
    /// IEEE 754 single precision.
    #[default]
    #[serde(rename = "f32")]
    F32,
}

/// One feature: a position of an input's last dimension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Name in the catalogue of features.
    pub name: String,
    /// Unit in which the raw value is fed; the graph does its own scaling.
    pub unit: String,
}

/// One output tensor, of f32.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Name of the graph's output.
    pub name: String,
    /// Its shape; the first dimension is the batch.
    pub shape: Shape,
    /// What the positions of the last dimension mean, in order. If that is the axis, the one entry
    /// says what each value means.
    pub labels: Vec<String>,
}

/// What a model was trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Name of the trace.
    pub trace: String,
    /// How the trace was split into training, validation and held-out time, in words.
    pub splits: String,
    /// Seed of the training run; absent for a model trained elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// A setting of a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
}

impl From<bool> for Scalar {
    fn from(value: bool) -> Scalar {
        Scalar::Bool(value)
    }
}

impl From<i64> for Scalar {
    fn from(value: i64) -> Scalar {
        Scalar::Int(value)
    }
}

impl From<f64> for Scalar {
    fn from(value: f64) -> Scalar {
        Scalar::Float(value)
    }
}

impl From<&str> for Scalar {
    fn from(value: &str) -> Scalar {
        Scalar::Text(value.to_owned())
    }
}

/// Why a manifest was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The file could not be read or written.
    #[error("cannot access the manifest {}", path.display())]
    Io {
        /// The manifest's file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The text is not YAML, or not of the manifest's form.
    #[error("the manifest is not of the expected form")]
    Yaml(#[from] serde_yaml::Error),
    /// The manifest is well-formed, but contradicts itself.
    #[error("the manifest is invalid: {0}")]
    Invalid(String),
}

impl Manifest {
    /// Reads and checks the manifest in `file`, which may be at most 1 MiB.
    ///
    /// # Errors
    /// The file is not a readable regular file of that size, or [`Manifest::parse`] refuses it.
    pub fn read(file: &Path) -> Result<Manifest, ManifestError> {
        let io = |source| ManifestError::Io { path: file.to_owned(), source };
        let bytes = bounded_file::read(file, MANIFEST_LIMIT).map_err(io)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| ManifestError::Invalid("it is not UTF-8".to_owned()))?;
        Manifest::parse(&text)
    }

    /// Reads and checks a manifest from YAML text.
    ///
    /// # Errors
    /// The text is not a manifest ([`ManifestError::Yaml`]), or [`Manifest::check`] refuses it.
    pub fn parse(text: &str) -> Result<Manifest, ManifestError> {
        let manifest: Manifest = serde_yaml::from_str(text)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The manifest as YAML, after a check. The same manifest gives the same bytes.
    ///
    /// # Errors
    /// [`Manifest::check`] refuses it.
    pub fn to_yaml(&self) -> Result<String, ManifestError> {
        self.check()?;
        Ok(serde_yaml::to_string(self)?)
    }

    /// Checks that the manifest agrees with itself: names are plain and unique, the number of
    /// features and labels is that of the last dimension, dimensions are bounded, the axis is
    /// declared, used and masked, metrics are finite.
    ///
    /// # Errors
    /// [`ManifestError::Invalid`] with the first contradiction found.
    pub fn check(&self) -> Result<(), ManifestError> {
        self.fault().map_or(Ok(()), |fault| Err(ManifestError::Invalid(fault)))
    }

    fn fault(&self) -> Option<String> {
        if !is_model_name(&self.name) {
            return Some(format!("`{}` is not a model name: {MODEL_NAME_RULE}", self.name));
        }
        if self.version == 0 {
            return Some("versions start at 1".to_owned());
        }
        if self.inputs.is_empty() || self.outputs.is_empty() {
            return Some("a model needs at least one input and one output".to_owned());
        }
        let inputs = self.inputs.iter().map(|input| input.name.as_str());
        let outputs = self.outputs.iter().map(|output| output.name.as_str());
        self.graph
            .fault()
            .or_else(|| repeated("input", inputs))
            .or_else(|| repeated("output", outputs))
            .or_else(|| self.axis_fault())
            .or_else(|| self.inputs.iter().find_map(|input| input.fault(self.axis.as_ref())))
            .or_else(|| self.outputs.iter().find_map(|output| output.fault(self.axis.as_ref())))
            .or_else(|| {
                let odd = self.metrics.iter().find(|(_, value)| !value.is_finite());
                odd.map(|(name, value)| format!("metric `{name}` is {value}, not a finite number"))
            })
            .or_else(|| self.variant_fault())
    }

    fn axis_fault(&self) -> Option<String> {
        let axis = self.axis.as_ref()?;
        let inputs = self.inputs.iter().map(|input| &input.shape);
        let outputs = self.outputs.iter().map(|output| &output.shape);
        let used = inputs.chain(outputs).any(|shape| shape.axis() == Some(&axis.name));
        if !used {
            return Some(format!("axis `{}` is declared, but no shape has it", axis.name));
        }
        axis.fault(&self.inputs)
    }

    fn variant_fault(&self) -> Option<String> {
        let variant = self.int8.as_ref()?;
        file_fault("variant", &variant.file)
            .or_else(|| digest_fault("variant sha256", &variant.sha256))
            .or_else(|| digest_fault("variant source_sha256", &variant.source_sha256))
            .or_else(|| variant.fault(&self.graph.file))
    }
}

impl GraphFile {
    fn fault(&self) -> Option<String> {
        file_fault("graph", &self.file)
            .or_else(|| digest_fault("graph sha256", &self.sha256))
            .or_else(|| (self.opset == 0).then(|| "opset versions start at 1".to_owned()))
    }
}

fn file_fault(what: &str, file: &str) -> Option<String> {
    let plain = !matches!(file, "" | "." | "..") && !file.contains(['/', '\\', ':', '\0']);
    (!plain).then(|| {
        format!("{what} file `{file}` must be a plain file name in the manifest's own directory")
    })
}

fn digest_fault(what: &str, digest: &str) -> Option<String> {
    let hex = digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (digest.len() != 64 || !hex).then(|| format!("{what} must be 64 lower-case hexadecimal digits"))
}

impl Input {
    fn fault(&self, axis: Option<&Axis>) -> Option<String> {
        let named = |fault| format!("input `{}`: {fault}", self.name);
        let names = self.features.iter().map(|feature| feature.name.as_str());
        self.shape
            .fault(axis)
            .or_else(|| miscounted("features", self.features.len(), &self.shape))
            .or_else(|| repeated("feature", names))
            .map(named)
    }
}

impl Output {
    fn fault(&self, axis: Option<&Axis>) -> Option<String> {
        let named = |fault| format!("output `{}`: {fault}", self.name);
        self.shape
            .fault(axis)
            .or_else(|| miscounted("labels", self.labels.len(), &self.shape))
            .or_else(|| repeated("label", self.labels.iter().map(String::as_str)))
            .map(named)
    }
}

fn miscounted(what: &str, count: usize, shape: &Shape) -> Option<String> {
    (count != shape.last()).then(|| match (shape.axis(), shape.row()) {
        (Some(_), []) => format!(
            "{count} {what} are listed, {shape} needs exactly one, which says what each value means"
        ),
        _ => {
            format!("{count} {what} are listed, the last dimension of {shape} has {}", shape.last())
        }
    })
}

/// A name that is empty or stands twice.
fn repeated<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() || name.contains('\0') {
            return Some(format!("one of the {what} names is empty or holds a zero byte"));
        }
        if !seen.insert(name) {
            return Some(format!("{what} `{name}` is listed twice"));
        }
    }
    None
}

/// What [`is_model_name`] asks for, in words.
pub(crate) const MODEL_NAME_RULE: &str =
    "1 to 64 letters, digits, `.`, `_` and `-`, the first a letter or digit";

/// Whether a name can be a model's: it is also a directory's name, so nothing that could leave the
/// repository passes.
pub(crate) fn is_model_name(name: &str) -> bool {
    name.len() <= 64
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
