//! A stream of frames: read, answer as they are ready, drain.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream::FuturesUnordered};
use strata_chassis::{Drain, Peer};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    engine::{Asked, Service},
    frame::{Framed, MAX_ROWS},
    runner::Company,
};

/// The answers of a stream.
pub(crate) type ResultStream<R> = ReceiverStream<Result<R, Status>>;

/// Frames of one stream that may be in work at once; more stay with the caller, by HTTP/2's flow control.
const MAX_FRAMES: usize = 64;
/// Answers that may wait to be sent.
const ANSWERS: usize = 16;
/// Silence after which a caller that was told of a drain is not waited for any longer.
const SILENCE: Duration = Duration::from_secs(1);

impl<A: Framed> Service<A> {
    /// Answers the frames of a call until its caller ends it or the process drains.
    ///
    /// # Errors
    /// `Unavailable` when it drains already: a new stream would be ended at once.
    pub(crate) fn stream(
        &self,
        call: Request<Streaming<A::Frame>>,
    ) -> Result<Response<ResultStream<A::FrameResult>>, Status> {
        if self.drain().is_started() {
            return Err(Status::unavailable("the layer is shutting down"));
        }
        let (answers, outbound) = mpsc::channel(ANSWERS);
        let company = Company::of(&Peer::of(&call));
        let caller = Caller { service: self.clone(), company };
        tokio::spawn(serve(caller, call.into_inner(), answers));
        Ok(Response::new(ReceiverStream::new(outbound)))
    }
}

/// Who asks whom.
struct Caller<A> {
    service: Service<A>,
    company: Company,
}

async fn serve<A: Framed>(
    Caller { service, company }: Caller<A>,
    mut inbound: Streaming<A::Frame>,
    answers: mpsc::Sender<Result<A::FrameResult, Status>>,
) {
    let mut in_work = FuturesUnordered::new();
    let mut reading = true;
    let mut outcome = Ok(());
    let mut linger: Option<Linger> = None;
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
                    Ok((frame_id, asked)) => in_work.push(work(service.clone(), frame_id, asked, company)),
                    Err(status) => (reading, outcome) = (false, Err(status)),
                },
                Some(Err(status)) => (reading, outcome) = (false, Err(status)),
                None => reading = false,
            },
            () = &mut started, if reading && linger.is_none() => {
                if !drain.deliver(&answers, Ok(A::notice())).await {
                    return;
                }
                linger = Some(Linger::new(&drain));
            }
            () = Linger::over(linger.as_ref()), if reading => reading = false,
        }
        linger.iter_mut().for_each(Linger::prolong);
    }
    if let Err(status) = outcome {
        // The caller may be gone, which is all the same then.
        drain.deliver(&answers, Err(status)).await;
    }
}

/// How long a caller that was told of the drain is still read: until it ends its side, as a good one does, is silent for a while, or half of the
/// grace budget is gone. Frames that were on their way are so answered, too.
struct Linger {
    silent_since: Instant,
    end: Instant,
}

impl Linger {
    fn new(drain: &Drain) -> Self {
        let now = Instant::now();
        Self { silent_since: now, end: now + drain.remaining() / 2 }
    }

    /// Something came or went.
    fn prolong(&mut self) {
        self.silent_since = Instant::now();
    }

    /// Completes when nothing more is to be read; never while nothing is drained.
    async fn over(linger: Option<&Self>) {
        match linger {
            Some(linger) => {
                let until = linger.end.min(linger.silent_since + SILENCE);
                tokio::time::sleep_until(until.into()).await;
            }
            None => std::future::pending().await,
        }
    }
}

type Admitted<A> = (u64, Vec<Asked<<A as crate::adapter::Adapter>::Request>>);

fn admit<A: Framed>(frame: A::Frame, arrived: Instant) -> Result<Admitted<A>, Status> {
    let (frame_id, rows) = A::open(frame);
    if rows.is_empty() || rows.len() > MAX_ROWS {
        let mut violations = strata_wire::Violations::new();
        violations.add("rows", format_args!("must be 1 to {MAX_ROWS}, are {}", rows.len()));
        return Err(violations.into_fault().into());
    }
    let asked = rows.into_iter().map(|row| Asked::from_row::<A>(row, arrived)).collect();
    Ok((frame_id, asked))
}

async fn work<A: Framed>(
    service: Service<A>,
    frame_id: u64,
    asked: Vec<Asked<A::Request>>,
    company: Company,
) -> A::FrameResult {
    let _accepted = service.drain().guard();
    A::close(frame_id, service.answer(asked, company).await)
}
