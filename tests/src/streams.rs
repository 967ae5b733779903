//! Answers of `DecideStream`.

use strata_wire::pb::{DecideStreamResponse, decide_stream_response::Result as Answer};
use tonic::{Status, Streaming};

/// Reads a stream until the server ends it with a status. Returns the number of decisions and the
/// status.
///
/// # Panics
/// When an answer is a fault, or the stream ends without a status.
pub async fn decisions_until_error(
    answers: &mut Streaming<DecideStreamResponse>,
) -> (usize, Status) {
    let mut decisions = 0;
    loop {
        match answers.message().await {
            Ok(Some(answer)) => {
                assert!(matches!(answer.result, Some(Answer::Decision(_))), "{answer:?}");
                decisions += 1;
            }
            Ok(None) => panic!("the stream ended without a status"),
            Err(status) => return (decisions, status),
        }
    }
}
