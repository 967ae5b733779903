//! Targets for the figures, mostly as ratios within one round: the speed of the machine drifts
//! between rounds, and both sides of a ratio drift with it.

use serde::Serialize;

use super::samples::{Figures, median, spread_percent};

/// A figure and its lower or upper bound.
struct Target {
    what: &'static str,
    wanted: f64,
    at_least: bool,
    value: fn(&Round<'_>) -> Option<f64>,
}

/// The figures of one round.
struct Round<'a> {
    figures: &'a Figures,
    number: usize,
}

impl Round<'_> {
    fn get(&self, key: &str) -> Option<f64> {
        self.figures.samples(key).get(self.number).copied()
    }

    fn ratio(&self, over: &str, under: &str) -> Option<f64> {
        Some(self.get(over)? / self.get(under)?)
    }

    /// The time of one row through the three models, one after the other, in microseconds.
    fn models_us(&self) -> Option<f64> {
        self.get("chain_inprocess_1row_us")
    }

    /// The p50 of a single caller, over the p50 of this many echoes plus the time of the models.
    fn single_caller(&self, p50: &str, echoes: f64) -> Option<f64> {
        Some(self.get(p50)? / (echoes * self.get("echo_unary_1_p50_us")? + self.models_us()?))
    }
}

const fn at_least(what: &'static str, wanted: f64, value: fn(&Round<'_>) -> Option<f64>) -> Target {
    Target { what, wanted, at_least: true, value }
}

const fn at_most(what: &'static str, wanted: f64, value: fn(&Round<'_>) -> Option<f64>) -> Target {
    Target { what, wanted, at_least: false, value }
}

const TARGETS: [Target; 14] = [
    at_least("DecideStream over the chain in process, two threads", 0.6, |round| {
        round.ratio("decide_stream_256_rps", "chain_inprocess_2t_rps")
    }),
    at_least("Decide, 64 callers, a second", 11_000.0, |round| round.get("decide_unary_64_rps")),
    at_least("Decide over the grpc.aio peer, 64 callers", 15.0, |round| {
        round.ratio("decide_unary_64_rps", "peer_grpcaio_64_rps")
    }),
    at_least("Decide over the FastAPI peer, 64 callers", 3.0, |round| {
        round.ratio("decide_unary_64_rps", "peer_fastapi_64_rps")
    }),
    at_least("DecideStream over the FastAPI peer", 6.0, |round| {
        round.ratio("decide_stream_256_rps", "peer_fastapi_64_rps")
    }),
    at_most("Decide, 1 caller, p50 over 4 echoes and the models", 1.25, |round| {
        round.single_caller("decide_unary_1_p50_us", 4.0)
    }),
    at_most("one process, 1 caller, p50 over 1 echo and the models", 1.25, |round| {
        round.single_caller("inprocess_decide_1_p50_us", 1.0)
    }),
    at_least("one process over the cluster, 64 callers", 1.35, |round| {
        round.ratio("inprocess_decide_64_rps", "decide_unary_64_rps")
    }),
    at_least("ModelInfer over the native unary call, strategic", 0.85, |round| {
        round.ratio("strategic_oip_64_rps", "strategic_unary_64_rps")
    }),
    at_least("ModelInfer over the native unary call, tactical", 0.85, |round| {
        round.ratio("tactical_oip_64_rps", "tactical_unary_64_rps")
    }),
    at_least("ModelInfer over the native unary call, operational", 0.85, |round| {
        round.ratio("operational_oip_64_rps", "operational_unary_64_rps")
    }),
    at_most("p99 while versions load over p99 before", 1.5, |round| {
        round.ratio("reload_p99_during_us", "reload_p99_before_us")
    }),
    at_most("failed requests while versions load and switch", 0.0, |round| {
        round.get("reload_failed")
    }),
    at_most("process start to ready, slowest layer, ms", 1000.0, |round| round.get("ready_ms")),
];

/// A target and the figure that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) what: &'static str,
    pub(crate) at_least: bool,
    pub(crate) wanted: f64,
    /// The median of the rounds.
    pub(crate) measured: f64,
    pub(crate) spread_percent: Option<f64>,
    pub(crate) met: bool,
}

/// The verdicts on all targets whose figures were measured.
pub(crate) fn verdicts(figures: &Figures, rounds: usize) -> Vec<Verdict> {
    let verdicts = TARGETS.iter().filter_map(|target| {
        let rounds = (0..rounds).map(|number| Round { figures, number });
        let values: Vec<f64> = rounds.filter_map(|round| (target.value)(&round)).collect();
        let measured = median(&values)?;
        let met =
            if target.at_least { measured >= target.wanted } else { measured <= target.wanted };
        Some(Verdict {
            what: target.what,
            at_least: target.at_least,
            wanted: target.wanted,
            measured,
            spread_percent: spread_percent(&values),
            met,
        })
    });
    verdicts.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_a_round() {
        let mut figures = Figures::default();
        // Twice as fast in the second round, on both sides.
        for (ours, bound) in [(6.0, 10.0), (12.0, 20.0), (30.0, 40.0)] {
            figures.add("decide_stream_256_rps", ours);
            figures.add("chain_inprocess_2t_rps", bound);
        }
        let verdicts = verdicts(&figures, 3);
        assert_eq!(verdicts.len(), 1, "{verdicts:?}");
        assert!((verdicts[0].measured - 0.6).abs() < 1e-9 && verdicts[0].met);
    }

    #[test]
    fn a_lone_caller_is_compared_with_its_parts() {
        let mut figures = Figures::default();
        for (key, value) in [
            ("decide_unary_1_p50_us", 600.0),
            ("echo_unary_1_p50_us", 50.0),
            ("chain_inprocess_1row_us", 100.0),
        ] {
            figures.add(key, value);
        }
        let verdicts = verdicts(&figures, 1);
        assert!((verdicts[0].measured - 2.0).abs() < 1e-9 && !verdicts[0].met, "{verdicts:?}");
    }
}
