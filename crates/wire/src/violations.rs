use std::{fmt, ops::RangeInclusive};

use crate::{Fault, FieldViolation};

/// Collects every field of a message that breaks the contract, so that a caller learns of all of them at once.
///
/// Nothing is allocated while all is well.
#[derive(Debug, Default)]
pub struct Violations(Vec<FieldViolation>);

/// A message may hold thousands of bad numbers; the first few say enough.
const MAX_REPORTED: usize = 32;

impl Violations {
    /// Nothing wrong so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that `field` is wrong.
    pub fn add(&mut self, field: impl fmt::Display, description: impl fmt::Display) {
        if self.0.len() < MAX_REPORTED {
            let (field, description) = (field.to_string(), description.to_string());
            self.0.push(FieldViolation { field, description });
        }
    }

    /// `value` if it is a number within `range`; otherwise notes why not and gives the start of the range.
    pub fn number(
        &mut self,
        field: impl fmt::Display,
        value: f64,
        range: RangeInclusive<f64>,
    ) -> f64 {
        if range.contains(&value) {
            return value;
        }
        let (min, max) = (range.start(), range.end());
        if value.is_nan() {
            self.add(field, "must be a number, is NaN");
        } else if *max == f64::MAX {
            self.add(field, format_args!("must be finite and at least {min}, is {value}"));
        } else {
            self.add(field, format_args!("must be from {min} to {max}, is {value}"));
        }
        *min
    }

    /// `value` if it is above 0 and at most `max`; otherwise notes why not and gives `max`.
    pub fn positive(&mut self, field: impl fmt::Display, value: f64, max: f64) -> f64 {
        if value > 0.0 && value <= max {
            return value;
        }
        self.add(field, format_args!("must be above 0 and at most {max}, is {value}"));
        max
    }

    /// As [`number`](Self::number), for a field that may be empty.
    pub fn optional_number(
        &mut self,
        field: impl fmt::Display,
        value: Option<f64>,
        range: RangeInclusive<f64>,
    ) -> Option<f64> {
        value.map(|value| self.number(field, value, range))
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `value` if nothing is wrong.
    ///
    /// # Errors
    /// An INVALID_ARGUMENT fault that names every field.
    pub fn finish<T>(self, value: T) -> Result<T, Fault> {
        if self.0.is_empty() { Ok(value) } else { Err(Fault::invalid(self.0)) }
    }

    /// The fault of what is wrong.
    pub fn into_fault(self) -> Fault {
        Fault::invalid(self.0)
    }
}
