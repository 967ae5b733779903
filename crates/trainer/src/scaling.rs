//! From raw units to what a network learns on, and back. It is part of the ONNX graph: services feed and read raw units.

use anyhow::{Result, ensure};
use candle_core::{Device, Tensor};
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::onnx::{GraphBuilder, Initializers, Value};

/// How many standard deviations from the mean an input may lie before it is clipped.
const CLIP_DEVIATIONS: f32 = 5.0;
/// By what part of their width [`Scaling::sample`] goes beyond the bounds on either side.
const SAMPLE_BEYOND: f32 = 0.05;
/// A column that never varies is divided by this instead of by its deviation.
const LEAST_DEVIATION: f64 = 1e-6;

/// The shape of a column's distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transform {
    /// Used as it is.
    Linear,
    /// ln(1 + max(x, 0)): for rates, durations and amounts of money, whose tails span decades.
    Log1p,
}

/// Scaling of one input column: `clip((transform(x) - shift) / scale, lower, upper)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Column {
    /// Applied first.
    pub transform: Transform,
    /// Subtracted after the transform.
    pub shift: f32,
    /// Divided by; not zero.
    pub scale: f32,
    /// The least value after scaling.
    pub lower: f32,
    /// The greatest value after scaling.
    pub upper: f32,
}

impl Column {
    /// A raw value spread evenly over the range this column tells apart, and a little beyond its bounds.
    fn sample(&self, rng: &mut Xoshiro256PlusPlus) -> f32 {
        let beyond = (self.upper - self.lower) * SAMPLE_BEYOND;
        let scaled = rng.random_range(self.lower - beyond..self.upper + beyond);
        let value = scaled * self.scale + self.shift;
        match self.transform {
            Transform::Linear => value,
            Transform::Log1p => value.exp_m1(),
        }
    }

    /// `[from, to]` in raw units becomes [0, 1] after the transform; anything outside is clipped.
    pub fn between(transform: Transform, from: f32, to: f32) -> Self {
        let at = |x: f32| match transform {
            Transform::Linear => x,
            Transform::Log1p => x.max(0.0).ln_1p(),
        };
        Self { transform, shift: at(from), scale: at(to) - at(from), lower: 0.0, upper: 1.0 }
    }
}

/// Fixed scaling of every input column. The last axis of the input is the columns.
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
            ensure!(
                c.scale != 0.0
                    && [c.shift, c.scale, c.lower, c.upper].iter().all(|v| v.is_finite()),
                "input column {index} cannot be scaled by {c:?}"
            );
        }
        Ok(Self { columns })
    }

    /// Mean and standard deviation of each column over `rows` (the training split, raw units), clipped at five
    /// deviations.
    ///
    /// # Errors
    /// When there are no rows, or a row has another width than `transforms`.
    pub fn fit<R: AsRef<[f32]>>(transforms: &[Transform], rows: &[R]) -> Result<Self> {
        ensure!(!rows.is_empty(), "scaling needs at least one row");
        ensure!(
            rows.iter().all(|row| row.as_ref().len() == transforms.len()),
            "every row must have {} columns",
            transforms.len()
        );
        let count = rows.len() as f64;
        let columns = transforms.iter().enumerate().map(|(index, &transform)| {
            let at = |row: &R| {
                let x = f64::from(row.as_ref()[index]);
                match transform {
                    Transform::Linear => x,
                    Transform::Log1p => x.max(0.0).ln_1p(),
                }
            };
            let mean = rows.iter().map(&at).sum::<f64>() / count;
            let variance = rows.iter().map(|row| (at(row) - mean).powi(2)).sum::<f64>() / count;
            Column {
                transform,
                shift: mean as f32,
                scale: variance.sqrt().max(LEAST_DEVIATION) as f32,
                lower: -CLIP_DEVIATIONS,
                upper: CLIP_DEVIATIONS,
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

    /// A row of raw values as a service might feed them: spread over all that the columns tell apart, some clipped.
    pub fn sample(&self, rng: &mut Xoshiro256PlusPlus) -> Vec<f32> {
        self.columns.iter().map(|column| column.sample(rng)).collect()
    }

    /// Scales `x` [.., columns] in raw units.
    ///
    /// # Errors
    /// When the last axis has another size.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let row = |values: Vec<f32>| Tensor::from_vec(values, self.width(), &Device::Cpu);
        let linear = x.broadcast_mul(&row(self.linear_mask())?)?;
        let logarithm = (x.broadcast_mul(&row(self.log_mask())?)?.relu()? + 1.0)?.log()?;
        Ok((linear + logarithm)?
            .broadcast_sub(&row(self.column(|c| c.shift))?)?
            .broadcast_div(&row(self.column(|c| c.scale))?)?
            .broadcast_maximum(&row(self.column(|c| c.lower))?)?
            .broadcast_minimum(&row(self.column(|c| c.upper))?)?)
    }

    /// The same as nodes of a graph.
    ///
    /// # Errors
    /// Never for a scaling made by [`Self::new`].
    pub fn emit(&self, graph: &mut GraphBuilder, x: &Value) -> Result<Value> {
        let width = [self.width()];
        let mut constant = |name: &str, values: Vec<f32>| {
            graph.constant(&format!("scaling.{name}"), &width, &values)
        };
        let linear_mask = constant("linear", self.linear_mask())?;
        let log_mask = constant("log1p", self.log_mask())?;
        let one = constant("one", vec![1.0; self.width()])?;
        let shift = constant("shift", self.column(|c| c.shift))?;
        let scale = constant("scale", self.column(|c| c.scale))?;
        let lower = constant("lower", self.column(|c| c.lower))?;
        let upper = constant("upper", self.column(|c| c.upper))?;

        let linear = graph.binary("Mul", "scaling.select_linear", [x, &linear_mask]);
        let tailed = graph.binary("Mul", "scaling.select_log1p", [x, &log_mask]);
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
        let [logs, shift, scale, lower, upper] = ["log1p", "shift", "scale", "lower", "upper"]
            .map(|n| onnx.values(&format!("scaling.{n}")));
        let (logs, shift, scale, lower, upper) = (logs?, shift?, scale?, lower?, upper?);
        ensure!(
            [&shift, &scale, &lower, &upper].iter().all(|v| v.len() == logs.len()),
            "the constants of the scaling differ in length"
        );
        let columns = (0..logs.len()).map(|i| Column {
            transform: if logs[i] == 0.0 { Transform::Linear } else { Transform::Log1p },
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

    fn log_mask(&self) -> Vec<f32> {
        self.column(|c| f32::from(u8::from(c.transform == Transform::Log1p)))
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
        let scaling = Scaling::fit(&[Transform::Linear, Transform::Log1p], &rows).unwrap();
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
            Column::between(Transform::Log1p, 0.0, 99.0),
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
    fn a_scale_of_zero_is_refused() {
        assert!(Scaling::new(vec![Column::between(Transform::Linear, 2.0, 2.0)]).is_err());
    }
}
