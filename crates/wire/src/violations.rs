use std::{
    fmt::{self, Write},
    ops::RangeInclusive,
};

use crate::{Fault, FieldViolation};

/// Collects every field of a message that breaks the contract, so that a caller learns all of them
/// at once.
///
/// Allocates nothing while there are no violations.
#[derive(Debug, Default)]
pub struct Violations {
    listed: Vec<FieldViolation>,
    /// Bytes of text in `listed`.
    bytes: usize,
    /// Number of violations that did not fit into `listed`.
    unlisted: usize,
}

/// Maximum number of listed violations. A message may hold thousands of bad numbers; the first few
/// suffice.
const MAX_LISTED: usize = 32;

/// Maximum bytes of text in all violations. They travel base64-encoded in a trailer next to a
/// message, and gRPC's C core guarantees to accept only 8 KiB of metadata by default.
const MAX_BYTES: usize = 4 << 10;

/// Maximum length of a field's path in bytes.
const MAX_FIELD: usize = 128;

/// Maximum length of a description in bytes.
const MAX_DESCRIPTION: usize = 160;

impl Violations {
    /// Starts without violations.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a violation of `field`.
    pub fn add(&mut self, field: impl fmt::Display, description: impl fmt::Display) {
        // Once one violation did not fit, none is added: the list holds the first ones.
        if self.unlisted == 0 && self.listed.len() < MAX_LISTED {
            let field = shortened(field, MAX_FIELD);
            let description = shortened(description, MAX_DESCRIPTION);
            let bytes = self.bytes + field.len() + description.len();
            if bytes <= MAX_BYTES {
                self.bytes = bytes;
                self.listed.push(FieldViolation { field, description });
                return;
            }
        }
        self.unlisted += 1;
    }

    /// Returns `value` if it is a number within `range`; otherwise adds a violation and returns the
    /// start of the range.
    pub fn number(
        &mut self,
        field: impl fmt::Display,
        value: f64,
        range: RangeInclusive<f64>,
    ) -> f64 {
        if range.contains(&value) {
            return value;
        }
        let (start, end) = (*range.start(), *range.end());
        let (min, max, is) = (Number(start), Number(end), Number(value));
        if value.is_nan() {
            self.add(field, "must be a number, is NaN");
        } else if end == f64::MAX {
            self.add(field, format_args!("must be finite and at least {min}, is {is}"));
        } else {
            self.add(field, format_args!("must be from {min} to {max}, is {is}"));
        }
        start
    }

    /// Returns `value` if it is above 0 and at most `max`; otherwise adds a violation and returns
    /// `max`.
    pub fn positive(&mut self, field: impl fmt::Display, value: f64, max: f64) -> f64 {
        if value > 0.0 && value <= max {
            return value;
        }
        let (most, is) = (Number(max), Number(value));
        self.add(field, format_args!("must be above 0 and at most {most}, is {is}"));
        max
    }

    /// As [`number`](Self::number), for an optional field.
    pub fn optional_number(
        &mut self,
        field: impl fmt::Display,
        value: Option<f64>,
        range: RangeInclusive<f64>,
    ) -> Option<f64> {
        value.map(|value| self.number(field, value, range))
    }

    /// Whether there are no violations.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Returns `value` if there are no violations.
    ///
    /// # Errors
    /// An `InvalidArgument` fault with every violation.
    pub fn finish<T>(self, value: T) -> Result<T, Fault> {
        if self.is_empty() { Ok(value) } else { Err(self.into_fault()) }
    }

    /// Converts the violations to a fault.
    pub fn into_fault(self) -> Fault {
        Fault::invalid_and_more(self.listed, self.unlisted)
    }
}

/// Displays a number in few characters: 1e308 instead of 309 digits.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.abs() {
            0.0 | 1e-5..1e16 => write!(f, "{}", self.0),
            _ => write!(f, "{:e}", self.0),
        }
    }
}

/// Formats `value`, cut to at most `limit` bytes with an ellipsis.
fn shortened(value: impl fmt::Display, limit: usize) -> String {
    const ELLIPSIS: char = '…';
    let mut text = Bounded { text: String::new(), limit };
    if write!(text, "{value}").is_err() {
        let end = text.text.floor_char_boundary(limit - ELLIPSIS.len_utf8());
        text.text.truncate(end);
        text.text.push(ELLIPSIS);
    }
    text.text
}

