/// What starts a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// A call over HTTP; somebody waits for the answer.
    Http,
    /// A message in a queue.
    Queue,
    /// A step of a workflow.
    Orchestration,
    /// An event.
    Event,
    /// A change in a store.
    Storage,
    /// The clock.
    Timer,
    /// Something else.
    Other,
}
