//! Lets a network start from what the domain's formulas expect of each action.

use anyhow::{Result, ensure};
use candle_core::Tensor;

use super::parameters::Parameters;
use crate::onnx::{GraphBuilder, Initializers, Value};

const GAIN: &str = "advice.gain";
/// Factor on the initial weights of a network's last layer, so that the advice dominates the first
/// outputs.
const DAMPING: f64 = 0.01;

/// Advice is a number for each action, in raw units, in the last columns of the input
/// [batch, features]. The network's output is what it has learnt plus a trainable multiple of the
/// advice. A network may have none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Advice(Option<Position>);

/// The columns that hold the advice: the last `actions` of `features`.
#[derive(Debug, Clone, Copy)]
struct Position {
    features: usize,
    actions: usize,
}

impl Position {
    fn new([features, actions]: [usize; 2]) -> Result<Self> {
        ensure!(
            features > actions,
            "{features} features cannot end with advice on {actions} actions"
        );
        Ok(Self { features, actions })
    }
}

impl Advice {
    /// No advice: outputs are what the network has learnt.
    pub(super) const NONE: Self = Self(None);

    /// Adds the gain to `parameters` and damps the layer called `last`. `sizes` are the numbers of
    /// features and of actions.
    pub(super) fn init(
        sizes: [usize; 2],
        gain: f32,
        parameters: &mut Parameters,
        last: &str,
    ) -> Result<Self> {
        let position = Position::new(sizes)?;
        parameters.insert(GAIN, &[1], vec![gain])?;
        parameters.scale(&format!("{last}.weight"), DAMPING)?;
        parameters.scale(&format!("{last}.bias"), DAMPING)?;
        Ok(Self(Some(position)))
    }

    /// Reads the advice back from an ONNX file that [`Self::emit`] wrote. `sizes` are the numbers
    /// of features and of actions.
    pub(super) fn read(
        sizes: [usize; 2],
        parameters: &mut Parameters,
        onnx: &Initializers,
    ) -> Result<Self> {
        if onnx.get(GAIN).is_err() {
            return Ok(Self::NONE);
        }
        parameters.insert(GAIN, &[1], onnx.shaped(GAIN, &[1])?)?;
        Ok(Self(Some(Position::new(sizes)?)))
    }

    /// `learnt` [batch, actions] plus the gain times the advice in `state` [batch, features].
    pub(super) fn add(
        self,
        parameters: &Parameters,
        state: &Tensor,
        learnt: Tensor,
    ) -> Result<Tensor> {
        let Some(Position { features, actions }) = self.0 else { return Ok(learnt) };
        let advice = state.narrow(1, features - actions, actions)?;
        Ok((&learnt + advice.broadcast_mul(parameters.get(GAIN)?)?)?)
    }

    /// Writes [`Self::add`] as nodes.
    pub(super) fn emit(
        self,
        parameters: &Parameters,
        graph: &mut GraphBuilder,
        [state, learnt]: [&Value; 2],
    ) -> Result<Value> {
        let Some(Position { features, actions }) = self.0 else { return Ok(learnt.clone()) };
        let gain = graph.constant(GAIN, &[1], &parameters.values(GAIN)?)?;
        let [_, advice] = graph.split_columns("advice", state, [features - actions, actions]);
        let scaled = graph.binary("Mul", "advice.scaled", [&advice, &gain]);
        Ok(graph.binary("Add", "advised", [learnt, &scaled]))
    }
}
