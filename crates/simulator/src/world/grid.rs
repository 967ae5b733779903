use crate::traces::Split;

/// Which intervals there are, the same for every function.
#[derive(Debug, Clone)]
pub(crate) struct Grid {
    pub(crate) interval_minutes: usize,
    /// First minute of each interval, and the part of the trace it is in.
    pub(crate) intervals: Vec<(usize, Split)>,
}

impl Grid {
    /// Whole intervals from the beginning of each part; a remainder shorter than an interval is
    /// left out.
    pub(crate) fn new(minutes: usize, interval_minutes: usize) -> Self {
        let mut intervals = Vec::new();
        for split in Split::ALL {
            let part = split.minutes(minutes);
            let starts = part.clone().step_by(interval_minutes);
            let whole = starts.filter(|start| part.end - start >= interval_minutes);
            intervals.extend(whole.map(|start| (start, split)));
        }
        Self { interval_minutes, intervals }
    }
}
