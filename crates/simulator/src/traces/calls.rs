//! Reads single calls, one a line, in the format of the Azure Functions trace of 2021. Every byte
//! may be wrong, as in [`super::counts`].

use std::collections::HashMap;

use strata_domain::{DEFAULT_MEMORY_MB, FunctionId, UtcTime};

use super::{
    counts::{DURATION_COLUMNS, MAX_DURATION_MS, MAX_FUNCTIONS, MAX_MINUTES},
    csv_file::CsvFile,
    error::TraceError,
    percentiles::Percentiles,
    trace::{Recorded, Trace, TracedFunction},
    trigger::Trigger,
};

/// 2021-01-31T00:00:00Z, a Sunday: the first day of the trace
/// (`AzureFunctionsInvocationTrace2021.md` of `Azure/AzurePublicDataset`), whose seconds are taken
/// to count from midnight.
const TRACE_START: UtcTime = UtcTime::from_unix_seconds(1_612_051_200);

/// Application, function, end and length of a call in seconds.
pub(super) const COLUMNS: [&str; 4] = ["app", "func", "end_timestamp", "duration"];

/// Most bytes of one file after decompression: the whole fortnight has 305 MB.
const MAX_BYTES: u64 = 512 << 20;
/// Most calls of one trace; the whole fortnight has two million.
const MAX_CALLS: usize = 10_000_000;
/// Most counts of one trace, functions times minutes: 256 MB. The whole fortnight has nine million.
const MAX_COUNTS: usize = 64_000_000;

const SECONDS_PER_MINUTE: f64 = 60.0;
const MS_PER_SECOND: f64 = 1000.0;
const MAX_SECONDS: f64 = MAX_MINUTES as f64 * SECONDS_PER_MINUTE;

/// Whether the header is that of single calls.
pub(super) fn has_columns(table: &CsvFile<'_>) -> bool {
    COLUMNS.iter().all(|column| table.find(column).is_some())
}

/// The calls of one function, in the order of the file.
#[derive(Default)]
struct Calls {
    /// Minute of the trace in which each began.
    minutes: Vec<u16>,
    /// Run time of each, in ms.
    durations_ms: Vec<f64>,
}

/// The trace of a file of calls. Lines may stand in any order: functions are sorted by name.
pub(super) fn decode(mut table: CsvFile<'_>) -> Result<Trace, TraceError> {
    table.allow_bytes(MAX_BYTES);
    let mut columns = [0; COLUMNS.len()];
    for (slot, name) in columns.iter_mut().zip(COLUMNS) {
        *slot = table.column(name)?;
    }
    let [application, function, end, duration] = columns;
    let mut functions: HashMap<FunctionId, Calls> = HashMap::new();
    let (mut calls, mut minutes) = (0, 0);
    while table.next()? {
        let id = table.function_id(function, Some(application))?;
        let end_s = table.number(end, MAX_SECONDS)?;
        let duration_s = table.number(duration, MAX_DURATION_MS / MS_PER_SECOND)?;
        let minute = minute_of(end_s - duration_s);
        let known = functions.entry(id).or_default();
        known.minutes.push(minute);
        known.durations_ms.push(duration_s * MS_PER_SECOND);
        calls += 1;
        minutes = minutes.max(usize::from(minute) + 1);
        check_size(&table, Size { calls, functions: functions.len(), minutes })?;
    }
    if calls == 0 {
        return Err(table.problem("has no calls; add a line for each".to_owned()));
    }
    let mut functions: Vec<(FunctionId, Calls)> = functions.into_iter().collect();
    functions.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let traced = functions
        .into_iter()
        .map(|(id, calls)| traced(id, calls, minutes).map_err(|problem| table.problem(problem)))
        .collect::<Result<_, _>>()?;
    Ok(Trace::beginning(traced, minutes, TRACE_START))
}

/// What a trace would take in memory.
struct Size {
    calls: usize,
    functions: usize,
    minutes: usize,
}

/// Stops at the first line that makes the trace too large.
fn check_size(table: &CsvFile<'_>, size: Size) -> Result<(), TraceError> {
    let Size { calls, functions, minutes } = size;
    if calls > MAX_CALLS {
        return Err(table.problem(format!("more than {MAX_CALLS} calls; split the trace")));
    }
    if functions > MAX_FUNCTIONS {
        return Err(table.problem(format!("more than {MAX_FUNCTIONS} functions; split the trace")));
    }
    if functions * minutes > MAX_COUNTS {
        return Err(table.problem(format!(
            "{functions} functions in {minutes} minutes are more than {MAX_COUNTS} counts; split \
             the trace"
        )));
    }
    Ok(())
}

/// The minute in which a call began. One that was running when the trace began counts in its first
/// minute.
fn minute_of(start_s: f64) -> u16 {
    // Bounded before it is narrowed; a fortnight has 20,160 minutes.
    (start_s / SECONDS_PER_MINUTE).clamp(0.0, (MAX_MINUTES - 1) as f64) as u16
}

fn traced(id: FunctionId, calls: Calls, minutes: usize) -> Result<TracedFunction, String> {
    let Calls { minutes: began, mut durations_ms } = calls;
    let mut per_minute = vec![0; minutes];
    for minute in began {
        if let Some(count) = per_minute.get_mut(usize::from(minute)) {
            *count += 1;
        }
    }
    durations_ms.sort_unstable_by(f64::total_cmp);
    let levels =
        DURATION_COLUMNS.iter().map(|(_, level)| (*level, quantile(&durations_ms, *level)));
    Ok(TracedFunction::new(Recorded {
        id,
        trigger: Some(Trigger::Other),
        per_minute,
        duration_ms: Percentiles::new(levels.collect())?,
        memory_mb: Percentiles::new(vec![(1.0, DEFAULT_MEMORY_MB)])?,
    }))
}

/// The quantile of sorted values, interpolated between its neighbours; 0 of none.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let place = level * sorted.len().saturating_sub(1) as f64;
    let below = place as usize;
    let lower = sorted.get(below).copied().unwrap_or(0.0);
    let upper = sorted.get(below + 1).copied().unwrap_or(lower);
    // Rounding must not lift it above its neighbour.
    (lower + (place - below as f64) * (upper - lower)).min(upper)
}
