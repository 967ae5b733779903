//! Converts raw units to what a network learns on. The scaling is part of the ONNX graph: services
//! feed and read raw units.

mod column;
mod spread;

use anyhow::{Result, ensure};
use candle_core::{Device, Tensor};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::onnx::{GraphBuilder, Initializers, Value};

pub use column::{Column, Transform};
pub use spread::{Spread, spread_of};

/// Fixed scaling of every input column. The last axis of an input is its columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    columns: Vec<Column>,
}

impl Scaling {
    /// Scaling by the given columns.
    ///
    /// # Errors
    /// When there are none, or one has a scale of zero or a bound that is not finite.
    pub fn new(columns: Vec<Column>) -> Result<Self> {
        ensure!(!columns.is_empty(), "a network needs at least one input column");
        for (index, c) in columns.iter().enumerate() {
            ensure!(c.is_sound(), "input column {index} cannot be scaled by {c:?}");
        }
        Ok(Self { columns })
    }

    /// Scales each column to zero mean and unit deviation over `rows` (the training split, raw
    /// units) and clips it to the range seen there, so that a network never extrapolates. A column
    /// that never varied is ignored.
    ///
    /// # Errors
    /// When there are no rows, or a row has another width than `spreads`.
    pub fn fit<R: AsRef<[f32]>>(spreads: &[Spread], rows: &[R]) -> Result<Self> {
        ensure!(!rows.is_empty(), "scaling needs at least one row");
        ensure!(
            rows.iter().all(|row| row.as_ref().len() == spreads.len()),
            "every row must have {} columns",
            spreads.len()
        );
        let columns = spreads.iter().enumerate().map(|(index, spread)| {
            let values: Vec<f32> = rows.iter().map(|row| row.as_ref()[index]).collect();
            match spread {
                Spread::Even => Column::standardising(Transform::Linear, &values),
                Spread::Decades => Column::standardising(Transform::logarithm_of(&values), &values),
                Spread::Ignored => Column::IGNORED,
            }
        });
        Self::new(columns.collect())
    }

    /// The number of input columns.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The columns in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// A row of raw values as a service might feed them: over the range of each column and a little
    /// beyond it.
    pub fn sample(&self, rng: &mut Xoshiro256PlusPlus) -> Vec<f32> {
        self.columns.iter().map(|column| column.sample(rng)).collect()
    }

