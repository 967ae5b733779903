//! Simple forecasts of the next step, all linear in the window.

use anyhow::{Result, ensure};
use candle_core::{Device, Tensor};

use crate::onnx::{GraphBuilder, Initializers, Value};

/// How many there are for each output.
pub(super) const CANDIDATES: usize = 9;

const CANDIDATE_WEIGHT: &str = "candidates.weight";
const CANDIDATE_BIAS: &str = "candidates.bias";
const SCALE_WEIGHT: &str = "scale.weight";
const SCALE_BIAS: &str = "scale.bias";

/// Share of the latest step in exponential smoothing.
const ALPHA: f32 = 0.5;
/// Steps in a minute: many functions are called every so many.
const MINUTE: usize = 4;

/// Where the outputs stand among the columns of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// The observed value, for each output.
    pub observed: Vec<usize>,
    /// The level in steps with a call, for each output; the same at every step.
    pub busy: Vec<usize>,
    /// What the domain's formulas expect of the next step, for each output; the same at every step.
    pub expected: Vec<usize>,
    /// What an output is at least taken to vary by, in its unit.
    pub floor: Vec<f32>,
}

/// Two linear maps of a flat window [batch, steps * features]: the candidates, not below zero, [batch, outputs * [`CANDIDATES`]], and
/// the scale of what may happen, [batch, outputs].
///
/// For each output: the last step; the mean of the window; exponential smoothing over it; the step a minute before the one to
/// come; zero; the level in steps with a call; the mean of the last minute; the line through the last two steps; what the domain's
/// formulas expect. The scale is the last step plus the mean plus the level in steps with a call plus a floor.
#[derive(Debug, Clone)]
pub(super) struct Candidates {
    inputs: usize,
    outputs: usize,
    weight: Vec<f32>,
    scale_weight: Vec<f32>,
    scale_bias: Vec<f32>,
}

impl Candidates {
    pub(super) fn new([steps, features]: [usize; 2], columns: &Columns) -> Result<Self> {
        let outputs = columns.observed.len();
        ensure!(steps > MINUTE, "candidates need more than {MINUTE} steps");
        ensure!(
            [columns.busy.len(), columns.expected.len(), columns.floor.len()] == [outputs; 3],
            "every output needs three columns and a floor"
        );
        ensure!(
            [&columns.observed, &columns.busy, &columns.expected]
                .into_iter()
                .flatten()
                .all(|column| *column < features),
            "a column is beyond the {features} features"
        );
        let inputs = steps * features;
        let mut candidates = Self {
            inputs,
            outputs,
            weight: vec![0.0; outputs * CANDIDATES * inputs],
            scale_weight: vec![0.0; outputs * inputs],
            scale_bias: columns.floor.clone(),
        };
        let last = steps - 1;
        for output in 0..outputs {
            let at = |step: usize| step * features + columns.observed[output];
            let busy = last * features + columns.busy[output];
            let mut put = |candidate: usize, input: usize, weight: f32| {
                candidates.weight[(output * CANDIDATES + candidate) * inputs + input] += weight;
            };
            put(0, at(last), 1.0);
            for step in 0..steps {
                put(1, at(step), 1.0 / steps as f32);
                let age = i32::try_from(last - step)?;
                // The first step stands for all before it.
                let share = if step == 0 { 1.0 } else { ALPHA };
                put(2, at(step), share * (1.0 - ALPHA).powi(age));
            }
            put(3, at(steps - MINUTE), 1.0);
            put(5, busy, 1.0);
            for step in steps - MINUTE..steps {
                put(6, at(step), 1.0 / MINUTE as f32);
            }
            put(7, at(last), 2.0);
            put(7, at(last - 1), -1.0);
            put(8, last * features + columns.expected[output], 1.0);
            let mut put = |input: usize, weight: f32| {
                candidates.scale_weight[output * inputs + input] += weight;
            };
            put(at(last), 1.0);
            put(busy, 1.0);
            (0..steps).for_each(|step| put(at(step), 1.0 / steps as f32));
        }
        Ok(candidates)
    }

    /// Whether the network that wrote an ONNX file has some.
    pub(super) fn are_in(onnx: &Initializers) -> bool {
        onnx.get(CANDIDATE_WEIGHT).is_ok()
    }

    /// Reads them back from an ONNX file that [`Self::emit`] wrote.
    pub(super) fn read(onnx: &Initializers) -> Result<Self> {
        let (shape, weight) = onnx.get(CANDIDATE_WEIGHT)?;
        let &[rows, inputs] = shape else {
            anyhow::bail!("initializer {CANDIDATE_WEIGHT} is not [outputs, inputs]");
        };
        let outputs = rows / CANDIDATES;
        Ok(Self {
            inputs,
            outputs,
            weight: weight.to_vec(),
            scale_weight: onnx.shaped(SCALE_WEIGHT, &[outputs, inputs])?,
            scale_bias: onnx.shaped(SCALE_BIAS, &[outputs])?,
        })
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The candidates [batch, outputs, candidates] and the scale [batch, outputs] of `flat` [batch, inputs].
    pub(super) fn forward(&self, flat: &Tensor) -> Result<[Tensor; 2]> {
        let constant =
            |values: &[f32], shape: (usize, usize)| Tensor::from_slice(values, shape, &Device::Cpu);
        let weight = constant(&self.weight, (self.outputs * CANDIDATES, self.inputs))?;
        let scale = constant(&self.scale_weight, (self.outputs, self.inputs))?;
        let floor = Tensor::from_slice(&self.scale_bias, self.outputs, &Device::Cpu)?;
        let candidates = flat.matmul(&weight.t()?)?.relu()?;
        let candidates = candidates.reshape(((), self.outputs, CANDIDATES))?;
        Ok([candidates, flat.matmul(&scale.t()?)?.broadcast_add(&floor)?])
    }

    /// The same as nodes; the candidates are still flat.
    pub(super) fn emit(&self, graph: &mut GraphBuilder, flat: &Value) -> Result<[Value; 2]> {
        let rows = self.outputs * CANDIDATES;
        let weight = graph.constant(CANDIDATE_WEIGHT, &[rows, self.inputs], &self.weight)?;
        let bias = graph.constant(CANDIDATE_BIAS, &[rows], &vec![0.0; rows])?;
        let linear = graph.linear("candidates", [flat, &weight, &bias]);
        let shape = [self.outputs, self.inputs];
        let weight = graph.constant(SCALE_WEIGHT, &shape, &self.scale_weight)?;
        let bias = graph.constant(SCALE_BIAS, &[self.outputs], &self.scale_bias)?;
        let scale = graph.linear("scale", [flat, &weight, &bias]);
        Ok([graph.unary("Relu", "candidates.floor", &linear), scale])
    }
}
