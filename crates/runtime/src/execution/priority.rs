//! The priority of threads.

/// Raises the nice value of the current thread, and of those that it starts from now on, by `nice`
/// (nice(2)). It cannot be lowered again. On Linux only, where each thread has a nice value of its
/// own: elsewhere it would be the whole process's.
pub(super) fn lower(nice: u8) {
    if nice == 0 || !cfg!(target_os = "linux") {
        return;
    }
    if let Err(error) = rustix::process::nice(nice.into()) {
        tracing::warn!(%error, nice, "cannot lower the priority of a thread");
    }
}

/// Gives the current thread, and those that it starts from now on, only the time that all other
/// threads of the machine or container leave (`SCHED_IDLE`, sched(7)). On Linux only.
///
/// A thread with a high nice value is not enough where others wait for the processor: it keeps its
/// core for some milliseconds when another thread wakes up.
pub fn stand_aside() {
    #[cfg(target_os = "linux")]
    if let Err(error) = thread_priority::set_thread_priority_and_policy(
        thread_priority::thread_native_id(),
        thread_priority::ThreadPriority::Min,
        thread_priority::ThreadSchedulePolicy::Normal(
            thread_priority::NormalThreadSchedulePolicy::Idle,
        ),
    ) {
        tracing::warn!(%error, "cannot give a thread the idle scheduling policy");
    }
}
