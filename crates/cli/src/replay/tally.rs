//! Counts and sums over the decisions of a replay.

use std::{collections::BTreeMap, time::Duration};

use strata_load::{Latencies, TraceRequest};
use strata_wire::pb;

use crate::answer::layer_name;

/// Everything a replay counts.
#[derive(Debug)]
pub(crate) struct Tally {
    /// From the sending of a request to its answer, at the caller.
    pub(super) end_to_end: Latencies,
    /// From the arrival of a request at the coordinator to its answer.
    pub(super) coordinator: Latencies,
    /// By the layer's name, in the order of the chain.
    pub(super) layers: Vec<(&'static str, Latencies)>,
    /// How many decisions chose each provider, platform, region and memory size.
    pub(super) providers: BTreeMap<String, u64>,
    pub(super) platforms: BTreeMap<String, u64>,
    pub(super) regions: BTreeMap<String, u64>,
    pub(super) memory_mb: BTreeMap<u32, u64>,
    /// Decisions that move the function.
    pub(super) moves: u64,
    /// Decisions with a layer that was not fresh.
    pub(super) stale: u64,
    /// How often each kind of fault came, and the message of the first.
    pub(super) faults: BTreeMap<&'static str, (u64, String)>,
    /// Estimates of the chosen placements and of staying put, weighted by calls and by decisions,
    /// over the requests that no model has seen.
    pub(super) by_call: Comparison,
    pub(super) by_decision: Comparison,
}

/// Sums over decisions, each with a weight.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Comparison {
    weight: f64,
    chosen: Sums,
    staying: Sums,
}

/// Cost in USD, latency in ms, carbon in g, each per invocation.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) cost_usd: f64,
    pub(super) latency_ms: f64,
    pub(super) carbon_g: f64,
}

impl Sums {
    fn add(&mut self, estimate: &pb::Estimate, weight: f64) {
        self.cost_usd += weight * estimate.cost_usd;
        self.latency_ms += weight * estimate.latency_ms;
        self.carbon_g += weight * estimate.carbon_g;
    }

    fn over(self, weight: f64) -> Self {
        // The sums are 0 if the weight is.
        let weight = if weight > 0.0 { weight } else { 1.0 };
        Self {
            cost_usd: self.cost_usd / weight,
            latency_ms: self.latency_ms / weight,
            carbon_g: self.carbon_g / weight,
        }
    }
}

impl Comparison {
    fn add(&mut self, chosen: &pb::Estimate, staying: &pb::Estimate, weight: f64) {
        self.weight += weight;
        self.chosen.add(chosen, weight);
        self.staying.add(staying, weight);
    }

    /// The sum of the weights.
    pub(super) fn weight(&self) -> f64 {
        self.weight
    }

    /// The weighted means for an invocation: on the chosen placements, and where the functions run
    /// now.
    pub(super) fn means(&self) -> (Sums, Sums) {
        (self.chosen.over(self.weight), self.staying.over(self.weight))
    }
}

impl Tally {
    /// Nothing yet.
    ///
    /// # Errors
    /// None: see [`Latencies::new`].
    pub(crate) fn new() -> anyhow::Result<Self> {
        let layers = [pb::Layer::Strategic, pb::Layer::Tactical, pb::Layer::Operational];
        let layers = layers.map(|layer| Ok((layer_name(layer), Latencies::new()?)));
        Ok(Self {
            end_to_end: Latencies::new()?,
            coordinator: Latencies::new()?,
            layers: layers.into_iter().collect::<anyhow::Result<_>>()?,
            providers: BTreeMap::new(),
            platforms: BTreeMap::new(),
            regions: BTreeMap::new(),
            memory_mb: BTreeMap::new(),
            moves: 0,
            stale: 0,
            faults: BTreeMap::new(),
            by_call: Comparison::default(),
            by_decision: Comparison::default(),
        })
    }

    /// Counts the answer to `asked`.
    pub(crate) fn count(
        &mut self,
        asked: &TraceRequest,
        took: Duration,
        result: pb::decide_stream_response::Result,
    ) {
        match result {
            pb::decide_stream_response::Result::Decision(decision) => {
                self.end_to_end.record(took);
                self.decision(asked, &decision);
            }
            pb::decide_stream_response::Result::Fault(fault) => {
                let kind = fault.kind().as_str_name();
                let name = kind.strip_prefix("FAULT_KIND_").unwrap_or(kind);
                self.faults.entry(name).or_insert((0, fault.message)).0 += 1;
            }
        }
    }

    /// How many decisions there were.
    pub(crate) fn decisions(&self) -> u64 {
        self.end_to_end.count()
    }

