//! Callers that keep a service busy while a test changes something.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::task::JoinHandle;

use crate::waiting::eventually_async;

/// Tasks that repeat a call until they are stopped. Answers are counted in `N` classes, for
/// example by the version of the model that gave them.
#[derive(Debug)]
pub struct Callers<const N: usize> {
    stop: Arc<AtomicBool>,
    answers: Arc<[AtomicU64; N]>,
    tasks: Vec<JoinHandle<()>>,
}

impl<const N: usize> Callers<N> {
    /// No callers yet.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let answers = Arc::new([const { AtomicU64::new(0) }; N]);
        Self { stop: Arc::default(), answers, tasks: Vec::new() }
    }

    /// Adds a caller that repeats `call`. The call gets the number of calls before it and returns
    /// the class of its answer.
    pub fn repeat<F>(&mut self, call: impl Fn(usize) -> F + Send + 'static)
    where
        F: Future<Output = usize> + Send,
    {
        self.run(async move |tally| {
            for turn in 0.. {
                if tally.stopped() {
                    break;
                }
                tally.count(call(turn).await);
            }
        });
    }

    /// Adds a caller with a loop of its own. It counts its answers with the [`Tally`] and ends
    /// soon after the tally says so.
    pub fn run<F>(&mut self, caller: impl FnOnce(Tally<N>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, answers) = (Arc::clone(&self.stop), Arc::clone(&self.answers));
        self.tasks.push(tokio::spawn(caller(Tally { stop, answers })));
    }

    /// Answers so far, by class.
    pub fn answers(&self) -> [u64; N] {
        std::array::from_fn(|class| self.answers[class].load(Ordering::Relaxed))
    }

    /// Waits for `more` answers of any class. It returns at once if a caller has failed, and
    /// [`Callers::stop`] then panics with the reason.
    pub async fn wait_for_answers(&self, more: u64) {
        let sum = || self.answers().iter().sum::<u64>();
        let goal = sum() + more;
        eventually_async("answers", async || {
            let failed = self.tasks.iter().any(|task| task.is_finished());
            (failed || sum() >= goal).then_some(())
        })
        .await;
    }

    /// Stops the callers and returns the number of answers of each class.
    ///
    /// # Panics
    /// When a caller has panicked.
    pub async fn stop(mut self) -> [u64; N] {
        self.stop.store(true, Ordering::Relaxed);
        for task in std::mem::take(&mut self.tasks) {
            task.await.expect("no caller fails");
        }
        self.answers()
    }
}

/// A caller's side of [`Callers`].
#[derive(Debug)]
pub struct Tally<const N: usize> {
    stop: Arc<AtomicBool>,
    answers: Arc<[AtomicU64; N]>,
}

impl<const N: usize> Tally<N> {
    /// Whether the caller must end.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Counts an answer of a class.
    ///
    /// # Panics
    /// When there is no such class.
    pub fn count(&self, class: usize) {
        self.answers[class].fetch_add(1, Ordering::Relaxed);
    }
}
