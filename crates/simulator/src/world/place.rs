//! A function on a placement, and what the calls of an interval take there.

use strata_domain::{Catalogue, Estimate, InvocationProfile, Placement, Usd, UtcTime};

use super::{
    history::CallMeans,
    invocation::{PlacedFunction, mean},
    outcome::RUNS_PER_INTERVAL,
};

/// Start delays at the middles of eight equal shares of the distribution, in standard deviations of
/// its logarithm, in an order that does not rise with the run they are paired with.
const DELAY_DEVIATIONS: [f64; RUNS_PER_INTERVAL] =
    [0.157, -1.534, 0.887, -0.489, 1.534, -0.157, -0.887, 0.489];

/// A function on a placement: what is the same in every interval.
#[derive(Debug, Clone)]
pub(crate) struct Place<'c> {
    pub(crate) placement: Placement,
    function: PlacedFunction<'c>,
    starts_ms: [f64; RUNS_PER_INTERVAL],
    sla_ms: f64,
}

/// Calls on a placement: means over the runs of an interval, whatever share of them starts cold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran<'p> {
    place: &'p Place<'p>,
    at: UtcTime,
    run_ms: f64,
    /// Price in USD of a warm and of a cold run.
    cost: [f64; 2],
    /// Share of late ones among warm and among cold runs.
    late: [f64; 2],
}

/// What calls cost, take and emit, before it is scored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effect {
    pub(crate) means: CallMeans,
    pub(crate) latency_ms: f64,
}

impl<'c> Place<'c> {
    /// A function of this profile on `placement`; `None` where the platform sells nothing.
    pub(crate) fn new(
        catalogue: &'c Catalogue,
        profile: &InvocationProfile,
        placement: Placement,
    ) -> Option<Self> {
        let function = PlacedFunction::new(catalogue, profile, placement)?;
        let starts_ms = DELAY_DEVIATIONS.map(|deviations| function.start_ms(deviations));
        Some(Self { placement, function, starts_ms, sla_ms: profile.sla_ms })
    }

    /// A function of this profile on every candidate, in the order of their ids.
    pub(crate) fn all(catalogue: &'c Catalogue, profile: &InvocationProfile) -> Vec<Self> {
        let candidates = catalogue.candidates().iter();
        candidates.filter_map(|candidate| Self::new(catalogue, profile, *candidate)).collect()
    }

    /// Whether the function can run there.
    pub(crate) fn is_feasible(&self) -> bool {
        self.function.is_feasible()
    }

    /// Calls around `at` that take `runs` where the profile was observed, in ms.
    pub(crate) fn ran(&self, runs: &[f64; RUNS_PER_INTERVAL], at: UtcTime) -> Ran<'_> {
        let (mut run_ms, mut cost, mut late) = (0.0, [0.0; 2], [0.0; 2]);
        for (observed_ms, start_ms) in runs.iter().zip(self.starts_ms) {
            let warm_ms = self.function.run_ms(*observed_ms);
            let costs = self.function.costs(warm_ms);
            run_ms += warm_ms;
            for (state, latency_ms) in self.latencies_ms(warm_ms, start_ms).into_iter().enumerate()
            {
                cost[state] += costs[state];
                late[state] += f64::from(u8::from(latency_ms > self.sla_ms));
            }
        }
        let count = RUNS_PER_INTERVAL as f64;
        let [cost, late] = [cost, late].map(|sums| sums.map(|sum| sum / count));
        Ran { place: self, at, run_ms: run_ms / count, cost, late }
    }

    /// The latency in ms of each run when a share `cold` of them starts cold.
    pub(crate) fn sample_ms(
        &self,
        runs: &[f64; RUNS_PER_INTERVAL],
        cold: f64,
    ) -> [f32; RUNS_PER_INTERVAL] {
        std::array::from_fn(|index| {
            let warm_ms = self.function.run_ms(runs[index]);
            let [warm, slow] = self.latencies_ms(warm_ms, self.starts_ms[index]);
            let is_cold = (index as f64 + 0.5) / RUNS_PER_INTERVAL as f64 <= cold;
            (if is_cold { slow } else { warm }) as f32
        })
    }

    /// Latency in ms of a run, warm and cold.
    fn latencies_ms(&self, warm_ms: f64, start_ms: f64) -> [f64; 2] {
        [self.function.warm_latency_ms(warm_ms), self.function.cold_latency_ms(warm_ms, start_ms)]
    }
}

impl Ran<'_> {
    /// What the calls come to when a share `cold` of them starts cold.
    pub(crate) fn effect(&self, cold: f64) -> Effect {
        let function = &self.place.function;
        let run_ms = self.run_ms + cold * function.load_ms();
        Effect {
            means: CallMeans {
                cost: Usd::new(mean(self.cost, cold)),
                carbon: function.carbon(run_ms, self.at),
                cold_start_rate: cold,
                sla_violation_rate: mean(self.late, cold),
            },
            latency_ms: function.mean_latency_ms(run_ms, cold),
        }
    }
}

impl From<Effect> for Estimate {
    /// The effect on a placement that the function can run on.
    fn from(Effect { means, latency_ms }: Effect) -> Self {
        Self {
            cost: means.cost,
            latency_ms,
            p95_latency_ms: latency_ms,
            cold_start_probability: means.cold_start_rate,
            carbon: means.carbon,
            late_share: means.sla_violation_rate,
            feasible: true,
        }
    }
}
