//! Answers one request: checks, decodes, runs and encodes it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use strata_domain::FaultKind;
use strata_runtime::{Batch, InferError, Inference, RowStatus};
use strata_wire::{
    Fault,
    oip::{
        InferParameter, ModelInferRequest, ModelInferResponse, infer_parameter::ParameterChoice,
    },
};
use tracing::Span;

use super::{
    Oip,
    decode::{self, invalid},
    encode::{self, Form},
};
use crate::{models::Source, serving::faults};

/// The call with which a request arrived.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    /// The number of the caller's connection.
    pub(super) caller: u64,
    /// The deadline of the call, after which its rows are not run.
    pub(super) deadline: Option<Instant>,
    pub(super) span: &'a Span,
}

impl Oip {
    /// Runs the model on the rows of a request.
    ///
    /// # Errors
    /// A fault with the code that Triton would return.
    pub(super) async fn infer(
        &self,
        mut request: ModelInferRequest,
        call: Call<'_>,
    ) -> Result<ModelInferResponse, Fault> {
        let Call { span, .. } = call;
        let result = self.answer(&mut request, call).await;
        // Counts every row; a request that is refused before it has rows counts as one.
        let (rows, fault) = match &result {
            Ok((_, rows)) => (*rows, None),
            Err((fault, rows)) => (*rows, Some(fault)),
        };
        for _ in 0..rows {
            self.0.metrics.answered(fault.map(|fault| fault.kind));
        }
        if let Some(fault) = fault {
            strata_chassis::trace::fail(span, &fault.message);
        }
        result.map(|(response, _)| response).map_err(|(fault, _)| fault)
    }

    async fn answer(
        &self,
        request: &mut ModelInferRequest,
        Call { caller, deadline, span }: Call<'_>,
    ) -> Result<(ModelInferResponse, usize), (Fault, usize)> {
        let arrived = Instant::now();
        let refused = |fault| (fault, 1);
        let runner = self.served(&request.model_name, &request.model_version).map_err(refused)?;
        let model = runner.model();
        let manifest = model.manifest();
        let patience = Patience::of(request, arrived, deadline).map_err(refused)?;
        let outputs = encode::asked(manifest, request).map_err(refused)?;
        let rows = decode::rows(manifest, model.max_batch(), request).map_err(refused)?;
        let id = std::mem::take(&mut request.id);
        let extent = rows.extents.first().copied();
        let form = Form { id, outputs, extent, raw: rows.raw };
        let batch = Batch {
            rows: rows.count,
            inputs: rows.inputs,
            extents: rows.extents,
            deadlines: vec![patience.end; rows.count],
        };
        let inference = runner.run(batch, Source { caller, alone: false }).await;
        let inference = inference.map_err(|error| (fault_like_triton(&error), rows.count))?;
        runner.report(&inference, arrived).annotate(self.0.layer, span);
        patience.check(&inference).map_err(|fault| (fault, rows.count))?;
        Ok((encode::response(manifest, form, inference), rows.count))
    }
}

/// The deadline of the rows of a request.
struct Patience {
    end: Option<Instant>,
    /// Whether the deadline comes from the request's own parameter rather than from the call.
    own: bool,
}

impl Patience {
    fn of(
        request: &ModelInferRequest,
        arrived: Instant,
        deadline: Option<Instant>,
    ) -> Result<Self, Fault> {
        let own = timeout(&request.parameters)?.and_then(|timeout| arrived.checked_add(timeout));
        Ok(match (own, deadline) {
            (Some(own), Some(deadline)) if own >= deadline => {
                Self { end: Some(deadline), own: false }
            }
            (Some(own), _) => Self { end: Some(own), own: true },
            (None, end) => Self { end, own: false },
        })
    }

    /// Whether every row was answered.
    fn check(&self, inference: &Inference) -> Result<(), Fault> {
        match inference.rows.iter().find(|row| **row != RowStatus::Done) {
            None => Ok(()),
            Some(RowStatus::Expired) if self.own => {
                Err(Fault::new(FaultKind::Unavailable, "request timeout expired"))
            }
            failed => faults::check(failed),
        }
    }
}

