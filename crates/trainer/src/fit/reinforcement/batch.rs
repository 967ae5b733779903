//! Tensors over the rows of a batch.

use anyhow::Result;
use candle_core::{Device, Tensor};

use super::environment::Observation;

/// Added to the output of an action that may not be taken: far below any reward, and as a logit a
/// probability of exactly zero.
pub(super) const FORBIDDEN: f32 = -1e4;

/// States as [batch, features].
pub(super) fn states<'s>(rows: impl IntoIterator<Item = &'s [f32]>) -> Result<Tensor> {
    let rows: Vec<&[f32]> = rows.into_iter().collect();
    let width = rows.first().map_or(0, |row| row.len());
    Ok(Tensor::from_vec(rows.concat(), (rows.len(), width), &Device::Cpu)?)
}

/// [batch, actions]: zero where the observation of a row allows the action or there is none,
/// [`FORBIDDEN`] elsewhere.
pub(super) fn barred<'o>(
    rows: impl IntoIterator<Item = Option<&'o Observation>>,
    actions: usize,
) -> Result<Tensor> {
    let mut values = Vec::new();
    let mut count = 0;
    for row in rows {
        let allows = |action| row.is_none_or(|observation| observation.allows(action));
        values.extend((0..actions).map(|action| if allows(action) { 0.0 } else { FORBIDDEN }));
        count += 1;
    }
    Ok(Tensor::from_vec(values, (count, actions), &Device::Cpu)?)
}
