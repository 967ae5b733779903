use std::sync::atomic::{AtomicUsize, Ordering};

/// How many questions are in flight: taken in, and neither answered nor given up. Whoever is alone gains nothing by waiting for others.
#[derive(Debug, Default)]
pub struct InFlight(AtomicUsize);

/// A question in flight. It is counted until this is dropped, which is also when its caller leaves.
#[derive(Debug)]
pub struct Flight<'a>(&'a AtomicUsize);

impl InFlight {
    /// Counts a question in.
    #[must_use]
    pub fn begin(&self) -> Flight<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Flight(&self.0)
    }

    /// Whether there is one at this moment, and no other: for whoever has begun one, whether it is alone.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 1
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_alone_until_another_comes_and_again_when_that_is_gone() {
        let questions = InFlight::default();
        assert!(!questions.is_one());
        let first = questions.begin();
        assert!(questions.is_one());
        let second = questions.begin();
        assert!(!questions.is_one());
        drop(first);
        assert!(questions.is_one());
        drop(second);
        assert!(!questions.is_one());
    }

    #[tokio::test]
    async fn a_question_whose_caller_leaves_is_counted_out() {
        let questions = InFlight::default();
        let asking = async {
            let _question = questions.begin();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = asking => {}
            () = std::future::ready(()) => {}
        }
        let _next = questions.begin();
        assert!(questions.is_one());
    }
}
