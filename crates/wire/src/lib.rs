//! The contract in Rust: generated messages and services, and their conversion to the domain's
//! types.
//!
//! Only this crate and the thin adapters of the processes use generated types. This crate makes no
//! decisions.

mod ask;
mod codec;
mod convert;
mod fault;
mod hop;
pub mod oip;
pub mod pb;
mod violations;

pub use ask::{Answers, Ask};
pub use convert::{
    LocationFields, MAX_MEMORY_MB, Places, calls_from_pb, calls_to_pb, estimate_to_pb,
    facts_from_pb, facts_location_from_pb, facts_to_pb, location_from_pb, memory_from_pb,
    placement_candidates_from_pb, placement_candidates_to_pb, placement_from_pb, placement_to_pb,
    platform_candidates_from_pb, platform_candidates_to_pb, platform_from_pb, provider_from_pb,
    region_from_pb, time_from_pb, time_to_pb, unknown, weights_from_pb, weights_to_pb,
};
pub use fault::{Fault, FieldViolation};
pub use hop::{Forecasting, Hop, Placing, Results, Row, Selecting, TracePlace};
pub use violations::Violations;

/// Every message and service of `strata.v1` and of the Open Inference Protocol with their comments,
/// as an encoded `FileDescriptorSet` for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
