use super::profile::InvocationProfile;
use crate::{
    formulas::{latency, price},
    placement::{Provider, Region},
    units::Usd,
};

/// A function in a region of a provider, whatever its memory.
pub(crate) struct Site {
    pub(super) provider: Provider,
    pub(super) region: Region,
    /// Time on the network per invocation, in ms.
    pub(super) network_ms: f64,
    /// Price of the bytes of one invocation.
    pub(super) transfer: Usd,
    /// Bytes of one invocation that leave or enter the region.
    pub(super) network_bytes: f64,
}

impl Site {
    pub(super) fn new(profile: &InvocationProfile, provider: Provider, region: Region) -> Self {
        let home = profile.home;
        let data = home.provider.map(|provider| (provider, home.region));
        let (request, response) = (profile.request_bytes.max(0.0), profile.response_bytes.max(0.0));
        let here = (provider, region);
        let round_trip = latency::caller_round_trip_ms(home.region, home.provider, here);
        Self {
            provider,
            region,
            network_ms: latency::network_ms(round_trip, request, response),
            transfer: price::transfer_price(here, data, request, response),
            network_bytes: if data == Some(here) { 0.0 } else { request + response },
        }
    }
}
