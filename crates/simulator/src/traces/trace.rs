//! A recorded workload: how often functions were called, how long they ran, how much memory they
//! took.

use std::cmp::Reverse;

use strata_domain::{Catalogue, FunctionId, Megabytes, Placement, UtcTime};

use super::{attributes, percentiles::Percentiles, trigger::Trigger};
use crate::seed::{self, Purpose};

/// The platform that the trace was recorded on.
const RECORDED_ON: &str = "azure-functions-consumption";
/// Sizes above this are not assumed of a platform that the trace was not recorded on.
const LARGEST_OBSERVED_MB: u32 = 3008;

/// Where the run times of the trace are taken to have been measured: Azure's consumption plan,
/// whose sizes and regions run alike, or the reference platform of a catalogue without it. Of the
/// sizes the largest up to 3008 MB, of the regions the first in the default area, if it is sold
/// there.
pub fn observed_on(catalogue: &Catalogue) -> Placement {
    let platform = catalogue.find_platform(RECORDED_ON);
    let platform = platform.unwrap_or_else(|| catalogue.reference_platform());
    let candidates = catalogue.candidates();
    let here = candidates[catalogue.candidates_of(platform)].iter();
    let first = here.min_by_key(|candidate| {
        let Placement { region, memory_mb, .. } = **candidate;
        let elsewhere = catalogue.area_of(region) != Some(catalogue.default_area());
        (elsewhere, region, memory_mb > LARGEST_OBSERVED_MB, Reverse(memory_mb))
    });
    // Every platform is sold somewhere.
    *first.unwrap_or(&candidates[0])
}

/// 2019-07-15T00:00:00Z, a Monday: the first day of the fortnight the trace was recorded in. Which
/// of its days a sample shows is not published.
const TRACE_MIDNIGHT: UtcTime = UtcTime::from_unix_seconds(1_563_148_800);

const SECONDS_PER_MINUTE: i64 = 60;

/// One function of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct TracedFunction {
    /// Which function; where the trace has no applications, each function is its own.
    pub id: FunctionId,
    /// What starts it; inferred and drawn where the trace does not say (see
    /// [`Attributes`](crate::Attributes)).
    pub trigger: Trigger,
    /// Calls in each minute of the trace.
    pub per_minute: Vec<u32>,
    /// Run time in ms on Azure, warm.
    pub duration_ms: Percentiles,
    /// Memory in MB.
    pub memory_mb: Percentiles,
    pub(crate) identity: u64,
}

/// What a trace says of one function.
pub(crate) struct Recorded {
    pub(crate) id: FunctionId,
    pub(crate) trigger: Option<Trigger>,
    pub(crate) per_minute: Vec<u32>,
    pub(crate) duration_ms: Percentiles,
    pub(crate) memory_mb: Percentiles,
}

impl TracedFunction {
    pub(crate) fn new(recorded: Recorded) -> Self {
        let Recorded { id, trigger, per_minute, duration_ms, memory_mb } = recorded;
        let identity = seed::identity(&id);
        let trigger = trigger.unwrap_or_else(|| {
            if is_regular(&per_minute) {
                Trigger::Timer
            } else {
                attributes::draw_trigger(identity)
            }
        });
        Self { id, trigger, per_minute, duration_ms, memory_mb, identity }
    }

    /// The memory the function must be given and is billed for: the 99th percentile of what it
    /// allocates.
    pub fn peak_memory(&self) -> Megabytes {
        Megabytes::new(self.memory_mb.quantile(PEAK_LEVEL))
    }

    /// Calls over the whole trace.
    pub fn invocations(&self) -> u64 {
        self.per_minute.iter().map(|count| u64::from(*count)).sum()
    }
}

const PEAK_LEVEL: f64 = 0.99;

/// A share of gaps and counts this large must be the same for calls to count as regular.
const REGULAR_SHARE: f64 = 0.95;
/// Fewer busy minutes than this show no rhythm.
const REGULAR_MINUTES: usize = 4;

/// Whether calls come at one distance and in one number, as from a clock.
fn is_regular(per_minute: &[u32]) -> bool {
    let busy: Vec<usize> = (0..per_minute.len()).filter(|&m| per_minute[m] > 0).collect();
    if busy.len() < REGULAR_MINUTES {
        return false;
    }
    let gaps: Vec<usize> = busy.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let counts: Vec<usize> = busy.iter().map(|&minute| per_minute[minute] as usize).collect();
    share_of_commonest(gaps) >= REGULAR_SHARE && share_of_commonest(counts) >= REGULAR_SHARE
}

