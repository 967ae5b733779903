//! A stream of frames: read, answer as they are ready, drain.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream::FuturesUnordered};
use strata_chassis::{Drain, Peer};
use strata_wire::{Hop, Violations};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Asked, Service};
use crate::adapter::Adapter;

/// Most rows in a frame, as the contract says.
pub(crate) const MAX_ROWS: usize = 1024;

/// The answers of a stream.
pub(crate) type ResultStream<R> = ReceiverStream<Result<R, Status>>;

/// Frames of one stream that may be in work at once; more stay with the caller, by HTTP/2's flow
/// control.
const MAX_FRAMES: usize = 64;
/// Answers that may wait to be sent.
const ANSWERS: usize = 16;
/// Silence after which a caller that was told of a drain is not waited for any longer.
const SILENCE: Duration = Duration::from_secs(1);

impl<A: Adapter> Service<A> {
    /// Answers the frames of a call until its caller ends it or the process drains.
    ///
    /// # Errors
    /// `Unavailable` when it drains already: a new stream would be ended at once.
    pub(crate) fn stream(
        &self,
        call: Request<Streaming<Frame<A>>>,
    ) -> Result<Response<ResultStream<FrameResult<A>>>, Status> {
        if self.drain().is_started() {
            return Err(Status::unavailable("the layer is shutting down"));
        }
        let (answers, outbound) = mpsc::channel(ANSWERS);
        let number = Peer::of(&call).number();
        let caller = Caller { service: self.clone(), number };
        tokio::spawn(serve(caller, call.into_inner(), answers));
        Ok(Response::new(ReceiverStream::new(outbound)))
    }
}

/// Who asks whom.
struct Caller<A> {
    service: Service<A>,
    /// The number of the connection.
    number: u64,
}

type Frame<A> = <<A as Adapter>::Hop as Hop>::Frame;
type FrameResult<A> = <<A as Adapter>::Hop as Hop>::FrameResult;

async fn serve<A: Adapter>(
    Caller { service, number }: Caller<A>,
    mut inbound: Streaming<Frame<A>>,
    answers: mpsc::Sender<Result<FrameResult<A>, Status>>,
) {
    let mut in_work = FuturesUnordered::new();
    let mut reading = true;
    let mut outcome = Ok(());
    let mut window: Option<DrainWindow> = None;
    let drain = service.drain().clone();
    let mut started = std::pin::pin!(drain.started());
    while reading || !in_work.is_empty() {
        tokio::select! {
            Some(result) = in_work.next() => {
                // The caller is gone: nobody is left to answer.
                if !drain.deliver(&answers, Ok(result)).await {
                    return;
                }
            }
            frame = inbound.next(), if reading && in_work.len() < MAX_FRAMES => match frame {
                Some(Ok(frame)) => match admit::<A>(frame, Instant::now()) {
                    Ok(frame) => in_work.push(work(service.clone(), frame, number)),
                    Err(status) => (reading, outcome) = (false, Err(status)),
                },
                Some(Err(status)) => (reading, outcome) = (false, Err(status)),
                None => reading = false,
            },
            () = &mut started, if reading && window.is_none() => {
                if !drain.deliver(&answers, Ok(A::Hop::drain_notice())).await {
                    return;
                }
                window = Some(DrainWindow::new(&drain));
            }
            () = DrainWindow::over(window.as_ref()), if reading => reading = false,
        }
        window.iter_mut().for_each(DrainWindow::prolong);
    }
    if let Err(status) = outcome {
        // The caller may be gone, which is all the same then.
        drain.deliver(&answers, Err(status)).await;
    }
}

/// How long a caller that was told of the drain is still read: until it ends its side, as a good
/// one does, is silent for a while, or half of the grace budget is gone. Frames that were on their
/// way are so answered, too.
struct DrainWindow {
    silent_since: Instant,
    end: Instant,
}

impl DrainWindow {
    fn new(drain: &Drain) -> Self {
        let now = Instant::now();
        Self { silent_since: now, end: now + drain.remaining() / 2 }
    }

    /// Something came or went.
    fn prolong(&mut self) {
        self.silent_since = Instant::now();
    }

    /// Completes when nothing more is to be read; never while nothing is drained.
    async fn over(window: Option<&Self>) {
        match window {
            Some(window) => {
                let until = window.end.min(window.silent_since + SILENCE);
                tokio::time::sleep_until(until.into()).await;
            }
            None => std::future::pending().await,
        }
    }
}

type Admitted<A> = (u64, Vec<Asked<A>>);

fn admit<A: Adapter>(frame: Frame<A>, arrived: Instant) -> Result<Admitted<A>, Status> {
    let (frame_id, rows) = A::Hop::rows(frame);
    if rows.is_empty() || rows.len() > MAX_ROWS {
        let mut violations = Violations::new();
        violations.add("rows", format_args!("must be 1 to {MAX_ROWS}, are {}", rows.len()));
        return Err(violations.into_fault().into());
    }
    let asked = rows.into_iter().map(|row| Asked::from_row(row, arrived)).collect();
    Ok((frame_id, asked))
}

async fn work<A: Adapter>(
    service: Service<A>,
    (frame_id, asked): Admitted<A>,
    caller: u64,
) -> FrameResult<A> {
    let _accepted = service.drain().guard();
    A::Hop::frame_result(frame_id, service.answer(asked, caller).await)
}
