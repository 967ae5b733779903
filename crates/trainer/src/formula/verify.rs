//! Checks that a graph of version 3 is the formula that its manifest says it is.

use anyhow::{Context, Result, ensure};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_policy::candidates::{CANDIDATES, CandidateEncoder, MASK, STATE, StateEncoder};
use strata_runtime::{Batch, Input, Manifest, ModelFiles, OnnxRuntime, Policy};

use super::PlacingLayer;
use crate::publish;

/// The extents of the rows that are run together.
const EXTENTS: [usize; 4] = [1, 7, 64, 3];
/// Any seed would do; a fixed one finds the same fault again.
const SEED: u64 = 3;
/// The input column that a score repeats.
const EXPECTED: &str = "expected_objective";

/// Runs rows of different extents, and compares the score of each allowed candidate with its
/// expected objective. Returns the number of candidates that were compared.
///
/// # Errors
/// With the first difference.
pub(crate) fn verify(files: ModelFiles, runtime: &OnnxRuntime) -> Result<usize> {
    let manifest = files.manifest();
    let layer = PlacingLayer::of_name(&manifest.name)
        .with_context(|| format!("`{}` is no layer that chooses candidates", manifest.name))?;
    ensure!(manifest.policy == Some(Policy::Formula), "the manifest must say `policy: formula`");
    let expected = check_features(manifest)?;
    let scores = manifest.outputs.iter().position(|output| output.name == layer.scores());
    let scores = scores.with_context(|| format!("there is no output `{}`", layer.scores()))?;
    let batch = rows(manifest);
    let width = input(manifest, CANDIDATES)?.1.features.len();
    let told = batch.inputs[input(manifest, CANDIDATES)?.0].clone();
    let allowed = batch.inputs[input(manifest, MASK)?.0].clone();
    let model = publish::start(files, runtime)?;
    let inference = model.infer_blocking(batch)?;
    let mut position = 0;
    for (row, extent) in EXTENTS.into_iter().enumerate() {
        let outputs: Vec<&[f32]> = inference.row(row).collect();
        ensure!(outputs[scores].len() == extent, "row {row} has another extent");
        for score in outputs[scores] {
            let wanted = told[position * width + expected];
            ensure!(
                allowed[position] == 0.0 || *score == wanted,
                "candidate {position} has the score {score}, its expected objective is {wanted}"
            );
            position += 1;
        }
    }
    Ok(position)
}

/// Checks that the layer can compute the features. Returns the position of the expected objective.
fn check_features(manifest: &Manifest) -> Result<usize> {
    let (_, state) = input(manifest, STATE)?;
    StateEncoder::resolve(named(state)).context("input `state`")?;
    let (_, candidates) = input(manifest, CANDIDATES)?;
    CandidateEncoder::resolve(named(candidates)).context("input `candidates`")?;
    let expected = candidates.features.iter().position(|feature| feature.name == EXPECTED);
    expected.with_context(|| format!("the candidates have no `{EXPECTED}`"))
}

fn named(input: &Input) -> impl Iterator<Item = (&str, &str)> {
    input.features.iter().map(|feature| (feature.name.as_str(), feature.unit.as_str()))
}

fn input<'m>(manifest: &'m Manifest, name: &str) -> Result<(usize, &'m Input)> {
    let found = manifest.inputs.iter().enumerate().find(|(_, input)| input.name == name);
    found.with_context(|| format!("the manifest has no input `{name}`"))
}

/// Rows of random values: objectives of any size, and about half of the candidates allowed.
fn rows(manifest: &Manifest) -> Batch {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let inputs = manifest.inputs.iter().map(|input| {
        let width: usize = input.shape.row().iter().product();
        let on_axis = input.shape.axis().is_some();
        let positions = if on_axis { EXTENTS.iter().sum() } else { EXTENTS.len() };
        let value = |_| match input.name == MASK {
            true => f32::from(u8::from(rng.random_bool(0.5))),
            false => rng.random_range(-100.0..1.0),
        };
        (0..positions * width).map(value).collect()
    });
    let inputs = inputs.collect();
    Batch { rows: EXTENTS.len(), inputs, extents: EXTENTS.to_vec(), ..Batch::default() }
}
