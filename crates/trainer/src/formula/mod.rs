//! Version 3 of the placing layers as the formulas of the domain alone: a candidate's score is its
//! expected objective. It serves any catalogue. Weights are published in its place once training
//! finds some that do better; until then its manifest says `policy: formula`.

mod graph;
mod verify;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use anyhow::Result;
use clap::ValueEnum;
use strata_policy::candidates::{
    AXIS, CANDIDATES, CandidateEncoder, LOGITS, MASK, Q_VALUES, STATE, STATE_FEATURES,
    StateEncoder, VALUE,
};
use strata_runtime::{
    Axis, DType, Feature, GraphFile, Input, Manifest, ModelFiles, OnnxRuntime, Output, Policy,
    Shape, sha256_hex,
};

pub(crate) use self::verify::verify;
use crate::{onnx, publish};

/// The version that is published.
pub const VERSION: u32 = 3;
/// All that the formula takes of a candidate.
const TAKEN: [&str; 1] = ["expected_objective"];
/// The most candidates of a row: as many as a catalogue may have.
const MOST_CANDIDATES: usize = strata_domain::MAX_CANDIDATES;

/// A layer that chooses among candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlacingLayer {
    /// Chooses the platform.
    Strategic,
    /// Chooses region and memory on a platform.
    Tactical,
}

impl PlacingLayer {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Strategic, Self::Tactical];

    /// Its name, and that of its model.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strategic => "strategic",
            Self::Tactical => "tactical",
        }
    }

    /// The layer of that name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layer| layer.name() == name)
    }

    /// The name of the output with the scores of the candidates.
    const fn scores(self) -> &'static str {
        match self {
            Self::Strategic => Q_VALUES,
            Self::Tactical => LOGITS,
        }
    }

    /// The name of the output with the value of the state, if the layer has one.
    const fn value(self) -> Option<&'static str> {
        match self {
            Self::Strategic => None,
            Self::Tactical => Some(VALUE),
        }
    }
}

impl fmt::Display for PlacingLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Publishes version 3 of a layer into `models`, after ONNX Runtime has run it. Returns its
/// directory.
///
/// # Errors
/// When ONNX Runtime refuses the graph or disagrees with the formula, or a file cannot be written.
pub fn publish(models: &Path, layer: PlacingLayer, runtime: &OnnxRuntime) -> Result<PathBuf> {
    let graph = graph::write(layer)?;
    let manifest = manifest(layer, &graph)?;
    verify(ModelFiles::new(manifest.clone(), graph.clone())?, runtime)?;
    publish::place(models, &manifest, (&graph, None))
}

fn manifest(layer: PlacingLayer, graph: &[u8]) -> Result<Manifest> {
    let state = StateEncoder::of_names(&STATE_FEATURES)?;
    let candidate = CandidateEncoder::of_names(&TAKEN)?;
    let named = |features: &mut dyn Iterator<Item = (&'static str, &'static str, f64, f64)>| {
        let feature = |(name, unit, ..): (&str, &str, f64, f64)| Feature {
            name: name.to_owned(),
            unit: unit.to_owned(),
        };
        features.map(feature).collect::<Vec<_>>()
    };
    let input = |name: &str, shape: Shape, features: Vec<Feature>| Input {
        name: name.to_owned(),
        shape,
        dtype: DType::F32,
        features,
    };
    let allowed = Feature { name: "allowed".to_owned(), unit: "1".to_owned() };
    let output = |name: &str, shape: Shape, label: &str| Output {
        name: name.to_owned(),
        shape,
        labels: vec![label.to_owned()],
    };
    let mut outputs = vec![output(layer.scores(), Shape::on_axis(AXIS, []), "score")];
    outputs.extend(layer.value().map(|name| output(name, Shape::new([1]), "value")));
    let manifest = Manifest {
        name: layer.name().to_owned(),
        version: VERSION,
        graph: GraphFile {
            file: publish::GRAPH_FILE.to_owned(),
            sha256: sha256_hex(graph),
            opset: onnx::OPSET,
        },
        axis: Some(Axis { name: AXIS.to_owned(), max: MOST_CANDIDATES, mask: MASK.to_owned() }),
        inputs: vec![
            input(STATE, Shape::new([STATE_FEATURES.len()]), named(&mut state.features())),
            input(
                CANDIDATES,
                Shape::on_axis(AXIS, [TAKEN.len()]),
                named(&mut candidate.features()),
            ),
            input(MASK, Shape::on_axis(AXIS, []), vec![allowed]),
        ],
        outputs,
        policy: Some(Policy::Formula),
        data: None,
        training: BTreeMap::new(),
        metrics: BTreeMap::new(),
        int8: None,
    };
    manifest.check()?;
    Ok(manifest)
}
