//! The vocabulary of Strata: where functions can run, what an invocation costs there, and how a
//! request can fail.
//!
//! This crate is pure: no async, no clock, no I/O, no randomness. The same input gives the same
//! bits.

mod calls;
mod candidates;
mod catalogue;
mod choices;
mod estimate;
mod facts;
mod fault;
mod formulas;
mod function;
mod indexed_enum;
mod objective;
mod outlook;
mod placement;
mod suggest;
mod time;
mod units;

pub use calls::{CallPattern, RecentGaps};
pub use candidates::{Candidate, CandidateList, Judged, PlacementList, PlatformList};
pub use catalogue::{
    Architecture, Area, AreaId, BilledMemory, Billing, CandidateId, Catalogue, CatalogueError,
    CatalogueParts, Coordinates, DistanceFit, Grid, Home, MAX_CANDIDATES, MAX_PLATFORMS,
    MAX_REGIONS, Machines, Offer, Origin, Platform, PlatformId, Processors, ProviderId, Rates,
    Region, RegionId, Size, Speed,
};
pub use choices::choices;
pub use estimate::{Estimate, InvocationProfile, PlacedRun, estimate};
pub use facts::{ApplicationFacts, FunctionFacts, Location};
pub use fault::FaultKind;
pub use formulas::{
    carbon, cold_start, latency, price,
    run_times::{TYPICAL_P95_OVER_MEAN, Z95},
    scaling::{self, TYPICAL_CPU_SHARE},
};
pub use function::{FunctionId, FunctionIdError};
pub use objective::{
    Attainable, DEFAULT_SLA_MS, MAX_SLA_PENALTY, Objective, RewardParts, Weights, WeightsError,
};
pub use outlook::Outlook;
pub use placement::{DEFAULT_MEMORY_MB, Placement, Running};
pub use suggest::did_you_mean;
pub use time::UtcTime;
pub use units::{GramsCo2e, Megabytes, Millis, Usd};
