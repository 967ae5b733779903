//! A stream of frames: reads them, answers them in the order in which they finish, and drains.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream::FuturesUnordered};
use strata_chassis::{Drain, Peer};
use strata_wire::{Hop, Violations};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Asked, Service};
use crate::adapter::Adapter;

/// Maximum number of rows in a frame, as the contract specifies.
pub(crate) const MAX_ROWS: usize = 1024;

/// The answers of a stream.
pub(crate) type ResultStream<R> = ReceiverStream<Result<R, Status>>;

/// Maximum number of frames of one stream in progress; HTTP/2 flow control holds the rest back.
const MAX_FRAMES: usize = 64;
/// Maximum number of answers that wait to be sent.
const ANSWERS: usize = 16;
/// After this time without messages, the layer stops reading a stream that has a drain notice.
const SILENCE: Duration = Duration::from_secs(1);

impl<A: Adapter> Service<A> {
    /// Answers the frames of a call until its caller ends the stream or the process drains.
    ///
    /// # Errors
    /// `Unavailable` when the process already drains: it would end a new stream at once.
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

/// The service, and the caller of a stream.
struct Caller<A> {
    service: Service<A>,
    /// The number of the caller's connection.
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
                // The caller has left.
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
        // Has no effect when the caller has left.
        drain.deliver(&answers, Err(status)).await;
    }
}

/// How long the layer reads a stream after its drain notice: until the caller ends its side, as a
/// well-behaved one does, until it has been silent for a while, or until half of the grace budget
/// is spent. This way frames that were in flight are answered.
struct DrainWindow {
    silent_since: Instant,
    end: Instant,
}

impl DrainWindow {
    fn new(drain: &Drain) -> Self {
        let now = Instant::now();
        Self { silent_since: now, end: now + drain.remaining() / 2 }
    }

    /// Notes that a message was received or sent.
    fn prolong(&mut self) {
        self.silent_since = Instant::now();
    }

    /// Completes when the layer should stop reading; never without a drain.
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
