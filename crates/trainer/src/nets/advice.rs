//! What the formulas of the domain expect of each action, as the ground a network builds on.

use anyhow::{Result, ensure};
use candle_core::Tensor;

use super::parameters::Parameters;
use crate::onnx::{GraphBuilder, Initializers, Value};

const GAIN: &str = "advice.gain";
/// Factor on the fresh weights of a network's last layer, so that at first the advice decides.
const DAMPED: f64 = 0.01;

/// The last `actions` columns of an input [batch, features] are advice: a number for each action, in raw units. The network's output is what it
/// has learnt plus a trainable multiple of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Advice {
    features: usize,
    actions: usize,
}

impl Advice {
    /// Adds the gain to `parameters` and damps the layer called `last`.
    pub(super) fn init(
        [features, actions]: [usize; 2],
        gain: f32,
        parameters: &mut Parameters,
        last: &str,
    ) -> Result<Self> {
        let advice = Self::sized([features, actions])?;
        parameters.insert(GAIN, &[1], vec![gain])?;
        parameters.scale(&format!("{last}.weight"), DAMPED)?;
        parameters.scale(&format!("{last}.bias"), DAMPED)?;
        Ok(advice)
    }

    /// Reads it back; `None` when the network that wrote the file has none.
    pub(super) fn read(
        [features, actions]: [usize; 2],
        parameters: &mut Parameters,
        onnx: &Initializers,
    ) -> Result<Option<Self>> {
        if onnx.get(GAIN).is_err() {
            return Ok(None);
        }
        parameters.insert(GAIN, &[1], onnx.shaped(GAIN, &[1])?)?;
        Self::sized([features, actions]).map(Some)
    }

    fn sized([features, actions]: [usize; 2]) -> Result<Self> {
        ensure!(
            features > actions,
            "{features} features cannot end with advice on {actions} actions"
        );
        Ok(Self { features, actions })
    }

    /// `learnt` [batch, actions] plus the gain times the advice in `state` [batch, features].
    pub(super) fn add(
        self,
        parameters: &Parameters,
        state: &Tensor,
        learnt: &Tensor,
    ) -> Result<Tensor> {
        let advice = state.narrow(1, self.features - self.actions, self.actions)?;
        Ok((learnt + advice.broadcast_mul(parameters.get(GAIN)?)?)?)
    }

    /// The same as nodes.
    pub(super) fn emit(
        self,
        parameters: &Parameters,
        graph: &mut GraphBuilder,
        [state, learnt]: [&Value; 2],
    ) -> Result<Value> {
        let gain = graph.constant(GAIN, &[1], &parameters.values(GAIN)?)?;
        let sizes = [self.features - self.actions, self.actions];
        let [_, advice] = graph.split_columns("advice", state, sizes);
        let scaled = graph.binary("Mul", "advice.scaled", [&advice, &gain]);
        Ok(graph.binary("Add", "advised", [learnt, &scaled]))
    }
}
