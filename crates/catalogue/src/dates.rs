//! Dates of sources.

/// Days since 1970-01-01 of a date written as `2026-11-25`; `None` for any other text.
pub(crate) fn days(text: &str) -> Option<i64> {
    let mut fields = text.split('-');
    let mut next = |digits: usize| {
        let field = fields.next()?;
        let plain = field.len() == digits && field.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| field.parse::<i64>().ok()).flatten()
    };
    let (year, month, day) = (next(4)?, next(2)?, next(2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month - 1).ok()?)?;
    if fields.next().is_some() || !(1..=length).contains(&day) || year < 1970 {
        return None;
    }
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    let months: i64 = lengths[..(month - 1) as usize].iter().sum();
    Some(years + months + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_from_1970_and_others_refused() {
        assert_eq!(days("1970-01-01"), Some(0));
        assert_eq!(days("2000-03-01"), Some(11_017));
        assert_eq!(days("2026-11-25"), Some(20_782));
        for text in ["2026-02-29", "2026-13-01", "26-01-01", "2026-1-1", "2026-01-01-", "x", ""] {
            assert_eq!(days(text), None, "{text}");
        }
    }
}
