//! What a model is told of the placements that it chooses from.

mod candidate;
mod lists;

pub use self::{
    candidate::Candidate,
    lists::{CandidateList, Judged, PlacementList, PlatformList},
};
