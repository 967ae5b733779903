//! Lists of allowed values, for messages.

use std::fmt::Display;

/// `items` in a sentence: `a, b or c`.
///
/// Messages list allowed values with it, so that a new variant appears in them without a change.
pub fn choices<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut texts: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match texts.pop() {
        Some(last) if texts.is_empty() => last,
        Some(last) => format!("{} or {last}", texts.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_separated_by_commas_and_a_last_or() {
        assert_eq!(choices([""; 0]), "");
        assert_eq!(choices(["a"]), "a");
        assert_eq!(choices(["a", "b"]), "a or b");
        assert_eq!(choices([128, 256, 512]), "128, 256 or 512");
    }
}
