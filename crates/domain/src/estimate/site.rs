use super::profile::InvocationProfile;
use crate::{
    catalogue::{Catalogue, RegionId},
    formulas::{latency, price},
    units::Usd,
};

/// A function in a region, whatever the platform and its memory.
pub(crate) struct Site {
    pub(super) region: RegionId,
    /// Time on the network per invocation, in ms.
    pub(super) network_ms: f64,
    /// Price of the bytes of one invocation.
    pub(super) transfer: Usd,
    /// Bytes of one invocation that leave or enter the region.
    pub(super) network_bytes: f64,
}

impl Site {
    pub(super) fn new(
        catalogue: &Catalogue,
        profile: &InvocationProfile,
        region: RegionId,
    ) -> Self {
        let home = profile.home;
        let (request, response) = (profile.request_bytes.max(0.0), profile.response_bytes.max(0.0));
        let round_trip = catalogue.caller_round_trip_ms(home.origin(), region);
        Self {
            region,
            network_ms: latency::network_ms(round_trip, request, response),
            transfer: price::transfer_price(catalogue, region, home.data, (request, response)),
            network_bytes: if home.data == Some(region) { 0.0 } else { request + response },
        }
    }
}