fn share_of_commonest(mut values: Vec<usize>) -> f64 {
    values.sort_unstable();
    let longest = values.chunk_by(|a, b| a == b).map(<[usize]>::len).max().unwrap_or(0);
    longest as f64 / values.len().max(1) as f64
}

/// A recorded workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    functions: Vec<TracedFunction>,
    minutes: usize,
    start: UtcTime,
}

impl Trace {
    /// A trace that begins `start_minute` minutes after midnight.
    pub(crate) fn new(functions: Vec<TracedFunction>, minutes: usize, start_minute: usize) -> Self {
        let seconds = i64::try_from(start_minute).unwrap_or(0) * SECONDS_PER_MINUTE;
        Self::beginning(functions, minutes, TRACE_MIDNIGHT.plus_seconds(seconds))
    }

    /// A trace that begins at `start`.
    pub(crate) fn beginning(
        functions: Vec<TracedFunction>,
        minutes: usize,
        start: UtcTime,
    ) -> Self {
        Self { functions, minutes, start }
    }

    /// The same functions called more often: the counts of each function are multiplied by a factor
    /// of 1 to `most`, drawn evenly over the logarithm. Few functions of a trace are very busy, and
    /// what helps to forecast the others misleads on those.
    #[must_use]
    pub fn busier(&self, variation: u64, most: u32) -> Self {
        let more = |function: &TracedFunction| {
            let drawn = seed::unit(variation, function.identity, Purpose::Times, 0);
            let times = f64::from(most.max(1)).powf(drawn) as u32;
            let per_minute = function.per_minute.iter().map(|calls| calls.saturating_mul(times));
            TracedFunction { per_minute: per_minute.collect(), ..function.clone() }
        };
        Self { functions: self.functions.iter().map(more).collect(), ..*self }
    }

    /// Its functions, in the order of the file.
    pub fn functions(&self) -> &[TracedFunction] {
        &self.functions
    }

    /// How many minutes it spans.
    pub fn minutes(&self) -> usize {
        self.minutes
    }

    /// When it begins.
    pub fn start(&self) -> UtcTime {
        self.start
    }

    /// The moment `minute` minutes after it begins.
    pub fn time_of(&self, minute: usize) -> UtcTime {
        self.start.plus_seconds(i64::try_from(minute).unwrap_or(i64::MAX / 60) * SECONDS_PER_MINUTE)
    }

    /// The same trace with only the functions at these positions, for small experiments and tests.
    #[must_use]
    pub fn with_only(&self, positions: impl IntoIterator<Item = usize>) -> Self {
        let functions = positions.into_iter().filter_map(|p| self.functions.get(p).cloned());
        Self { functions: functions.collect(), ..*self }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::traces::test_trace;

    #[test]
    fn the_trace_was_observed_on_azure() {
        let catalogue = test_trace::research();
        let place = catalogue.describe(observed_on(&catalogue));
        assert_eq!(place, "azure-functions-consumption/eastus/1024");
    }

    #[test]
    fn busier_functions_keep_their_rhythm_and_differ_in_how_much_busier_they_are() {
        let trace = Trace::bundled().unwrap().with_only(0..200);
        let busier = trace.busier(3, 64);
        let mut times: Vec<u64> = Vec::new();
        for (before, after) in trace.functions().iter().zip(busier.functions()) {
            let factor = after.invocations() / before.invocations();
            let expected = before.per_minute.iter().map(|calls| calls * factor as u32);
            assert!(expected.eq(after.per_minute.iter().copied()) && factor <= 64);
            times.push(factor);
        }
        times.sort_unstable();
        // The middle of the logarithms.
        assert!((4..=16).contains(&times[times.len() / 2]), "{times:?}");
        assert_eq!(trace.busier(3, 1), trace);
        assert_ne!(trace.busier(4, 64), busier);
    }

    #[test]
    fn a_clock_is_told_from_people() {
        let every_fifth: Vec<u32> = (0..200).map(|m| u32::from(m % 5 == 3)).collect();
        assert!(is_regular(&every_fifth));
        let growing: Vec<u32> = (0..200).collect();
        assert!(!is_regular(&growing));
        assert!(!is_regular(&[1, 0, 0, 1, 0, 0, 1]));
    }
}
