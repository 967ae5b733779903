//! DecideStream: many requests on one stream, answered as they are ready.

use std::time::Instant;

use futures_util::{StreamExt, stream::FuturesUnordered};
use strata_chassis::{Deadline, trace::RemoteContext};
use strata_wire::pb::{self, decide_stream_response::Result as Answer};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::{pipeline::Call, service::Decider};

/// The answers of a stream.
pub(crate) type DecisionStream = ReceiverStream<Result<pb::DecideStreamResponse, Status>>;

/// Answers that may wait to be sent.
const ANSWERS: usize = 64;

/// Decides what `inbound` asks until its caller ends it or the process drains.
pub(crate) fn decide(
    decider: Decider,
    inbound: Streaming<pb::DecideRequest>,
    parent: RemoteContext,
) -> DecisionStream {
    let (answers, outbound) = mpsc::channel(ANSWERS);
    tokio::spawn(serve(decider, inbound, parent, answers));
    ReceiverStream::new(outbound)
}

async fn serve(
    decider: Decider,
    mut inbound: Streaming<pb::DecideRequest>,
    parent: RemoteContext,
    answers: mpsc::Sender<Result<pb::DecideStreamResponse, Status>>,
) {
    let mut in_work = FuturesUnordered::new();
    let mut end = None;
    let drain = decider.drain.clone();
    while end.is_none() || !in_work.is_empty() {
        tokio::select! {
            Some(answer) = in_work.next() => {
                // The caller is gone: nobody is left to answer.
                if answers.send(Ok(answer)).await.is_err() {
                    return;
                }
            }
            request = inbound.next(), if end.is_none() && in_work.len() < decider.limits.stream_in_flight => {
                match request {
                    Some(Ok(request)) => in_work.push(one(&decider, request, &parent)),
                    Some(Err(status)) => end = Some(Err(status)),
                    None => end = Some(Ok(())),
                }
            }
            () = drain.started(), if end.is_none() => end = Some(Err(draining())),
        }
    }
    if let Some(Err(status)) = end {
        // The caller may be gone, which is all the same then.
        let _ = answers.send(Err(status)).await;
    }
}

async fn one(
    decider: &Decider,
    request: pb::DecideRequest,
    parent: &RemoteContext,
) -> pb::DecideStreamResponse {
    let _accepted = decider.drain.guard();
    let correlation_id = request.correlation_id.clone();
    let deadline = Deadline::after(decider.limits.default_timeout);
    let call = Call { arrived: Instant::now(), deadline, parent };
    let decided = decider.pipeline.decide(request, call).await;
    let answer = match decided {
        Ok(decision) => Answer::Decision(decision),
        Err(fault) => Answer::Fault(fault.into()),
    };
    pb::DecideStreamResponse { correlation_id, result: Some(answer) }
}

/// What a stream says that the drain ends.
pub(crate) fn draining() -> Status {
    Status::unavailable(
        "the coordinator is shutting down; everything read was answered, send the rest again",
    )
}
