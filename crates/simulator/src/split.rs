//! Which part of a trace is for what.

use std::ops::Range;

/// A part of the trace, by time: nothing is learnt from what comes later than it is tested on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// The first 60 %: models are fitted on it.
    Train,
    /// The next 15 %: models are chosen on it.
    Validation,
    /// The last 25 %: every published figure is measured on it.
    Test,
}

impl Split {
    /// All parts, in the order of time.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// Its minutes of a trace that has `minutes` in all, counted from the trace's first.
    pub fn minutes(self, minutes: usize) -> Range<usize> {
        let (train, validation) = (minutes * 60 / 100, minutes * 75 / 100);
        match self {
            Self::Train => 0..train,
            Self::Validation => train..validation,
            Self::Test => validation..minutes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_follow_each_other_and_leave_nothing_out() {
        for minutes in [0, 1, 7, 480, 1440] {
            let [train, validation, test] = Split::ALL.map(|split| split.minutes(minutes));
            assert_eq!((train.start, train.end), (0, validation.start));
            assert_eq!((validation.end, test.end), (test.start, minutes));
        }
        assert_eq!(Split::Test.minutes(1440), 1080..1440);
    }
}
