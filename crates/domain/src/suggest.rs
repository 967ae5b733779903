//! "Did you mean": the known name that is most like an unknown one.

/// Names less alike than this are no suggestion.
const LEAST_LIKENESS: f64 = 0.8;

/// The known name that is most like `name`, if one is.
fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &'a str| (strsim::jaro_winkler(name, known), known);
    let best = known.into_iter().map(likeness).max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(likeness, _)| *likeness >= LEAST_LIKENESS).map(|(_, known)| known)
}

/// ``; did you mean `x`?`` for a message about the unknown `name`, or nothing.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |known| format!("; did you mean `{known}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_nonsense_is_not() {
        let known = ["eu-central-1", "eu-west-1", "us-east-1"];
        assert_eq!(nearest("eu-centrall-1", known), Some("eu-central-1"));
        assert_eq!(did_you_mean("eu-west1", known), "; did you mean `eu-west-1`?");
        assert_eq!(did_you_mean("qqqq", known), "");
    }
}
