//! Simple forecasts of the next step, all linear in the window.

use anyhow::{Result, bail, ensure};
use candle_core::{Device, Tensor};

use crate::onnx::{GraphBuilder, Initializers, Value};

/// Candidates of each output.
pub(super) const CANDIDATES: usize = Candidate::Expected as usize + 1;

const CANDIDATE_WEIGHT: &str = "candidates.weight";
const CANDIDATE_BIAS: &str = "candidates.bias";
const SCALE_WEIGHT: &str = "scale.weight";
const SCALE_BIAS: &str = "scale.bias";

/// Share of the latest step in exponential smoothing.
const ALPHA: f32 = 0.5;
/// Steps in a minute: many functions are called once a minute.
const MINUTE: usize = 4;

/// The simple forecasts of an output, in the order of the network's gates.
#[derive(Debug, Clone, Copy)]
enum Candidate {
    /// The last step.
    Last,
    /// The mean of the window.
    Mean,
    /// Exponential smoothing over the window.
    Smoothed,
    /// The step a minute before the one to come.
    MinuteAgo,
    /// The level in steps with a call. The candidate before it is zero: it has no weights.
    Busy = 5,
    /// The mean of the last minute.
    MinuteMean,
    /// The line through the last two steps.
    Line,
    /// The expectation of the domain's formulas.
    Expected,
}

/// The columns of a step that belong to the outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// The observed value, for each output.
    pub observed: Vec<usize>,
    /// The level in steps with a call, for each output; the same at every step.
    pub busy: Vec<usize>,
    /// The domain's expectation of the next step, for each output; the same at every step.
    pub expected: Vec<usize>,
    /// The least scale of each output, in its unit.
    pub floor: Vec<f32>,
}

/// The positions of an output's columns in a flat window.
struct Inputs {
    steps: usize,
    /// The observed value at each step.
    observed: Vec<usize>,
    /// The level in steps with a call, at the last step.
    busy: usize,
    /// The domain's expectation, at the last step.
    expected: usize,
}

/// Two fixed linear maps of a flat window [batch, steps * features]: the candidates, clipped at
/// zero, [batch, outputs * [`CANDIDATES`]], and the scale of what may happen, [batch, outputs].
///
/// The scale is the last step plus the mean of the window plus the level in steps with a call plus
/// a floor.
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
        check([steps, features], columns)?;
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
            let inputs = Inputs {
                steps,
                observed: (0..steps).map(|s| s * features + columns.observed[output]).collect(),
                busy: last * features + columns.busy[output],
                expected: last * features + columns.expected[output],
            };
            candidates.weigh(output, &inputs)?;
            candidates.weigh_scale(output, &inputs);
        }
        Ok(candidates)
    }

    /// Sets the weights of the candidates of `output`.
    fn weigh(&mut self, output: usize, inputs: &Inputs) -> Result<()> {
        let Inputs { steps, observed, busy, expected } = inputs;
        let (width, last) = (self.inputs, steps - 1);
        let mut put = |candidate: Candidate, input: usize, weight: f32| {
            self.weight[(output * CANDIDATES + candidate as usize) * width + input] += weight;
        };
        put(Candidate::Last, observed[last], 1.0);
        for (step, &input) in observed.iter().enumerate() {
            put(Candidate::Mean, input, 1.0 / *steps as f32);
            let age = i32::try_from(last - step)?;
            // The first step stands for all before it.
            let share = if step == 0 { 1.0 } else { ALPHA };
            put(Candidate::Smoothed, input, share * (1.0 - ALPHA).powi(age));
        }
        put(Candidate::MinuteAgo, observed[steps - MINUTE], 1.0);
        put(Candidate::Busy, *busy, 1.0);
        for &input in &observed[steps - MINUTE..] {
            put(Candidate::MinuteMean, input, 1.0 / MINUTE as f32);
        }
        put(Candidate::Line, observed[last], 2.0);
        put(Candidate::Line, observed[last - 1], -1.0);
        put(Candidate::Expected, *expected, 1.0);
        Ok(())
    }

    /// Sets the weights of the scale of `output`.
    fn weigh_scale(&mut self, output: usize, inputs: &Inputs) {
        let Inputs { steps, observed, busy, .. } = inputs;
        let width = self.inputs;
        let mut put = |input: usize, weight: f32| {
            self.scale_weight[output * width + input] += weight;
        };
        put(observed[steps - 1], 1.0);
        put(*busy, 1.0);
        observed.iter().for_each(|&input| put(input, 1.0 / *steps as f32));
    }

    /// Whether the network that wrote an ONNX file has candidates.
    pub(super) fn are_in(onnx: &Initializers) -> bool {
        onnx.get(CANDIDATE_WEIGHT).is_ok()
    }

    /// Reads candidates back from an ONNX file that [`Self::emit`] wrote.
    pub(super) fn read(onnx: &Initializers) -> Result<Self> {
        let (shape, weight) = onnx.get(CANDIDATE_WEIGHT)?;
        let &[rows, inputs] = shape else {
            bail!("initializer {CANDIDATE_WEIGHT} is not [outputs, inputs]");
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

    /// The candidates [batch, outputs, candidates] and the scale [batch, outputs] of `flat`
    /// [batch, inputs].
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

    /// Writes [`Self::forward`] as nodes; the candidates stay flat [batch, outputs * candidates].
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

/// Checks that every output has its columns, and that they exist.
fn check([steps, features]: [usize; 2], columns: &Columns) -> Result<()> {
    let Columns { observed, busy, expected, floor } = columns;
    ensure!(steps > MINUTE, "candidates need more than {MINUTE} steps");
    let counts = [busy.len(), expected.len(), floor.len()];
    ensure!(counts == [observed.len(); 3], "every output needs three columns and a floor");
    ensure!(
        [observed, busy, expected].into_iter().flatten().all(|column| *column < features),
        "a column is beyond the {features} features"
    );
    Ok(())
}
