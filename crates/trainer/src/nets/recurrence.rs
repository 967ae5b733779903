//! The recurrence of an LSTM as one operator with its own gradient.
//!
//! Built from candle's elementary operators, an LSTM over twelve steps allocates some thousand
//! small tensors per batch and trains at a third of the speed. The arithmetic is that of PyTorch's
//! LSTM; a test compares it with candle's.

use candle_core::{
    CpuStorage, CustomOp2, DType, Device, Error, Layout, Result, Shape, Tensor, WithDType,
};

/// Steps, rows and width of a sequence of gates [steps, rows, 4 * hidden].
#[derive(Debug, Clone, Copy)]
struct Size {
    steps: usize,
    rows: usize,
    hidden: usize,
}

impl Size {
    fn of(gates: &Tensor) -> Result<Self> {
        let (steps, rows, width) = gates.dims3()?;
        Ok(Self { steps, rows, hidden: width / 4 })
    }

    /// Values of one step of hidden states.
    fn states(self) -> usize {
        self.rows * self.hidden
    }
}

/// What one step keeps for the gradient.
#[derive(Debug)]
struct Step {
    /// Activated gates [rows, 4 * hidden]: input, forget, cell, output.
    gates: Vec<f32>,
    /// tanh of the cell state [rows, hidden].
    squashed: Vec<f32>,
    /// Cell state [rows, hidden].
    cell: Vec<f32>,
}

/// The operator. It holds the results of the forward pass, which runs before the operator is
/// applied because matrix products need tensors.
struct Recurrence {
    size: Size,
    steps: Vec<Step>,
    hidden: Vec<f32>,
}

/// The hidden states [steps, rows, hidden] that follow from `inputs` [steps, rows, 4 * hidden]
/// (input weights and both biases applied; gates in the order input, forget, cell, output) and the
/// recurrent `weight` [4 * hidden, hidden], from a zero state.
pub(super) fn run(inputs: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let size = Size::of(inputs)?;
    let transposed = weight.detach().t()?;
    let sequence = inputs.detach();
    let mut operator =
        Recurrence { size, steps: Vec::with_capacity(size.steps), hidden: Vec::new() };
    operator.hidden.reserve(size.steps * size.states());
    let mut hidden: Option<Tensor> = None;
    for step in 0..size.steps {
        let mut gates = sequence.get(step)?;
        if let Some(hidden) = &hidden {
            gates = (gates + hidden.matmul(&transposed)?)?;
        }
        let gates = gates.flatten_all()?.to_vec1::<f32>()?;
        let next = operator.advance(gates);
        hidden = Some(Tensor::from_slice(&next, (size.rows, size.hidden), &Device::Cpu)?);
        operator.hidden.extend_from_slice(&next);
    }
    inputs.apply_op2(weight, operator)
}

impl Recurrence {
    /// Runs one step from its gates before activation; returns the hidden states [rows, hidden].
    fn advance(&mut self, mut gates: Vec<f32>) -> Vec<f32> {
        let Size { hidden: width, .. } = self.size;
        let states = self.size.states();
        let mut cell = self.steps.last().map_or_else(|| vec![0.0; states], |s| s.cell.clone());
        let mut squashed = vec![0.0; states];
        let mut hidden = vec![0.0; states];
        for (row, gates) in gates.chunks_exact_mut(4 * width).enumerate() {
            let (sigmoids, rest) = gates.split_at_mut(2 * width);
            let (candidate, output) = rest.split_at_mut(width);
            sigmoids.iter_mut().for_each(|x| *x = sigmoid(*x));
            candidate.iter_mut().for_each(|x| *x = tanh(*x));
            output.iter_mut().for_each(|x| *x = sigmoid(*x));
            let (input, forget) = sigmoids.split_at(width);
            let here = row * width..(row + 1) * width;
            let cell = &mut cell[here.clone()];
            for ((cell, (input, candidate)), forget) in
                cell.iter_mut().zip(input.iter().zip(candidate.iter())).zip(forget)
            {
                *cell = forget * *cell + input * candidate;
            }
            for ((squashed, hidden), (cell, output)) in squashed[here.clone()]
                .iter_mut()
                .zip(&mut hidden[here])
                .zip(cell.iter().zip(output.iter()))
            {
                *squashed = tanh(*cell);
                *hidden = output * *squashed;
            }
        }
        self.steps.push(Step { gates, squashed, cell });
        hidden
    }

