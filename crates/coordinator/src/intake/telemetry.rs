//! Checks the telemetry steps of a request.

use std::fmt;

use strata_policy::operational::{MAX_STEP_VALUE, WINDOW_STEPS};
use strata_wire::{Violations, pb};

/// Adds a violation for every wrong field of the telemetry.
pub(super) fn check_telemetry(steps: &[pb::TelemetryStep], violations: &mut Violations) {
    if !steps.is_empty() && steps.len() != WINDOW_STEPS {
        let range = format_args!("must be {WINDOW_STEPS} steps or none, are {}", steps.len());
        violations.add("telemetry", range);
        return;
    }
    for (index, step) in steps.iter().enumerate() {
        check_step(step, format_args!("telemetry[{index}]"), violations);
    }
}

/// Adds a violation for every wrong field of the step at path `field`.
pub(super) fn check_step(
    step: &pb::TelemetryStep,
    field: impl fmt::Display,
    violations: &mut Violations,
) {
    for (name, value, max) in [
        ("request_rate", step.request_rate, MAX_STEP_VALUE),
        ("memory_util", step.memory_util, 1.0),
        ("cpu_util", step.cpu_util, 1.0),
        ("queue_depth", step.queue_depth, MAX_STEP_VALUE),
    ] {
        violations.number(format_args!("{field}.{name}"), value, 0.0..=max);
    }
}
