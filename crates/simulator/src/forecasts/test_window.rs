//! Windows for tests.

use strata_policy::operational::CallHistory;

use super::windows::Window;
use crate::traces::test_trace;

/// A window of these request rates, half of the memory and a tenth of the CPU in use.
pub(super) fn window(function: usize, rates: [f32; 12], next: f32) -> Window {
    Window {
        function,
        target_step: 0,
        x: rates.map(|rate| [rate, 0.5, 0.1, 0.0, 0.0]),
        y: [next, 0.5, 0.1],
        calls: CallHistory::default(),
        platform: test_trace::research().reference_platform(),
        keep_alive_minutes: 7.0,
    }
}
