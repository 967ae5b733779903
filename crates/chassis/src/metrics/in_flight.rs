//! The work a drain would wait for, read when somebody scrapes.

use prometheus_client::{
    collector::Collector, encoding::DescriptorEncoder, metrics::gauge::ConstGauge,
};

use super::definitions as def;
use crate::drain::Drain;

#[derive(Debug)]
pub(super) struct InFlight(pub(super) Drain);

impl Collector for InFlight {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let in_flight = i64::try_from(self.0.in_flight()).unwrap_or(i64::MAX);
        def::IN_FLIGHT.encode(&mut encoder, &ConstGauge::new(in_flight))
    }
}
