/// Length of a step, in seconds.
pub const STEP_SECONDS: i64 = 15;
/// Steps in a window, oldest first.
pub const WINDOW_STEPS: usize = 12;
/// Request rates (per second) and queue depths above this count as this.
pub const MAX_STEP_VALUE: f64 = 1e6;

/// What was observed of a function over 15 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Step {
    /// Requests per second.
    pub request_rate: f64,
    /// Share of the allotted memory in use, 0 to 1.
    pub memory_util: f64,
    /// Share of the allotted CPU in use, 0 to 1.
    pub cpu_util: f64,
    /// Requests waiting.
    pub queue_depth: f64,
    /// Sine of the hour angle at the end of the step, -1 to 1.
    pub hour_sin: f64,
}

impl Step {
    /// The step as it would look under another memory size: the same work takes a smaller share of
    /// more memory, and of the CPU that grows with it.
    #[must_use]
    pub fn re_expressed(self, from_mb: u32, to_mb: u32) -> Self {
        let ratio = f64::from(from_mb) / f64::from(to_mb.max(1));
        Self {
            memory_util: (self.memory_util * ratio).min(1.0),
            cpu_util: (self.cpu_util * ratio).min(1.0),
            ..self
        }
    }

    /// The mean of some steps, without an hour; all 0 when there are none.
    pub fn mean<'s>(steps: impl Iterator<Item = &'s Self> + Clone) -> Self {
        let count = steps.clone().count().max(1) as f64;
        let over = |value: fn(&Self) -> f64| steps.clone().map(value).sum::<f64>() / count;
        Self {
            request_rate: over(|step| step.request_rate),
            memory_util: over(|step| step.memory_util),
            cpu_util: over(|step| step.cpu_util),
            queue_depth: over(|step| step.queue_depth),
            hour_sin: 0.0,
        }
    }
}
