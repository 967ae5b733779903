//! Many requests on one stream, answered in the order of the requests.

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

/// Maximum number of requests of one stream in progress; HTTP/2 flow control holds the rest back.
const MAX_REQUESTS: usize = 64;
/// Maximum number of answers that wait to be sent.
const ANSWERS: usize = 16;

impl Oip {
    /// Answers the requests of a stream until its caller ends it or the process drains.
    ///
    /// # Errors
    /// `Unavailable` when the process already drains.
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

    /// Answers one request; a fault becomes a message like any other.
    async fn stream_answer(
        &self,
        request: ModelInferRequest,
        caller: u64,
    ) -> ModelStreamInferResponse {
        let id = request.id.clone();
        let asks_for_final = asks_for_final(&request);
        // Streamed requests have no gRPC deadline of their own; the parameter `timeout` sets one.
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

/// The service, and the caller of a stream.
struct Caller {
    oip: Oip,
    /// The number of the caller's connection.
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
                // The caller has left.
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
            // The protocol has no drain notice: the layer answers what it has read, then ends the
            // stream.
            () = &mut started, if reading => (reading, outcome) = (false, Err(draining())),
        }
    }
    if let Err(status) = outcome {
        // Has no effect when the caller has left.
        drain.deliver(&answers, Err(status)).await;
    }
}

fn draining() -> Status {
    Status::unavailable("the layer is shutting down; send the rest again on a new stream")
}

/// Whether a client wants the last answer to a request marked. Every answer here is the last.
fn asks_for_final(request: &ModelInferRequest) -> bool {
    let asked = request.parameters.get("triton_enable_empty_final_response");
    matches!(
        asked,
        Some(InferParameter { parameter_choice: Some(ParameterChoice::BoolParam(true)) })
    )
}
