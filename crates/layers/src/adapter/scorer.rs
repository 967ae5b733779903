//! Models that score candidates: their inputs, in whichever order the manifest has them.

use strata_domain::{CandidateList, FunctionFacts};
use strata_policy::candidates::{
    AXIS, CANDIDATES, CandidateEncoder, MASK, STATE, StateEncoder, choose,
};
use strata_runtime::{Input, Manifest, Shape};

use super::{RowInputs, schema::ModelMismatch};

/// The encoders of a model that scores candidates, and where its inputs and scores are.
#[derive(Debug)]
pub(super) struct Scorer {
    state: (usize, StateEncoder),
    candidates: (usize, CandidateEncoder),
    mask: usize,
    scores: usize,
}

impl Scorer {
    /// For the model that `manifest` describes, whose scores are the output `scores`.
    pub(super) fn for_model(
        manifest: &Manifest,
        scores: &'static str,
    ) -> Result<Self, ModelMismatch> {
        if manifest.inputs.len() != 3 {
            let wanted = format!("`{STATE}`, `{CANDIDATES}` and `{MASK}`");
            return Err(ModelMismatch::inputs(manifest, wanted));
        }
        let (state, state_input) = input(manifest, STATE)?;
        let (candidates, candidates_input) = input(manifest, CANDIDATES)?;
        let (mask, _) = input(manifest, MASK)?;
        let on_axis = |shape: &Shape| shape.axis().is_some_and(|axis| axis == AXIS);
        for (shape, name, wanted) in
            [(&state_input.shape, STATE, false), (&candidates_input.shape, CANDIDATES, true)]
        {
            if on_axis(shape) != wanted {
                let wanted =
                    if wanted { "[batch, candidates, features]" } else { "[batch, features]" };
                let (wanted, found) = (wanted.to_owned(), shape.to_string());
                return Err(ModelMismatch::InputShape { name, wanted, found });
            }
        }
        Ok(Self {
            state: (
                state,
                StateEncoder::resolve(named(state_input))
                    .map_err(|source| ModelMismatch::Features { input: STATE, source })?,
            ),
            candidates: (
                candidates,
                CandidateEncoder::resolve(named(candidates_input))
                    .map_err(|source| ModelMismatch::Features { input: CANDIDATES, source })?,
            ),
            mask,
            scores: scores_on_axis(manifest, scores)?,
        })
    }

    /// How many numbers of each candidate the model takes.
    pub(super) fn needs(&self) -> usize {
        self.candidates.1.needs()
    }

    /// Appends the row of a function and its candidates.
    pub(super) fn encode(&self, facts: &FunctionFacts, list: &CandidateList, rows: &mut RowInputs) {
        let (state, encoder) = &self.state;
        encoder.encode(facts, &mut rows.buffers[*state]);
        let (candidates, encoder) = &self.candidates;
        let buffer = &mut rows.buffers[*candidates];
        list.candidates().for_each(|values| encoder.encode(values, buffer));
        let mask = list.allowed.iter().map(|allowed| f32::from(u8::from(*allowed)));
        rows.buffers[self.mask].extend(mask);
        rows.extents.push(list.allowed.len());
    }

    /// The scores of a row's candidates.
    pub(super) fn scores<'o>(&self, outputs: &[&'o [f32]]) -> &'o [f32] {
        outputs[self.scores]
    }

    /// The allowed candidate with the highest score.
    pub(super) fn choose(&self, outputs: &[&[f32]], allowed: &[bool]) -> Option<usize> {
        choose(self.scores(outputs), |index| allowed.get(index).copied().unwrap_or_default())
    }
}

/// The features of an input: (name, unit), in order.
fn named(input: &Input) -> impl Iterator<Item = (&str, &str)> {
    input.features.iter().map(|feature| (feature.name.as_str(), feature.unit.as_str()))
}

fn input<'m>(
    manifest: &'m Manifest,
    name: &'static str,
) -> Result<(usize, &'m Input), ModelMismatch> {
    let found = manifest.inputs.iter().enumerate().find(|(_, input)| input.name == name);
    found.ok_or_else(|| ModelMismatch::inputs(manifest, format!("`{name}`")))
}

/// The index of the output `name`, which must hold one number for each candidate.
fn scores_on_axis(manifest: &Manifest, name: &'static str) -> Result<usize, ModelMismatch> {
    let fits = |output: &strata_runtime::Output| {
        output.name == name && output.shape.axis().is_some() && output.shape.row().is_empty()
    };
    manifest.outputs.iter().position(fits).ok_or_else(|| {
        let found: Vec<_> =
            manifest.outputs.iter().map(|o| format!("{} {}", o.name, o.shape)).collect();
        ModelMismatch::Scores { name, found: found.join(", ") }
    })
}
