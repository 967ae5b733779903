//! From raw units to what a network learns on, and back. It is part of the ONNX graph: services
//! feed and read raw units.

use anyhow::{Result, ensure};
use candle_core::{Device, Tensor};
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::onnx::{GraphBuilder, Initializers, Value};

/// By what part of their width [`Scaling::sample`] goes beyond the bounds on either side.
const SAMPLE_BEYOND: f32 = 0.05;

/// The shape of a column's distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transform {
    /// Used as it is.
    Linear,
    /// ln(1 + max(gain * x, 0)): for rates, durations and amounts of money, which span decades.
    Log1p {
        /// One over the value from which on the scale is logarithmic; above zero.
        gain: f32,
    },
}

/// How the values of a column lie, which decides how it is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Evenly: flags, shares, indices.
    Even,
    /// Over decades: its logarithm is fitted.
    Decades,
    /// The training split does not tell: the column is not used.
    Ignored,
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

impl Transform {
    fn apply(self, x: f64) -> f64 {
        match self {
            Self::Linear => x,
            Self::Log1p { gain } => (f64::from(gain) * x).max(0.0).ln_1p(),
        }
    }
}

impl Column {
    fn is_sound(&self) -> bool {
        let gain = match self.transform {
            Transform::Linear => 1.0,
            Transform::Log1p { gain } => gain,
        };
        let all = [self.shift, self.scale, self.lower, self.upper, gain];
        self.scale != 0.0 && gain > 0.0 && all.iter().all(|v| v.is_finite())
    }

    /// Whatever comes in, 0 goes out.
    const IGNORED: Self =
        Self { transform: Transform::Linear, shift: 0.0, scale: 1.0, lower: 0.0, upper: 0.0 };

    /// Zero mean, unit deviation and the bounds of raw `values` after the transform.
    fn standardising(transform: Transform, values: &[f32]) -> Self {
        let values: Vec<f64> = values.iter().map(|&v| transform.apply(f64::from(v))).collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let deviation = variance.sqrt();
        if greatest <= least {
            return Self::IGNORED;
        }
        let [shift, scale, lower, upper] =
            [mean, deviation, (least - mean) / deviation, (greatest - mean) / deviation]
                .map(|v| v as f32);
        Self { transform, shift, scale, lower, upper }
    }

    /// A raw value spread evenly over the range this column tells apart, and a little beyond its
    /// bounds.
    fn sample(&self, rng: &mut Xoshiro256PlusPlus) -> f32 {
        let width = self.upper - self.lower;
        let beyond = if width > 0.0 { width * SAMPLE_BEYOND } else { 1.0 };
        let scaled = rng.random_range(self.lower - beyond..self.upper + beyond);
        let value = scaled * self.scale + self.shift;
        match self.transform {
            Transform::Linear => value,
            Transform::Log1p { gain } => value.exp_m1() / gain,
        }
    }

    /// `[from, to]` in raw units becomes [0, 1] after the transform; anything outside is clipped.
    pub fn between(transform: Transform, from: f32, to: f32) -> Self {
        let [from, to] = [from, to].map(|x| transform.apply(f64::from(x)) as f32);
        Self { transform, shift: from, scale: to - from, lower: 0.0, upper: 1.0 }
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
            ensure!(c.is_sound(), "input column {index} cannot be scaled by {c:?}");
        }
        Ok(Self { columns })
    }

    /// Mean and standard deviation of each column over `rows` (the training split, raw units),
    /// clipped to the range seen there: a network is never asked to extrapolate, and a column that
    /// never varied is ignored.
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
                Spread::Decades => Column::standardising(logarithm_for(&values), &values),
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

    /// A row of raw values as a service might feed them: spread over all that the columns tell
    /// apart, some clipped.
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
        let logarithm = (x.broadcast_mul(&row(self.gains())?)?.relu()? + 1.0)?.log()?;
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

    /// The gain of logarithmic columns and 0 of linear ones, whose logarithm of 1 + 0 then
    /// vanishes.
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

/// A logarithm that tells all but the smallest tenth of the positive values apart by their ratio.
fn logarithm_for(values: &[f32]) -> Transform {
    let mut positive: Vec<f32> = values.iter().copied().filter(|v| *v > 0.0).collect();
    positive.sort_unstable_by(f32::total_cmp);
    let from = positive.get(positive.len() / 10).copied().unwrap_or(1.0);
    Transform::Log1p { gain: 1.0 / from }
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
