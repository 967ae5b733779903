//! Quotients that are always numbers.

/// `part / whole`, or 0 where that is not finite.
pub(crate) fn ratio(part: f64, whole: f64) -> f64 {
    let quotient = part / whole;
    if quotient.is_finite() { quotient } else { 0.0 }
}
