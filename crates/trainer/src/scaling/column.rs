//! Scaling of one input column.

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Share of a column's range by which [`Column::sample`] exceeds its bounds on either side.
const SAMPLE_BEYOND: f32 = 0.05;

/// The shape of a column's distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transform {
    /// x
    Linear,
    /// ln(1 + max(gain * x, 0)): for rates, durations and amounts of money, which span decades.
    Log1p {
        /// One over the value above which the scale is logarithmic; above zero.
        gain: f32,
    },
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
    /// A logarithm that distinguishes all but the smallest tenth of the positive `values` by their
    /// ratio.
    pub(super) fn logarithm_of(values: &[f32]) -> Self {
        let mut positive: Vec<f32> = values.iter().copied().filter(|v| *v > 0.0).collect();
        positive.sort_unstable_by(f32::total_cmp);
        let from = positive.get(positive.len() / 10).copied().unwrap_or(1.0);
        Self::Log1p { gain: 1.0 / from }
    }

    fn apply(self, x: f64) -> f64 {
        match self {
            Self::Linear => x,
            Self::Log1p { gain } => (f64::from(gain) * x).max(0.0).ln_1p(),
        }
    }
}

impl Column {
    /// Whether the column can be used: its scale is not zero and every number is finite.
    pub(super) fn is_sound(&self) -> bool {
        let gain = match self.transform {
            Transform::Linear => 1.0,
            Transform::Log1p { gain } => gain,
        };
        let all = [self.shift, self.scale, self.lower, self.upper, gain];
        self.scale != 0.0 && gain > 0.0 && all.iter().all(|v| v.is_finite())
    }

    /// Maps every value to 0.
    pub(super) const IGNORED: Self =
        Self { transform: Transform::Linear, shift: 0.0, scale: 1.0, lower: 0.0, upper: 0.0 };

    /// Zero mean and unit deviation of raw `values` after the transform, clipped to their range.
    pub(super) fn standardising(transform: Transform, values: &[f32]) -> Self {
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

    /// A raw value whose scaled value is uniform over the bounds of the column and a little beyond.
    pub(super) fn sample(&self, rng: &mut Xoshiro256PlusPlus) -> f32 {
        let width = self.upper - self.lower;
        let beyond = if width > 0.0 { width * SAMPLE_BEYOND } else { 1.0 };
        let scaled = rng.random_range(self.lower - beyond..self.upper + beyond);
        let value = scaled * self.scale + self.shift;
        match self.transform {
            Transform::Linear => value,
            Transform::Log1p { gain } => value.exp_m1() / gain,
        }
    }

    /// Maps `[from, to]` in raw units to [0, 1] after the transform and clips everything outside.
    pub fn between(transform: Transform, from: f32, to: f32) -> Self {
        let [from, to] = [from, to].map(|x| transform.apply(f64::from(x)) as f32);
        Self { transform, shift: from, scale: to - from, lower: 0.0, upper: 1.0 }
    }
}
