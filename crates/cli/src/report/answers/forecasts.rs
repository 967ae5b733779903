//! The forecasts of the operational layer, requested as the coordinator requests them.

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use strata_load::{Refusal, calls_to_pb, channel, step_to_pb};
use strata_simulator::{Cohort, Split, Window, WindowOptions};
use strata_wire::{
    pb,
    pb::{forecast_row_result::Result as Answer, operational_client::OperationalClient},
    time_to_pb,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::report::subject::Subject;

/// About how many windows are requested at most.
const MAX_WINDOWS: usize = 150_000;
/// Rows of a frame.
const ROWS: usize = 512;
/// Frames in flight: the queue of the layer must hold their rows.
const FRAMES: usize = 2;
const SECONDS_PER_STEP: i64 = 15;

/// A forecast: the next values, and their upper bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Forecast {
    pub(crate) point: [f64; 3],
    pub(crate) upper: [f64; 3],
}

/// Windows and their forecasts, function by function.
#[derive(Debug, Default)]
pub(crate) struct Forecasts {
    pub(crate) windows: Vec<Window>,
    pub(crate) answers: Vec<Forecast>,
    pub(crate) stride: usize,
}

/// A window and its forecast.
pub(crate) type Answered<'a> = (&'a Window, &'a Forecast);

impl Forecasts {
    /// The windows with their forecasts.
    pub(crate) fn answered(&self) -> impl Iterator<Item = Answered<'_>> {
        self.windows.iter().zip(&self.answers)
    }
}

/// Asks the layer at `endpoint` for a forecast on the windows of the scope, idle ones included.
///
/// # Errors
/// When the layer cannot be reached, or refuses a row.
pub(super) async fn ask(
    subject: &Subject,
    endpoint: &str,
    bar: &ProgressBar,
) -> anyhow::Result<Forecasts> {
    let all: usize = of_scope(subject, 1, &mut |_| ());
    // An odd stride reaches every quarter of a minute.
    let stride = all.div_ceil(MAX_WINDOWS).max(1) | 1;
    let mut windows = Vec::new();
    of_scope(subject, stride, &mut |window| windows.push(window));
    bar.set_message("forecasts");
    bar.set_length(windows.len() as u64);
    bar.reset();
    let mut answers = vec![Forecast::default(); windows.len()];
    let mut frames = windows.chunks(ROWS).enumerate();
    let (sender, receiver) = mpsc::channel(FRAMES);
    let mut sender = Some(sender);
    let mut waiting = 0;
    for _ in 0..FRAMES {
        waiting += usize::from(send(subject, &mut sender, frames.next())?);
    }
    let mut client = OperationalClient::new(channel(endpoint)?);
    let lost = || format!("the stream to {endpoint} ended");
    let results = client.forecast_stream(ReceiverStream::new(receiver)).await;
    let mut results = results.map_err(Refusal::of).with_context(lost)?.into_inner();
    while waiting > 0 {
        let frame = results.message().await.map_err(Refusal::of).with_context(lost)?;
        let frame = frame.with_context(lost)?;
        if frame.draining {
            bail!("{endpoint} is shutting down");
        }
        let first = usize::try_from(frame.frame_id).unwrap_or(usize::MAX).saturating_sub(1);
        let place = answers.chunks_mut(ROWS).nth(first).context("an answer to no frame")?;
        take(place, frame.rows)?;
        bar.inc(place.len() as u64);
        waiting -= 1;
        waiting += usize::from(send(subject, &mut sender, frames.next())?);
    }
    Ok(Forecasts { windows, answers, stride })
}

/// Passes every window of the scope to `taken` and returns their number.
fn of_scope(subject: &Subject, stride: usize, taken: &mut impl FnMut(Window)) -> usize {
    let (world, scope) = (&subject.world, subject.scope);
    let mut count = 0;
    for (function, traced) in world.trace().functions().iter().enumerate() {
        if scope.cohort.is_some_and(|cohort| cohort != Cohort::of(traced)) {
            continue;
        }
        for split in Split::ALL.into_iter().filter(|split| scope.split.is_none_or(|s| s == *split))
        {
            let options = WindowOptions { stride, skip_idle: false, ..WindowOptions::default() };
            for window in world.windows_of(function, split, options) {
                count += 1;
                taken(window);
            }
        }
    }
    count
}

/// Sends a frame; without one, the last was sent, and the stream is half-closed.
fn send(
    subject: &Subject,
    sender: &mut Option<mpsc::Sender<pb::ForecastFrame>>,
    frame: Option<(usize, &[Window])>,
) -> anyhow::Result<bool> {
    let Some((number, windows)) = frame else {
        *sender = None;
        return Ok(false);
    };
    let rows: Option<Vec<pb::ForecastRow>> =
        windows.iter().map(|window| row(subject, window)).collect();
    let rows = rows.context("a window of a function that is not in the trace")?;
    let frame = pb::ForecastFrame { frame_id: number as u64 + 1, rows };
    let sender = sender.as_ref().context("a frame after the last")?;
    sender.try_send(frame).context("a frame in flight too many")?;
    Ok(true)
}

fn row(subject: &Subject, window: &Window) -> Option<pb::ForecastRow> {
    let trace = subject.world.trace();
    let placement = subject.world.attributes(window.function)?.placement;
    let passed = i64::try_from(window.target_step).ok()? * SECONDS_PER_STEP;
    let request = pb::ForecastRequest {
        at: Some(time_to_pb(trace.start().plus_seconds(passed))),
        steps: window.steps().iter().map(step_to_pb).collect(),
        memory_mb: placement.memory_mb,
        keep_alive_minutes: window.keep_alive_minutes,
        calls: Some(calls_to_pb(&window.calls)),
        ..Default::default()
    };
    Some(pb::ForecastRow { request: Some(request), ..pb::ForecastRow::default() })
}

fn take(places: &mut [Forecast], rows: Vec<pb::ForecastRowResult>) -> anyhow::Result<()> {
    if places.len() != rows.len() {
        bail!("{} answers to {} questions", rows.len(), places.len());
    }
    for (place, row) in places.iter_mut().zip(rows) {
        let forecast = match row.result {
            Some(Answer::Response(response)) => response.forecast,
            Some(Answer::Fault(fault)) => {
                bail!("a forecast was refused: {}: {}", fault.kind().as_str_name(), fault.message)
            }
            None => None,
        };
        let forecast = forecast.context("an answer without forecast")?;
        let point = [forecast.request_rate, forecast.memory_util, forecast.cpu_util];
        *place = Forecast { point, upper: upper_bound(&forecast) };
    }
    Ok(())
}

/// The upper bounds of the next step; the forecast itself if the model gives no bound.
fn upper_bound(forecast: &pb::Forecast) -> [f64; 3] {
    [
        forecast.request_rate_upper.unwrap_or(forecast.request_rate),
        forecast.memory_util_upper.unwrap_or(forecast.memory_util),
        forecast.cpu_util_upper.unwrap_or(forecast.cpu_util),
    ]
}
