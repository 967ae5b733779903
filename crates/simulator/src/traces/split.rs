//! Which part of a trace is for what.

use std::ops::Range;

use super::trace::TracedFunction;
use crate::seed::{self, Purpose};

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

/// A group of functions, by a hash of their names: nothing is learnt from the functions it is
/// tested on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cohort {
    /// Three of five: models are fitted on them.
    Train,
    /// One of five: models are chosen on them.
    Validation,
    /// One of five: every published figure is measured on them.
    HeldOut,
}

impl Cohort {
    /// The group of a function; the same in every trace.
    pub fn of(function: &TracedFunction) -> Self {
        let drawn = seed::unit(0, function.identity, Purpose::Cohort, 0);
        if drawn < 0.6 {
            Self::Train
        } else if drawn < 0.8 {
            Self::Validation
        } else {
            Self::HeldOut
        }
    }
}

/// Which functions, and which part of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scope {
    /// Only these functions; all when `None`.
    pub cohort: Option<Cohort>,
    /// Only this part of the trace; all of it when `None`.
    pub split: Option<Split>,
}

impl Scope {
    /// What models are fitted on.
    pub const fn training() -> Self {
        Self { cohort: Some(Cohort::Train), split: Some(Split::Train) }
    }

    /// What models are chosen on: other functions, later.
    pub const fn validation() -> Self {
        Self { cohort: Some(Cohort::Validation), split: Some(Split::Validation) }
    }

    /// What models are judged on: functions and hours that had no part in them.
    pub const fn held_out() -> Self {
        Self { cohort: Some(Cohort::HeldOut), split: Some(Split::Test) }
    }

    /// All of a trace, for one that no model has seen.
    pub const fn everything() -> Self {
        Self { cohort: None, split: None }
    }

    pub(crate) fn includes(self, function: &TracedFunction) -> bool {
        self.cohort.is_none_or(|cohort| cohort == Cohort::of(function))
    }
}

impl From<Split> for Scope {
    /// A part of the time, with all functions.
    fn from(split: Split) -> Self {
        Self { cohort: None, split: Some(split) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traces::{test_trace, trigger::Trigger};

    #[test]
    fn three_of_five_functions_are_learnt_from_and_names_decide() {
        let of = |number: u32| {
            let name = format!("f{number}");
            Cohort::of(&test_trace::function(&name, Trigger::Http, vec![1]))
        };
        let cohorts: Vec<Cohort> = (0..2000).map(of).collect();
        let share = |wanted| cohorts.iter().filter(|cohort| **cohort == wanted).count();
        assert!((1130..1270).contains(&share(Cohort::Train)), "{}", share(Cohort::Train));
        assert!((330..470).contains(&share(Cohort::HeldOut)), "{}", share(Cohort::HeldOut));
        assert_eq!(of(7), cohorts[7]);
    }

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
