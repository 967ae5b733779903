//! The chain in types: each stage owns the one before it.

use std::time::Duration;

use strata_domain::{Placement, Provider};
use strata_wire::pb;

use crate::intake::Question;

/// What a hop gave, and how long it took.
#[derive(Debug)]
pub(crate) struct HopReport {
    pub(crate) inference: Option<pb::Inference>,
    pub(crate) scores: Vec<f32>,
    pub(crate) elapsed: Duration,
}

/// A question whose provider is chosen.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) question: Question,
    pub(crate) provider: Provider,
    pub(crate) report: HopReport,
}

/// A routed question whose region and memory are chosen.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) routed: Routed,
    pub(crate) placement: Placement,
    pub(crate) report: HopReport,
}

/// A placed question whose next need is forecast.
#[derive(Debug)]
pub(crate) struct Provisioned {
    pub(crate) placed: Placed,
    pub(crate) forecast: pb::Forecast,
    pub(crate) report: HopReport,
}
