//! Errors as one line of text.

use std::{error::Error, fmt};

/// Any error, at the top of a binary.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Shows an error and everything that caused it as one line: `a: b: c`.
///
/// Errors of this workspace never repeat their source in `Display`, so the chain has to be walked
/// where an error is shown to a person or written to a log.
pub fn report<'a>(error: &'a (dyn Error + 'static)) -> impl fmt::Display + 'a {
    Chain(error)
}

struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot start")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn every_cause_is_shown_once() {
        let error = Outer(std::io::Error::other("port taken"));
        assert_eq!(report(&error).to_string(), "cannot start: port taken");
    }
}
