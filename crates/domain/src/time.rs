/// A moment in UTC, in seconds since the Unix epoch. Hours and days are UTC too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UtcTime(i64);

const DAY_SECONDS: i64 = 86_400;

impl UtcTime {
    /// From seconds since the Unix epoch; negative before it.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch.
    pub const fn unix_seconds(self) -> i64 {
        self.0
    }

    /// Seconds since midnight, 0 to 86,399.
    pub const fn second_of_day(self) -> u32 {
        self.0.rem_euclid(DAY_SECONDS) as u32
    }

    /// Hour of the day, 0 to 23.
    pub const fn hour(self) -> u32 {
        self.second_of_day() / 3600
    }

    /// Day of the week, Monday 0 to Sunday 6. (1 January 1970 was a Thursday.)
    pub const fn weekday(self) -> u32 {
        (self.0.div_euclid(DAY_SECONDS) + 3).rem_euclid(7) as u32
    }

    /// Saturday or Sunday.
    pub const fn is_weekend(self) -> bool {
        self.weekday() >= 5
    }

    /// `9 <= hour <= 17`, on any day, as the research framework defines it.
    pub const fn is_business_hours(self) -> bool {
        let hour = self.hour();
        9 <= hour && hour <= 17
    }

    /// Sine of the hour angle of the day, counted in seconds: 0 at midnight, 1 at six, -1 at
    /// eighteen o'clock.
    pub fn hour_sin(self) -> f64 {
        (std::f64::consts::TAU * f64::from(self.second_of_day()) / DAY_SECONDS as f64).sin()
    }

    /// This moment `seconds` later.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar_facts_of_known_dates() {
        // 2019-07-15T13:30:00Z, a Monday.
        let monday = UtcTime::from_unix_seconds(1_563_197_400);
        assert_eq!((monday.hour(), monday.weekday()), (13, 0));
        assert!(monday.is_business_hours() && !monday.is_weekend());
        // 1969-12-31T23:59:59Z, a Wednesday.
        let before = UtcTime::from_unix_seconds(-1);
        assert_eq!((before.hour(), before.weekday(), before.second_of_day()), (23, 2, 86_399));
    }

    #[test]
    fn hour_sin_peaks_at_six() {
        assert!((UtcTime::from_unix_seconds(6 * 3600).hour_sin() - 1.0).abs() < 1e-12);
    }
}
