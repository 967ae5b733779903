//! DecideStream: many requests on one stream, answered in the order in which they finish.

use std::time::Instant;

use futures_util::{StreamExt, stream::FuturesUnordered};
use strata_chassis::{Deadline, Peer, trace::RemoteContext};
use strata_wire::pb::{self, decide_stream_response::Result as Answer};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::decider::{Decider, budget};
use crate::{deciding::Call, intake::MAX_CORRELATION_ID};

/// The answers of a stream.
pub(crate) type DecisionStream = ReceiverStream<Result<pb::DecideStreamResponse, Status>>;

/// The origin of a stream.
pub(crate) struct Origin {
    /// The span context of the stream's caller.
    pub(crate) parent: RemoteContext,
    /// The connection of the stream.
    pub(crate) peer: Peer,
}

/// Maximum number of answers that wait to be sent.
const ANSWERS: usize = 64;

/// Decides the requests of `inbound` until its caller ends the stream or the process drains.
pub(crate) fn decide(
    decider: Decider,
    inbound: Streaming<pb::DecideRequest>,
    origin: Origin,
) -> DecisionStream {
    let (answers, outbound) = mpsc::channel(ANSWERS);
    tokio::spawn(serve(decider, inbound, origin, answers));
    ReceiverStream::new(outbound)
}

async fn serve(
    decider: Decider,
    mut inbound: Streaming<pb::DecideRequest>,
    origin: Origin,
    answers: mpsc::Sender<Result<pb::DecideStreamResponse, Status>>,
) {
    let mut in_work = FuturesUnordered::new();
    let mut end = None;
    let drain = decider.drain.clone();
    let most = decider.limits.stream_in_flight;
    let mut started = std::pin::pin!(drain.started());
    while end.is_none() || !in_work.is_empty() {
        tokio::select! {
            Some(answer) = in_work.next() => {
                // The caller has left.
                if !drain.deliver(&answers, Ok(answer)).await {
                    return;
                }
            }
            request = inbound.next(), if end.is_none() && in_work.len() < most => {
                match request {
                    Some(Ok(request)) => in_work.push(one(&decider, request, &origin)),
                    Some(Err(status)) => end = Some(Err(status)),
                    None => end = Some(Ok(())),
                }
            }
            () = &mut started, if end.is_none() => end = Some(Err(draining())),
        }
    }
    if let Some(Err(status)) = end {
        // Has no effect when the caller has left.
        drain.deliver(&answers, Err(status)).await;
    }
}

async fn one(
    decider: &Decider,
    request: pb::DecideRequest,
    Origin { parent, peer }: &Origin,
) -> pb::DecideStreamResponse {
    let _accepted = decider.drain.guard();
    let correlation_id = match request.correlation_id.len() {
        0..=MAX_CORRELATION_ID => request.correlation_id.clone(),
        // The coordinator refuses the request below. The answer echoes only the beginning of the
        // id, because a whole one could make the answer too large to send.
        _ => beginning(&request.correlation_id),
    };
    let deadline = budget(&request, &decider.limits)
        .unwrap_or_else(|| Deadline::after(decider.limits.default_timeout));
    let call =
        Call { arrived: Instant::now(), deadline, parent, caller: peer.number(), unary: false };
    let decided = match decider.begin(peer) {
        Ok(_in_work) => decider.pipeline.decide(request, call).await,
        Err(fault) => Err(fault),
    };
    let answer = match decided {
        Ok(decision) => Answer::Decision(decision),
        Err(fault) => Answer::Fault(fault.into()),
    };
    pb::DecideStreamResponse { correlation_id, result: Some(answer) }
}

/// The longest prefix of a text that fits into a correlation id.
fn beginning(text: &str) -> String {
    let most = MAX_CORRELATION_ID.min(text.len());
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

/// The status with which the drain ends a stream.
pub(crate) fn draining() -> Status {
    Status::unavailable(
        "the coordinator is shutting down; everything read was answered, send the rest again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlong_id_is_echoed_in_part_and_whole_characters() {
        let id = format!("{}é tail", "x".repeat(MAX_CORRELATION_ID - 1));
        assert_eq!(beginning(&id), "x".repeat(MAX_CORRELATION_ID - 1));
        assert_eq!(beginning("short"), "short");
    }
}
