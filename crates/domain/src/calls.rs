//! When a function was called lately.

/// The latest times between a function's invocations in seconds, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RecentGaps {
    seconds: [f32; Self::MOST],
    len: usize,
}

impl RecentGaps {
    /// How many gaps are kept.
    pub const MOST: usize = 16;

    /// Longer gaps, in seconds, count as this long: 30 years.
    const LONGEST: f64 = 1e9;

    /// Appends the next gap and drops the oldest when all [`RecentGaps::MOST`] are taken.
    /// Impossible values (negative, not a number) count as 0.
    pub fn push(&mut self, seconds: f64) {
        // NaN is not above 0 either.
        let seconds = if seconds > 0.0 { seconds.min(Self::LONGEST) as f32 } else { 0.0 };
        if self.len < Self::MOST {
            self.seconds[self.len] = seconds;
            self.len += 1;
        } else {
            self.seconds.rotate_left(1);
            self.seconds[Self::MOST - 1] = seconds;
        }
    }

    /// The gaps in seconds, oldest first.
    pub fn as_slice(&self) -> &[f32] {
        &self.seconds[..self.len]
    }

    /// The gaps in seconds, oldest first, as `f64`.
    pub fn seconds(&self) -> impl Iterator<Item = f64> + '_ {
        self.as_slice().iter().copied().map(f64::from)
    }
}

impl FromIterator<f64> for RecentGaps {
    /// Keeps the last [`RecentGaps::MOST`].
    fn from_iter<I: IntoIterator<Item = f64>>(seconds: I) -> Self {
        let mut gaps = Self::default();
        seconds.into_iter().for_each(|gap| gaps.push(gap));
        gaps
    }
}

/// How often and when a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CallPattern {
    /// Invocations per minute.
    pub rate_per_min: f64,
    /// Seconds since the last invocation; `None` when unknown.
    pub idle_seconds: Option<f64>,
    /// Times between the latest invocations; empty when unknown.
    pub gaps: RecentGaps,
}

impl CallPattern {
    /// Calls at random (Poisson) of which only the rate is known.
    pub fn at_rate(rate_per_min: f64) -> Self {
        Self { rate_per_min, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_gaps_are_kept_in_order() {
        let gaps: RecentGaps = (0..20).map(f64::from).collect();
        let expected: Vec<f32> = (4..20u8).map(f32::from).collect();
        assert_eq!(gaps.as_slice(), expected);
        let odd: RecentGaps = [f64::NAN, -3.0, 2.0].into_iter().collect();
        assert_eq!(odd.as_slice(), [0.0, 0.0, 2.0]);
        let endless: RecentGaps = [f64::MAX, f64::INFINITY].into_iter().collect();
        assert_eq!(endless.as_slice(), [1e9, 1e9]);
    }
}