    /// Turns the gradients of the hidden and cell states after `step` into those of its gates
    /// before activation. `of_cell` becomes the gradient of the cell states before the step. All
    /// are [rows, .. * hidden].
    fn retreat(&self, step: usize, of_hidden: &[f32], of_cell: &mut [f32]) -> Vec<f32> {
        let Size { hidden: width, .. } = self.size;
        let Step { gates, squashed, .. } = &self.steps[step];
        let zeros = vec![0.0; width];
        let before = step.checked_sub(1).map(|before| self.steps[before].cell.as_slice());
        let mut of_gates = vec![0.0; gates.len()];
        for (row, (of_gates, gates)) in
            of_gates.chunks_exact_mut(4 * width).zip(gates.chunks_exact(4 * width)).enumerate()
        {
            let here = row * width..(row + 1) * width;
            let before = before.map_or(zeros.as_slice(), |cell| &cell[here.clone()]);
            let (squashed, of_hidden) = (&squashed[here.clone()], &of_hidden[here.clone()]);
            let of_cell = &mut of_cell[here];
            let [input, forget, candidate, output] =
                [0, 1, 2, 3].map(|gate| &gates[gate * width..(gate + 1) * width]);
            let (of_input, rest) = of_gates.split_at_mut(width);
            let (of_forget, rest) = rest.split_at_mut(width);
            let (of_candidate, of_output) = rest.split_at_mut(width);
            for j in 0..width {
                let (i, f, g, o, t) = (input[j], forget[j], candidate[j], output[j], squashed[j]);
                let cell = of_cell[j] + of_hidden[j] * o * (1.0 - t * t);
                of_input[j] = cell * g * i * (1.0 - i);
                of_forget[j] = cell * before[j] * f * (1.0 - f);
                of_candidate[j] = cell * i * (1.0 - g * g);
                of_output[j] = of_hidden[j] * t * o * (1.0 - o);
                of_cell[j] = cell * f;
            }
        }
        of_gates
    }
}

impl CustomOp2 for Recurrence {
    fn name(&self) -> &'static str {
        "lstm-recurrence"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Size { steps, rows, hidden } = self.size;
        Ok((f32::to_cpu_storage(&self.hidden), Shape::from((steps, rows, hidden))))
    }

    fn bwd(
        &self,
        inputs: &Tensor,
        weight: &Tensor,
        states: &Tensor,
        of_states: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Size { steps, rows, hidden } = self.size;
        if inputs.dtype() != DType::F32 {
            return Err(Error::UnsupportedDTypeForOp(inputs.dtype(), self.name()));
        }
        let mut of_inputs = vec![0.0; steps * rows * 4 * hidden];
        let mut of_cell = vec![0.0; self.size.states()];
        let mut from_later: Option<Tensor> = None;
        for step in (0..steps).rev() {
            let mut of_hidden = of_states.get(step)?;
            if let Some(from_later) = &from_later {
                of_hidden = (of_hidden + from_later)?;
            }
            let of_hidden = of_hidden.flatten_all()?.to_vec1::<f32>()?;
            let of_gates = self.retreat(step, &of_hidden, &mut of_cell);
            let start = step * of_gates.len();
            of_inputs[start..start + of_gates.len()].copy_from_slice(&of_gates);
            if step > 0 {
                let of_gates = Tensor::from_vec(of_gates, (rows, 4 * hidden), &Device::Cpu)?;
                from_later = Some(of_gates.matmul(weight)?);
            }
        }
        let of_inputs = Tensor::from_vec(of_inputs, inputs.shape(), &Device::Cpu)?;
        // Every step but the first takes the states of the previous one.
        let later = of_inputs.narrow(0, 1, steps - 1)?.flatten(0, 1)?;
        let earlier = states.narrow(0, 0, steps - 1)?.flatten(0, 1)?;
        let of_weight = later.t()?.matmul(&earlier)?;
        Ok((Some(of_inputs), Some(of_weight)))
    }
}

fn sigmoid(x: f32) -> f32 {
    0.5 * tanh(0.5 * x) + 0.5
}

/// tanh to a few units in the last place, as the quotient of two polynomials on [-7.9, 7.9]; beyond
/// that range tanh is 1 in f32.
///
/// The coefficients are those of Eigen (`generic_fast_tanh_float`, MPL 2.0), which ONNX Runtime
/// uses too. The function has no branches, so that the compiler vectorises it.
fn tanh(x: f32) -> f32 {
    const ODD: [f32; 7] = [
        -2.760_768_4e-16,
        2.000_188e-13,
        -8.604_672e-11,
        5.122_297_1e-8,
        1.485_722_3e-5,
        6.372_619_3e-4,
        4.893_524_6e-3,
    ];
    const EVEN: [f32; 4] = [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3];
    let x = x.clamp(-7.905_311, 7.905_311);
    let square = x * x;
    let polynomial = |coefficients: &[f32]| {
        coefficients.iter().fold(0.0, |value, coefficient| value * square + coefficient)
    };
    x * polynomial(&ODD) / polynomial(&EVEN)
}
