//! Many requests on one stream, answered in their order.

use futures_util::{StreamExt, stream::FuturesOrdered};
use strata_wire::oip::{
    InferParameter, ModelInferRequest, ModelInferResponse, ModelStreamInferResponse,
    infer_parameter::ParameterChoice,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use tracing::Span;

use super::{Oip, encode, infer::Call};

/// The answers of a stream.
pub(super) type Answers = ReceiverStream<Result<ModelStreamInferResponse, Status>>;

/// Requests of one stream that may be in work at once; more stay with the caller, by HTTP/2's flow
/// control.
const MAX_REQUESTS: usize = 64;
/// Answers that may wait to be sent.
const ANSWERS: usize = 16;

impl Oip {
    /// Answers the requests of a stream until its caller ends it or the process drains.
    ///
    /// # Errors
    /// `Unavailable` when it drains already.
    pub(super) fn stream(
        &self,
        inbound: Streaming<ModelInferRequest>,
        number: u64,
    ) -> Result<Answers, Status> {
        if self.0.drain.is_started() {
            return Err(draining());
        }
        let (answers, outbound) = mpsc::channel(ANSWERS);
        let caller = Caller { oip: self.clone(), number };
        tokio::spawn(serve(caller, inbound, answers));
        Ok(ReceiverStream::new(outbound))
    }

    /// The answer to one request: a fault of it is a message like others.
    async fn stream_answer(
        &self,
        request: ModelInferRequest,
        caller: u64,
    ) -> ModelStreamInferResponse {
        let id = request.id.clone();
        let asks_for_final = asks_for_final(&request);
        // A stream has no deadline for each request; the parameter `timeout` is one.
        let result =
            self.infer(request, Call { caller, deadline: None, span: &Span::none() }).await;
        let (mut response, error_message) = match result {
            Ok(response) => (response, String::new()),
            Err(fault) => (ModelInferResponse { id, ..Default::default() }, fault.message),
        };
        if asks_for_final {
            encode::mark_final(&mut response);
        }
        ModelStreamInferResponse { error_message, infer_response: Some(response) }
    }
}

/// Who asks whom.
struct Caller {
    oip: Oip,
    /// The number of the connection.
    number: u64,
}

async fn serve(
    Caller { oip, number }: Caller,
    mut inbound: Streaming<ModelInferRequest>,
    answers: mpsc::Sender<Result<ModelStreamInferResponse, Status>>,
) {
    let drain = oip.0.drain.clone();
    let mut in_work = FuturesOrdered::new();
    let mut outcome = Ok(());
    let mut reading = true;
    let mut started = std::pin::pin!(drain.started());
    while reading || !in_work.is_empty() {
        tokio::select! {
            Some(answer) = in_work.next() => {
                // The caller is gone: nobody is left to answer.
                if !drain.deliver(&answers, Ok(answer)).await {
                    return;
                }
            }
            request = inbound.next(), if reading && in_work.len() < MAX_REQUESTS => match request {
                Some(Ok(request)) => {
                    let (oip, accepted) = (oip.clone(), drain.guard());
                    in_work.push_back(async move {
                        let _accepted = accepted;
                        oip.stream_answer(request, number).await
                    });
                }
                Some(Err(status)) => (reading, outcome) = (false, Err(status)),
                None => reading = false,
            },
            // The protocol has no word for it: what was read is answered, then the stream ends.
            () = &mut started, if reading => (reading, outcome) = (false, Err(draining())),
        }
    }
    if let Err(status) = outcome {
        // The caller may be gone, which is all the same then.
        drain.deliver(&answers, Err(status)).await;
    }
}

fn draining() -> Status {
    Status::unavailable("the layer is shutting down; send the rest again on a new stream")
}

/// Whether a client wants to be told that an answer is the last of its request, as it always is.
fn asks_for_final(request: &ModelInferRequest) -> bool {
    let asked = request.parameters.get("triton_enable_empty_final_response");
    matches!(
        asked,
        Some(InferParameter { parameter_choice: Some(ParameterChoice::BoolParam(true)) })
    )
}