    /// How many requests got none.
    pub(crate) fn faults(&self) -> u64 {
        self.faults.values().map(|(count, _)| count).sum()
    }

    fn decision(&mut self, asked: &TraceRequest, decision: &pb::DecideResponse) {
        let TraceRequest { request: asked, unseen } = asked;
        self.coordinator.record_us(decision.elapsed_us.into());
        for report in &decision.layers {
            let name = layer_name(report.layer());
            if let Some((_, latencies)) = self.layers.iter_mut().find(|(known, _)| *known == name) {
                latencies.record_us(report.elapsed_us.into());
            }
        }
        let fresh = |report: &pb::LayerReport| report.freshness() == pb::Freshness::Fresh;
        self.stale += u64::from(!decision.layers.iter().all(fresh));
        if let Some(chosen) = &decision.placement {
            let region = format!("{}/{}", chosen.provider, chosen.region);
            *self.providers.entry(chosen.provider.clone()).or_default() += 1;
            *self.platforms.entry(chosen.platform.clone()).or_default() += 1;
            *self.regions.entry(region).or_default() += 1;
            *self.memory_mb.entry(chosen.memory_mb).or_default() += 1;
            let stays = |current: &pb::Placement| {
                let same_place = (&current.platform, &current.region);
                same_place == (&chosen.platform, &chosen.region)
                    && current.memory_mb == chosen.memory_mb
            };
            self.moves += u64::from(!asked.current.as_ref().is_some_and(stays));
        }
        let estimates = (&decision.estimate, &decision.current_estimate);
        if let (true, (Some(chosen), Some(staying))) = (unseen, estimates) {
            let workload = asked.workload.as_ref();
            let rate = workload.and_then(|w| w.invocation_rate_per_minute).unwrap_or(0.0);
            self.by_call.add(chosen, staying, rate);
            self.by_decision.add(chosen, staying, 1.0);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn asked(rate: f64, current: pb::Placement, unseen: bool) -> TraceRequest {
        let workload =
            pb::Workload { invocation_rate_per_minute: Some(rate), ..Default::default() };
        let request = pb::DecideRequest {
            current: Some(current),
            workload: Some(workload),
            ..Default::default()
        };
        TraceRequest { request, unseen }
    }

    fn decided(placement: pb::Placement, cost: f64) -> pb::decide_stream_response::Result {
        let estimate = |cost_usd| Some(pb::Estimate { cost_usd, ..Default::default() });
        pb::decide_stream_response::Result::Decision(pb::DecideResponse {
            placement: Some(placement),
            estimate: estimate(cost),
            current_estimate: estimate(2.0),
            ..Default::default()
        })
    }

    #[test]
    fn decisions_are_weighed_by_calls_and_alike() {
        let place = |provider: &str, region: &str| pb::Placement {
            platform: format!("{provider}-functions"),
            region: region.to_owned(),
            memory_mb: 512,
            provider: provider.to_owned(),
        };
        let (aws, gcp) = (place("aws", "us-east-1"), place("gcp", "us-east4"));
        let mut tally = Tally::new().unwrap();
        tally.count(&asked(30.0, aws.clone(), true), MS, decided(aws.clone(), 2.0));
        tally.count(&asked(10.0, aws.clone(), true), MS, decided(gcp.clone(), 1.0));
        // Seen in training: it counts as a decision and says nothing about what the models are
        // worth.
        tally.count(&asked(10.0, aws, false), MS, decided(gcp, 0.1));
        assert_eq!((tally.decisions(), tally.moves, tally.providers["gcp"]), (3, 2, 2));
        assert_eq!((tally.platforms["gcp-functions"], tally.regions["gcp/us-east4"]), (2, 2));
        let (chosen, staying) = tally.by_call.means();
        assert_eq!((chosen.cost_usd, staying.cost_usd), (1.75, 2.0));
        assert_eq!(tally.by_decision.means().0.cost_usd, 1.5);
        assert_eq!(tally.by_decision.weight(), 2.0);
    }

    #[test]
    fn faults_are_counted_by_kind_and_are_no_decisions() {
        let mut tally = Tally::new().unwrap();
        for message in ["first", "second"] {
            let fault = pb::Fault {
                kind: pb::FaultKind::Unavailable.into(),
                message: message.to_owned(),
                ..Default::default()
            };
            let result = pb::decide_stream_response::Result::Fault(fault);
            tally.count(&asked(1.0, pb::Placement::default(), true), MS, result);
        }
        assert_eq!((tally.decisions(), tally.faults()), (0, 2));
        assert_eq!(tally.faults["UNAVAILABLE"], (2, "first".to_owned()));
        assert_eq!(tally.by_call.means().0, Sums::default());
    }
}
