use super::{profile::InvocationProfile, site::Site};
use crate::{
    catalogue::{Catalogue, Platform, Rates, Region, Size},
    formulas::{carbon, price, scaling},
    placement::Placement,
    time::UtcTime,
    units::{GramsCo2e, Usd},
};

/// A function on a placement: what a run takes there, whether it starts warm or cold.
///
/// The simulator prices single invocations with the same formula that [`crate::estimate()`] uses
/// for the mean.
#[derive(Debug, Clone)]
pub struct PlacedRun<'a> {
    platform: &'a Platform,
    region: &'a Region,
    rates: Rates,
    size: Size,
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

impl<'a> PlacedRun<'a> {
    /// A function of this profile on `placement`; `None` where the platform sells nothing.
    pub fn new(
        catalogue: &'a Catalogue,
        profile: &InvocationProfile,
        placement: Placement,
    ) -> Option<Self> {
        let rates = *catalogue.rates(placement.platform, placement.region)?;
        let platform = catalogue.platform(placement.platform);
        let size = platform.size(placement.memory_mb);
        let site = Site::new(catalogue, profile, placement.region);
        let observed = catalogue.platform(profile.reference.platform);
        let observed = observed.speed(&observed.size(profile.reference.memory_mb));
        Some(Self {
            platform,
            region: catalogue.region(placement.region),
            rates,
            size,
            run_time_factor: platform.speed(&size).run_time_factor(observed, profile.cpu_share),
            network_ms: site.network_ms,
            transfer: site.transfer,
            cpu_share: profile.cpu_share,
            memory_used_mb: profile.memory_used_mb.max(0.0),
            network_bytes: site.network_bytes,
        })
    }

    /// The platform it runs on.
    pub fn platform(&self) -> &'a Platform {
        self.platform
    }

    /// What the platform gives it.
    pub fn size(&self) -> &Size {
        &self.size
    }

    /// Whether the memory holds the function.
    pub fn is_feasible(&self) -> bool {
        scaling::fits(self.size.memory_mb, self.memory_used_mb)
    }

    /// Price of one invocation that runs for `run_ms` on this placement, egress included.
    pub fn cost(&self, run_ms: f64) -> Usd {
        let Self { platform, rates, size, memory_used_mb, .. } = self;
        price::Billed::new(platform, size, run_ms, *memory_used_mb).price(rates) + self.transfer
    }

    /// Gas of one invocation that runs for `run_ms` on this placement.
    pub fn carbon(&self, run_ms: f64, at: UtcTime) -> GramsCo2e {
        let run = carbon::Run {
            duration_ms: run_ms,
            cpu_share: self.cpu_share,
            memory_used_mb: self.memory_used_mb,
        };
        carbon::Spent::new(self.platform, &self.size, run)
            .footprint(carbon::RegionPower::of(self.region, at), self.network_bytes)
    }
}
