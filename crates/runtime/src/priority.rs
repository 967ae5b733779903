//! The priority of threads.

/// Lets other threads of the machine go before the current one, and before those it starts from now on, as nice(2) counts it. There is no way
/// back. On Linux only, where a priority is a thread's: elsewhere it would be the whole process's.
pub fn step_back(nice: u8) {
    if nice == 0 || !cfg!(target_os = "linux") {
        return;
    }
    if let Err(error) = rustix::process::nice(nice.into()) {
        tracing::warn!(%error, nice, "the priority of a thread cannot be lowered");
    }
}