    /// Scales `x` [.., columns] in raw units; returns the same shape.
    ///
    /// # Errors
    /// When the last axis has another size.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let row = |values: Vec<f32>| Tensor::from_vec(values, self.width(), &Device::Cpu);
        let linear = x.broadcast_mul(&row(self.linear_mask())?)?;
        let logarithm = (x.broadcast_mul(&row(self.gains())?)?.relu()? + 1.0)?.log()?;
        Ok((linear + logarithm)?
            .broadcast_sub(&row(self.column(|c| c.shift))?)?
            .broadcast_div(&row(self.column(|c| c.scale))?)?
            .broadcast_maximum(&row(self.column(|c| c.lower))?)?
            .broadcast_minimum(&row(self.column(|c| c.upper))?)?)
    }

    /// Writes [`Self::forward`] as nodes of a graph.
    ///
    /// # Errors
    /// Never for a scaling made by [`Self::new`].
    pub fn emit(&self, graph: &mut GraphBuilder, x: &Value) -> Result<Value> {
        let width = [self.width()];
        let mut constant = |name: &str, values: Vec<f32>| {
            graph.constant(&format!("scaling.{name}"), &width, &values)
        };
        let linear_mask = constant("linear", self.linear_mask())?;
        let gain = constant("gain", self.gains())?;
        let one = constant("one", vec![1.0; self.width()])?;
        let shift = constant("shift", self.column(|c| c.shift))?;
        let scale = constant("scale", self.column(|c| c.scale))?;
        let lower = constant("lower", self.column(|c| c.lower))?;
        let upper = constant("upper", self.column(|c| c.upper))?;

        let linear = graph.binary("Mul", "scaling.select_linear", [x, &linear_mask]);
        let tailed = graph.binary("Mul", "scaling.amplify", [x, &gain]);
        let positive = graph.unary("Relu", "scaling.positive", &tailed);
        let plus_one = graph.binary("Add", "scaling.plus_one", [&positive, &one]);
        let logarithm = graph.unary("Log", "scaling.logarithm", &plus_one);
        let joined = graph.binary("Add", "scaling.join", [&linear, &logarithm]);
        let centred = graph.binary("Sub", "scaling.centre", [&joined, &shift]);
        let scaled = graph.binary("Div", "scaling.divide", [&centred, &scale]);
        let floored = graph.binary("Max", "scaling.floor", [&scaled, &lower]);
        Ok(graph.binary("Min", "scaling.ceil", [&floored, &upper]))
    }

    /// Reads a scaling back from an ONNX file that [`Self::emit`] wrote.
    ///
    /// # Errors
    /// When one of its constants is missing or they differ in length.
    pub fn read(onnx: &Initializers) -> Result<Self> {
        let [gain, shift, scale, lower, upper] = ["gain", "shift", "scale", "lower", "upper"]
            .map(|n| onnx.values(&format!("scaling.{n}")));
        let (gain, shift, scale, lower, upper) = (gain?, shift?, scale?, lower?, upper?);
        ensure!(
            [&shift, &scale, &lower, &upper].iter().all(|v| v.len() == gain.len()),
            "the constants of the scaling differ in length"
        );
        let columns = (0..gain.len()).map(|i| Column {
            transform: if gain[i] == 0.0 {
                Transform::Linear
            } else {
                Transform::Log1p { gain: gain[i] }
            },
            shift: shift[i],
            scale: scale[i],
            lower: lower[i],
            upper: upper[i],
        });
        Self::new(columns.collect())
    }

    fn column(&self, part: impl Fn(&Column) -> f32) -> Vec<f32> {
        self.columns.iter().map(part).collect()
    }

    /// The gain of logarithmic columns, and 0 for linear ones: their ln(1 + 0) adds nothing.
    fn gains(&self) -> Vec<f32> {
        self.column(|c| match c.transform {
            Transform::Linear => 0.0,
            Transform::Log1p { gain } => gain,
        })
    }

    fn linear_mask(&self) -> Vec<f32> {
        self.column(|c| f32::from(u8::from(c.transform == Transform::Linear)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn fitted_columns_have_zero_mean_and_unit_deviation() {
        let rows = [[1.0f32, 0.0], [3.0, 10.0], [5.0, 1_000.0]];
        let scaling = Scaling::fit(&[Spread::Even, Spread::Decades], &rows).unwrap();
        let x = Tensor::new(&rows, &Device::Cpu).unwrap();
        let y = scaling.forward(&x).unwrap().to_vec2::<f32>().unwrap();
        for column in 0..2 {
            let values: Vec<f32> = y.iter().map(|row| row[column]).collect();
            let mean = values.iter().sum::<f32>() / 3.0;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 3.0;
            assert!(
                mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4,
                "column {column}: {values:?}"
            );
        }
    }

    #[test]
    fn inputs_outside_the_bounds_are_clipped() {
        let columns = vec![
            Column::between(Transform::Log1p { gain: 1.0 }, 0.0, 99.0),
            Column::between(Transform::Linear, -1.0, 1.0),
        ];
        let scaling = Scaling::new(columns).unwrap();
        let x = Tensor::new(&[[-5.0f32, -2.0], [1e9, 3.0], [9.0, 0.0]], &Device::Cpu).unwrap();
        let y = scaling.forward(&x).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(y[0], [0.0, 0.0]);
        assert_eq!(y[1], [1.0, 1.0]);
        assert!((y[2][0] - 0.5).abs() < 1e-6 && y[2][1] == 0.5, "{:?}", y[2]);
    }

    #[test]
    fn what_was_never_seen_is_clipped_and_what_never_varied_is_ignored() {
        let scaling = Scaling::fit(&[Spread::Even; 2], &[[1.0f32, 4.0], [3.0, 4.0]]).unwrap();
        let x = Tensor::new(&[[100.0f32, 0.0], [2.0, 9.0]], &Device::Cpu).unwrap();
        let y = scaling.forward(&x).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(y, [[1.0, 0.0], [0.0, 0.0]]);
    }

    #[test]
    fn a_scale_of_zero_is_refused() {
        assert!(Scaling::new(vec![Column::between(Transform::Linear, 2.0, 2.0)]).is_err());
    }
}
