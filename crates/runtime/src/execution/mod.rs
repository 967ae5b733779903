//! Running a model: its sessions, the threads that own them, and the queue before them.

mod batch;
mod batcher;
mod graph;
mod layout;
mod model;
mod options;
mod owner;
mod prepared;
mod priority;
mod provider;
mod queue;
mod run_time;
mod runs;
mod session;
mod start_error;

pub use batch::{Batch, InferError, Inference, RowSlices, RowStatus};
pub use graph::Mismatch;
pub use model::Model;
pub use options::ModelOptions;
pub use prepared::Prepared;
pub use priority::stand_aside;
pub use provider::{ExecutionProvider, UnknownProvider};
pub use runs::Runs;
pub use start_error::StartError;
