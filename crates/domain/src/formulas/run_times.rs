//! Log-normal run times: the share that is too long, and the normal distribution behind it.

/// 95th percentile of the standard normal distribution.
pub const Z95: f64 = 1.644_853_6;

/// 95th percentile over mean of a function's run time when only its mean is known: the median over
/// the warm runs of SeBS (see [`crate::TYPICAL_CPU_SHARE`] for the source).
pub const TYPICAL_P95_OVER_MEAN: f64 = 1.24;

/// Standard deviation of the logarithm where 95th percentile over mean is
/// [`TYPICAL_P95_OVER_MEAN`]: exp(1.645 s - s^2 / 2) = 1.24.
pub(crate) const TYPICAL_SIGMA: f64 = 0.1364;
/// Least standard deviation, for runs of one length: it is divided by.
const LEAST_SIGMA: f64 = 1e-3;
/// Standard deviations beyond which a tail, 1e-9, is below the error of its own formula.
const NEGLIGIBLE: f64 = 6.0;

/// Log-normally distributed run times of one mean.
pub(crate) struct RunTimes {
    pub(crate) mean_ms: f64,
    sigma: f64,
    median_ln: f64,
    /// Practically all runs are longer than the first and shorter than the second, so that most
    /// calls of `share_longer` need no logarithm.
    between_ms: (f64, f64),
}

impl RunTimes {
    /// `sigma` is the standard deviation of the logarithm.
    pub(crate) fn new(mean_ms: f64, sigma: f64) -> Self {
        let sigma = sigma.max(LEAST_SIGMA);
        let median_ln = mean_ms.ln() - sigma * sigma / 2.0;
        let between_ms =
            ((median_ln - NEGLIGIBLE * sigma).exp(), (median_ln + NEGLIGIBLE * sigma).exp());
        Self { mean_ms, sigma, median_ln, between_ms }
    }

    /// Share of runs that are longer than `left_ms`, 0 to 1; 0 when runs take no time and
    /// `left_ms` is above 0.
    pub(crate) fn share_longer(&self, left_ms: f64) -> f64 {
        let (shortest, longest) = self.between_ms;
        if left_ms <= shortest.max(0.0) {
            1.0
        } else if left_ms >= longest || self.mean_ms <= 0.0 {
            0.0
        } else {
            normal_tail((left_ms.ln() - self.median_ln) / self.sigma)
        }
    }
}

/// Standard deviation of the logarithm of a log-normal variable with this standard deviation and
/// mean.
pub(crate) fn log_deviation(std: f64, mean: f64) -> f64 {
    let relative = std.max(0.0) / mean.max(f64::MIN_POSITIVE);
    (relative * relative).min(f64::MAX).ln_1p().sqrt()
}

/// Probability that a standard normal variable exceeds `z`, error below 1e-7 (Abramowitz and
/// Stegun, formula 26.2.17).
fn normal_tail(z: f64) -> f64 {
    let x = z.abs().min(40.0);
    let t = 1.0 / (1.0 + 0.231_641_9 * x);
    let polynomial = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let upper = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * polynomial;
    if z < 0.0 { 1.0 - upper } else { upper }
}

/// Quantile of the standard normal distribution, error below 4.5e-4 (Abramowitz and Stegun, formula
/// 26.2.23).
pub(crate) fn normal_quantile(level: f64) -> f64 {
    let level = level.clamp(1e-6, 1.0 - 1e-6);
    let tail = level.min(1.0 - level);
    let t = (-2.0 * tail.ln()).sqrt();
    let z = t
        - (2.515_517 + t * (0.802_853 + t * 0.010_328))
            / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)));
    if level < 0.5 { -z } else { z }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_quantile_knows_its_table() {
        for (level, z) in [(0.5, 0.0), (0.95, 1.6449), (0.025, -1.96), (0.84134, 1.0)] {
            assert!((normal_quantile(level) - z).abs() < 1e-3, "{level}");
        }
    }

    #[test]
    fn the_normal_tail_knows_its_table() {
        for (z, tail) in [(0.0, 0.5), (1.6449, 0.05), (-1.96, 0.975), (3.0, 0.00135), (60.0, 0.0)] {
            assert!((normal_tail(z) - tail).abs() < 1e-5, "{z}");
        }
        let sigma = TYPICAL_SIGMA;
        assert!(((Z95 * sigma - sigma * sigma / 2.0).exp() - TYPICAL_P95_OVER_MEAN).abs() < 1e-3);
    }

    #[test]
    fn what_is_spared_the_logarithm_says_the_same() {
        for sigma in [0.0, 0.1, 1.0, 30.0] {
            let times = RunTimes::new(200.0, sigma);
            for step in -60..60 {
                let left_ms = 200.0 * (f64::from(step) / 5.0).exp();
                let exact = normal_tail((left_ms.ln() - times.median_ln) / times.sigma);
                assert!((times.share_longer(left_ms) - exact).abs() < 2e-9, "{sigma} {left_ms}");
            }
            assert_eq!(times.share_longer(-1.0), 1.0);
        }
        let none = RunTimes::new(0.0, 0.1);
        assert_eq!((none.share_longer(0.0), none.share_longer(1e-300)), (1.0, 0.0));
    }
}