/// The parameter that sets the timeout of a request. Zero means no timeout, as in Triton.
fn timeout(parameters: &HashMap<String, InferParameter>) -> Result<Option<Duration>, Fault> {
    let Some(parameter) = parameters.get("timeout") else { return Ok(None) };
    let micros = match parameter.parameter_choice {
        Some(ParameterChoice::Int64Param(micros)) => u64::try_from(micros).ok(),
        Some(ParameterChoice::Uint64Param(micros)) => Some(micros),
        _ => None,
    };
    match micros {
        None => Err(invalid("parameter `timeout` must be an int64_param of microseconds")),
        Some(0) => Ok(None),
        Some(micros) => Ok(Some(Duration::from_micros(micros))),
    }
}

/// Returns the code that Triton would. Triton answers UNAVAILABLE when its queue is full, and
/// clients made for Triton retry on that code.
fn fault_like_triton(error: &InferError) -> Fault {
    match error {
        InferError::QueueFull { .. }
        | InferError::CallerFull { .. }
        | InferError::WouldBeLate { .. } => {
            Fault { kind: FaultKind::Unavailable, ..faults::of(error) }
        }
        // The shapes were checked before, so that a value of the mask is what is wrong.
        InferError::Shape(_) => invalid(error.to_string()),
        _ => faults::of(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serving::faults::RETRY_AFTER;

    fn request(timeout: ParameterChoice) -> ModelInferRequest {
        let value = InferParameter { parameter_choice: Some(timeout) };
        ModelInferRequest {
            parameters: [("timeout".to_owned(), value)].into(),
            ..Default::default()
        }
    }

    #[test]
    fn the_earlier_of_two_ends_counts() {
        let now = Instant::now();
        let second = now + Duration::from_secs(1);
        let of = |timeout, deadline| Patience::of(&request(timeout), now, deadline).unwrap();
        let short = of(ParameterChoice::Int64Param(1000), Some(second));
        assert_eq!((short.end, short.own), (Some(now + Duration::from_millis(1)), true));
        let long = of(ParameterChoice::Int64Param(i64::MAX), Some(second));
        assert_eq!((long.end, long.own), (Some(second), false));
        let none = of(ParameterChoice::Uint64Param(0), None);
        assert_eq!((none.end, none.own), (None, false));
        // A timeout beyond the range of the clock means no timeout and does not panic.
        let _ = of(ParameterChoice::Uint64Param(u64::MAX), None);
    }

    #[test]
    fn a_request_that_waited_too_long_has_the_code_of_whose_end_it_was() {
        let code = |own: bool, row: RowStatus| {
            let inference = Inference {
                outputs: Vec::new(),
                slices: Default::default(),
                rows: vec![RowStatus::Done, row],
                queue: Duration::ZERO,
                run: Duration::ZERO,
                batch_size: 0,
            };
            Patience { end: None, own }.check(&inference).err().map(|fault| fault.kind)
        };
        assert_eq!(code(true, RowStatus::Done), None);
        assert_eq!(code(true, RowStatus::Expired), Some(FaultKind::Unavailable));
        assert_eq!(code(false, RowStatus::Expired), Some(FaultKind::DeadlineExceeded));
        assert_eq!(code(true, RowStatus::NonFinite), Some(FaultKind::Internal));
    }

    #[test]
    fn a_full_queue_is_unavailable_with_advice() {
        let fault = fault_like_triton(&InferError::QueueFull { limit: 1024 });
        assert_eq!((fault.kind, fault.retry_after), (FaultKind::Unavailable, Some(RETRY_AFTER)));
        let retry_after = Duration::from_millis(7);
        let late = InferError::WouldBeLate { wait: Duration::from_millis(12), retry_after };
        let (here, there) = (fault_like_triton(&late), faults::of(&late));
        assert_eq!((here.kind, here.retry_after), (FaultKind::Unavailable, Some(retry_after)));
        assert_eq!(
            (there.kind, there.retry_after),
            (FaultKind::ResourceExhausted, Some(retry_after))
        );
        assert_eq!(fault_like_triton(&InferError::Stopped).kind, FaultKind::Unavailable);
    }

    #[test]
    fn a_timeout_is_a_number_of_microseconds() {
        for wrong in [
            ParameterChoice::Int64Param(-1),
            ParameterChoice::BoolParam(true),
            ParameterChoice::StringParam("1s".to_owned()),
        ] {
            let fault = Patience::of(&request(wrong), Instant::now(), None).err().unwrap();
            assert_eq!(fault.kind, FaultKind::InvalidArgument);
        }
    }
}
