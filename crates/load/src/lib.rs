//! Load for running services: decision requests made from the trace, loops and streams that send
//! them, and the latencies of the answers.
//!
//! This crate starts no service and shows no figure.

mod closed;
mod connection;
mod latencies;
mod measured;
mod open;
mod refusal;
mod stream;
mod trace_requests;

pub use closed::{CALLERS_PER_CONNECTION, Caller, run_closed};
pub use connection::{DEFAULT_ENDPOINT, channel, coordinator};
pub use latencies::Latencies;
pub use measured::{Errors, Measured};
pub use open::{OpenLoad, run_open};
pub use refusal::{Refusal, outcome};
pub use stream::{Stream, run_stream};
pub use trace_requests::{
    Part, TraceRequest, calls_to_pb, decide_request, step_to_pb, trace_requests,
};