/// A text buffer that refuses to grow beyond a limit, so that no large text is built only to be
/// cut.
struct Bounded {
    text: String,
    limit: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = self.limit - self.text.len();
        let fitting = &more[..more.floor_char_boundary(room)];
        self.text.push_str(fitting);
        if fitting.len() == more.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tonic::Status;

    use super::*;

    /// The only description in the fault that `add` causes.
    fn description(add: impl FnOnce(&mut Violations)) -> String {
        let mut violations = Violations::new();
        add(&mut violations);
        let [violation] = <[_; 1]>::try_from(violations.into_fault().violations).unwrap();
        violation.description
    }

    #[test]
    fn numbers_of_any_size_are_short() {
        for (value, expected) in [
            (1e308, "must be from 0 to 1, is 1e308"),
            (f64::MIN, "must be from 0 to 1, is -1.7976931348623157e308"),
            (-5e-324, "must be from 0 to 1, is -5e-324"),
            (f64::INFINITY, "must be from 0 to 1, is inf"),
            (1500.25, "must be from 0 to 1, is 1500.25"),
            (f64::NAN, "must be a number, is NaN"),
        ] {
            assert_eq!(description(|v| _ = v.number("at", value, 0.0..=1.0)), expected);
        }
        let positive = description(|v| _ = v.positive("at", -1e300, 1e20));
        assert_eq!(positive, "must be above 0 and at most 1e20, is -1e300");
        let finite = description(|v| _ = v.number("at", -1e-9, 1e300..=f64::MAX));
        assert_eq!(finite, "must be finite and at least 1e300, is -1e-9");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let mut violations = Violations::new();
        violations.add("é".repeat(1000), "ab€".repeat(1000));
        violations.add("x".repeat(MAX_FIELD), "y".repeat(MAX_DESCRIPTION));
        let [cut, whole] = <[_; 2]>::try_from(violations.into_fault().violations).unwrap();
        assert_eq!(cut.field, format!("{}…", "é".repeat(62)));
        assert_eq!(cut.description, format!("{}ab…", "ab€".repeat(31)));
        assert_eq!(whole.field, "x".repeat(MAX_FIELD));
        assert_eq!(whole.description, "y".repeat(MAX_DESCRIPTION));
    }

    #[test]
    fn a_fault_fits_into_a_clients_headers_and_says_how_much_it_leaves_out() {
        let mut violations = Violations::new();
        for number in 0..1000 {
            violations.add(
                format_args!("telemetry[{number:04}].{}", "é".repeat(200)),
                format_args!("must be short, is {}", "é".repeat(200)),
            );
        }
        let fault = violations.into_fault();
        // Each violation takes 286 bytes, and the one in the message takes three of them.
        assert_eq!(fault.violations.len(), 14);
        assert!(fault.violations[13].field.starts_with("telemetry[0013]"));
        let expected = "(and 999 more, 986 of them not listed)";
        assert!(fault.message.ends_with(expected), "{}", fault.message);
        let answer = Status::from(fault).into_http::<()>();
        // RFC 9113, 6.5.2: each header field counts 32 bytes more.
        let bytes: usize = answer
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 32)
            .sum();
        assert!(bytes < 8 << 10, "{bytes}");
    }

    #[test]
    fn many_short_ones_are_listed_up_to_a_number() {
        let mut violations = Violations::new();
        (0..40).for_each(|number| violations.add(format_args!("at[{number}]"), "is wrong"));
        let fault = violations.into_fault();
        assert_eq!(fault.violations.len(), MAX_LISTED);
        assert_eq!(fault.message, "at[0] is wrong (and 39 more, 8 of them not listed)");
    }

    #[test]
    fn numbers_are_checked_with_their_path() {
        let mut violations = Violations::new();
        assert_eq!(violations.number("ok", 0.5, 0.0..=1.0), 0.5);
        assert!(violations.is_empty());
        for bad in [f64::NAN, f64::INFINITY, -0.1, f64::NEG_INFINITY] {
            violations.number(format_args!("steps[{}].cpu_util", 3), bad, 0.0..=1.0);
        }
        let fault = violations.into_fault();
        assert_eq!(fault.violations.len(), 4);
        assert!(fault.violations.iter().all(|v| v.field == "steps[3].cpu_util"));
        assert!(fault.message.ends_with("(and 3 more)"));
    }
}
