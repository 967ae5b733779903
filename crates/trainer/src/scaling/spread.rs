//! How the values of a feature are distributed, which decides how its column is scaled.

const MINUTES_PER_DAY: usize = 24 * 60;
const MINUTES_PER_WEEK: usize = 7 * MINUTES_PER_DAY;

/// How the values of a column are distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Evenly: flags, shares, indices.
    Even,
    /// Over decades: the logarithm is scaled.
    Decades,
    /// Unknown from the training split: the column is not used.
    Ignored,
}

/// The spread of a feature of the catalogue, by name and unit.
///
/// A feature that repeats every day or week is ignored when the `training_minutes` do not cover a
/// whole day or week. A network that saw the hours up to 14:00 only would give arbitrary outputs
/// for 18:00, and the held-out time is later by construction.
pub fn spread_of(name: &str, unit: &str, training_minutes: usize) -> Spread {
    let period = match name {
        "hour" | "hour_sin" | "is_business_hours" => MINUTES_PER_DAY,
        "day_of_week" | "is_weekend" => MINUTES_PER_WEEK,
        _ => 0,
    };
    if training_minutes < period {
        return Spread::Ignored;
    }
    match unit {
        "ms" | "1/min" | "1/s" | "USD" | "gCO2e" | "MB" | "B" => Spread::Decades,
        _ => Spread::Even,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_needs_a_day_and_the_weekday_a_week() {
        assert_eq!(spread_of("hour", "h", 864), Spread::Ignored);
        assert_eq!(spread_of("hour", "h", 1440), Spread::Even);
        assert_eq!(spread_of("day_of_week", "d", 1440), Spread::Ignored);
        assert_eq!(spread_of("day_of_week", "d", 10_080), Spread::Even);
        assert_eq!(spread_of("avg_cost", "USD", 864), Spread::Decades);
    }
}
