//! Converts between generated messages and the domain's types. Checks all input from outside.

mod calls;
mod candidates;
mod facts;
mod objective;
mod placement;
mod time;

pub use calls::{calls_from_pb, calls_to_pb};
pub use candidates::{
    placement_candidates_from_pb, placement_candidates_to_pb, platform_candidates_from_pb,
    platform_candidates_to_pb,
};
pub use facts::{facts_from_pb, facts_location_from_pb, facts_to_pb};
pub use objective::{estimate_to_pb, weights_from_pb, weights_to_pb};
pub use placement::{
    LocationFields, MAX_MEMORY_MB, Places, location_from_pb, memory_from_pb, placement_from_pb,
    placement_to_pb, platform_from_pb, provider_from_pb, region_from_pb, unknown,
};
pub use time::{time_from_pb, time_to_pb};
