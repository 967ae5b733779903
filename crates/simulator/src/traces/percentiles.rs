//! Distributions known by a few percentiles.

/// Values at rising levels; between them the distribution is taken to be even (linear
/// interpolation).
#[derive(Debug, Clone, PartialEq)]
pub struct Percentiles {
    knots: Vec<(f64, f64)>,
}

impl Percentiles {
    /// From (level 0 to 1, value) pairs.
    ///
    /// # Errors
    /// What is wrong, in words: no pairs, levels that do not rise, values that are negative, not
    /// finite, or fall.
    pub fn new(knots: Vec<(f64, f64)>) -> Result<Self, String> {
        if knots.is_empty() {
            return Err("needs at least one percentile".to_owned());
        }
        if let Some((level, value)) = knots.iter().find(|(_, v)| !v.is_finite() || *v < 0.0) {
            return Err(format!(
                "percentile {} is {value}; give a finite value of at least 0",
                level * 100.0
            ));
        }
        if let Some(pair) =
            knots.windows(2).find(|pair| pair[0].0 >= pair[1].0 || pair[0].1 > pair[1].1)
        {
            return Err(format!(
                "percentile {} is {}, below percentile {} with {}; they must not fall",
                pair[1].0 * 100.0,
                pair[1].1,
                pair[0].0 * 100.0,
                pair[0].1
            ));
        }
        Ok(Self { knots })
    }

    /// The value below which a share `level` lies; levels beyond the outermost known ones give
    /// those.
    pub fn quantile(&self, level: f64) -> f64 {
        let after = self.knots.partition_point(|(known, _)| *known < level);
        let upper = self.knots[after.min(self.knots.len() - 1)];
        let lower = self.knots[after.saturating_sub(1).min(self.knots.len() - 1)];
        let width = upper.0 - lower.0;
        if width <= 0.0 {
            return upper.1;
        }
        let share = ((level - lower.0) / width).clamp(0.0, 1.0);
        lower.1 + share * (upper.1 - lower.1)
    }

    /// Mean of the interpolated distribution.
    pub fn mean(&self) -> f64 {
        let (first, last) = (self.knots[0], self.knots[self.knots.len() - 1]);
        let inside: f64 =
            self.knots.windows(2).map(|p| (p[1].0 - p[0].0) * (p[0].1 + p[1].1) / 2.0).sum();
        inside + first.0 * first.1 + (1.0 - last.0) * last.1
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_interpolate_and_stop_at_the_ends() {
        let known = Percentiles::new(vec![(0.0, 10.0), (0.5, 20.0), (0.99, 118.0)]).unwrap();
        assert_eq!(known.quantile(0.25), 15.0);
        assert_eq!(known.quantile(0.5), 20.0);
        assert_eq!(known.quantile(-1.0), 10.0);
        assert_eq!(known.quantile(1.0), 118.0);
        let mean = 0.5 * 15.0 + 0.49 * 69.0 + 0.01 * 118.0;
        assert!((known.mean() - mean).abs() < 1e-9);
    }

    #[test]
    fn impossible_percentiles_are_refused() {
        assert!(Percentiles::new(vec![]).is_err());
        assert!(Percentiles::new(vec![(0.0, 2.0), (0.5, 1.0)]).is_err());
        assert!(Percentiles::new(vec![(0.5, 1.0), (0.5, 2.0)]).is_err());
        assert!(Percentiles::new(vec![(0.0, -1.0)]).is_err());
        assert!(Percentiles::new(vec![(0.0, f64::NAN)]).is_err());
    }

    proptest! {
        #[test]
        fn quantiles_never_fall(a in 0.0..1.0f64, b in 0.0..1.0f64, top in 1.0..1e6f64) {
            let knots = vec![(0.0, 0.0), (0.25, 0.5), (0.75, 1.0), (1.0, top)];
            let known = Percentiles::new(knots).unwrap();
            prop_assert!(known.quantile(a.min(b)) <= known.quantile(a.max(b)));
        }
    }
}
