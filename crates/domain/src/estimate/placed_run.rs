use super::{profile::InvocationProfile, site::Site};
use crate::{
    formulas::{carbon, price, scaling},
    placement::Placement,
    time::UtcTime,
    units::{GramsCo2e, Usd},
};

/// A function on a placement: what a run takes there, whether it starts warm or cold.
///
/// The simulator prices single invocations with the same formula that [`crate::estimate`] uses for
/// the mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlacedRun {
    placement: Placement,
    /// How many times longer a run takes here than on the profile's reference.
    pub run_time_factor: f64,
    /// Time on the network per invocation, in ms.
    pub network_ms: f64,
    /// Price of the bytes of one invocation.
    pub transfer: Usd,
    cpu_share: f64,
    memory_used_mb: f64,
    network_bytes: f64,
}

impl PlacedRun {
    /// A function of this profile on `placement`.
    pub fn new(profile: &InvocationProfile, placement: Placement) -> Self {
        let site = Site::new(profile, placement.provider, placement.region);
        Self {
            placement,
            run_time_factor: scaling::run_time_factor(
                profile.reference,
                placement,
                profile.cpu_share,
            ),
            network_ms: site.network_ms,
            transfer: site.transfer,
            cpu_share: profile.cpu_share,
            memory_used_mb: profile.memory_used_mb.max(0.0),
            network_bytes: site.network_bytes,
        }
    }

    /// Whether the function can run there at all.
    pub fn is_feasible(&self) -> bool {
        scaling::fits(self.placement, self.memory_used_mb)
    }

    /// Price of one invocation that runs for `run_ms` on this placement, egress included.
    pub fn cost(&self, run_ms: f64) -> Usd {
        price::invocation_price(self.placement, run_ms, self.memory_used_mb) + self.transfer
    }

    /// Gas of one invocation that runs for `run_ms` on this placement.
    pub fn carbon(&self, run_ms: f64, at: UtcTime) -> GramsCo2e {
        let run = carbon::Run {
            duration_ms: run_ms,
            cpu_share: self.cpu_share,
            memory_used_mb: self.memory_used_mb,
        };
        let site = (self.placement.provider, self.placement.region);
        carbon::Spent::new(self.placement, run).footprint(site, self.network_bytes, at)
    }
}
