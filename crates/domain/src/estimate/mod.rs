//! What one invocation of a function on a placement is expected to cost, take and emit.

mod estimator;
mod placed_run;
mod profile;
mod site;
mod undominated;

pub use self::{
    estimator::{Estimate, estimate},
    placed_run::PlacedRun,
    profile::InvocationProfile,
};
pub(crate) use self::{
    estimator::{Estimator, SiteNow},
    undominated::undominated,
};
