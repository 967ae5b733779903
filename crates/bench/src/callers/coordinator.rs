//! Callers of `Decide`.

use std::sync::Arc;

use strata_load::{Caller, outcome};
use strata_wire::pb::{self, coordinator_client::CoordinatorClient};
use tonic::transport::Channel;

/// Multiplier that spreads consecutive numbers over the functions: 2^32 over the golden ratio
/// (Knuth, The Art of Computer Programming, 6.4).
const SPREAD: usize = 2_654_435_761;

/// Calls `Decide` of a coordinator, or of the echo server.
#[derive(Clone)]
pub(crate) struct Decide {
    pub(crate) client: CoordinatorClient<Channel>,
    /// The requests, sent in turn.
    pub(crate) requests: Arc<Vec<pb::DecideRequest>>,
    /// How many different functions the requests name, in place of their own.
    pub(crate) functions: Option<usize>,
}

impl Decide {
    fn request(&self, number: usize) -> pb::DecideRequest {
        let mut request = self.requests[number % self.requests.len()].clone();
        if let (Some(functions), Some(function)) = (self.functions, &mut request.function) {
            function.function = format!("f{}", number.wrapping_mul(SPREAD) % functions);
        }
        request
    }
}

impl Caller for Decide {
    async fn call(&mut self, number: usize) -> Result<(), &'static str> {
        let request = self.request(number);
        outcome(self.client.decide(request).await)
    }
}
