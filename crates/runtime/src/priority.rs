//! The priority of threads.

/// Lets other threads of the machine go before the current one, and before those it starts from now on, as nice(2) counts it. There is no way
/// back. On Linux only, where a priority is a thread's: elsewhere it would be the whole process's.
pub(crate) fn step_back(nice: u8) {
    if nice == 0 || !cfg!(target_os = "linux") {
        return;
    }
    if let Err(error) = rustix::process::nice(nice.into()) {
        tracing::warn!(%error, nice, "the priority of a thread cannot be lowered");
    }
}

/// Lets every other thread of the machine, or of its container, have the core at once when it has work, and the current one only what they leave.
/// Threads that it starts do the same. On Linux only (`SCHED_IDLE`, sched(7)).
///
/// A thread that only steps back keeps its core for some milliseconds when another wakes up.
pub fn stand_aside() {
    #[cfg(target_os = "linux")]
    if let Err(error) = thread_priority::set_thread_priority_and_policy(
        thread_priority::thread_native_id(),
        thread_priority::ThreadPriority::Min,
        thread_priority::ThreadSchedulePolicy::Normal(
            thread_priority::NormalThreadSchedulePolicy::Idle,
        ),
    ) {
        tracing::warn!(%error, "a thread cannot be made to stand aside");
    }
}
