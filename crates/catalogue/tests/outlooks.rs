//! Leaving out regions that cannot be the best changes no score and no best candidate.
#![allow(clippy::unwrap_used)]

use std::sync::OnceLock;

use proptest::prelude::*;
use strata_catalogue::{WORLD, built_in};
use strata_domain::{
    CallPattern, Catalogue, Coordinates, Home, InvocationProfile, Objective, Origin, Outlook,
    RegionId, Running, UtcTime, Weights, cold_start::Chance,
};

fn world() -> &'static Catalogue {
    static WORLD_CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    WORLD_CATALOGUE.get_or_init(|| built_in(WORLD).catalogue)
}

fn region(index: usize) -> RegionId {
    world().regions().nth(index % world().regions().len()).unwrap().0
}

proptest! {
    #[test]
    fn the_best_of_the_promising_is_the_best_of_all(
        duration_ms in 0.5..60_000.0f64,
        memory_used_mb in 10.0..3000.0f64,
        rate in 0.0..600.0f64,
        bytes in prop::array::uniform2(0.0..1e7f64),
        (candidate, runs) in (0..544usize, any::<bool>()),
        (latitude, longitude, data) in (-60.0..60.0f64, -180.0..180.0f64, 0..100usize),
        allowed in prop::collection::vec(any::<bool>(), 51),
        weights in prop::array::uniform3(0.01..1.0f64),
        hour in 0..24i64,
    ) {
        let catalogue = world();
        let placement = catalogue.candidates()[candidate];
        let reference = Running { region: runs.then_some(placement.region), ..placement.into() };
        let callers = Origin::Point(Coordinates { latitude, longitude });
        let data = (data < 51).then(|| region(data));
        let profile = InvocationProfile {
            duration_ms,
            duration_p95_ms: None,
            duration_std_ms: None,
            reference,
            cpu_share: 0.6,
            memory_used_mb,
            cold: Chance::by_platform(catalogue, &CallPattern::at_rate(rate), rate * 25.0),
            request_bytes: bytes[0],
            response_bytes: bytes[1],
            home: Home { callers, data },
            sla_ms: 1000.0,
            calls_after_move: if runs { rate * 250.0 } else { f64::INFINITY },
        };
        let at = UtcTime::from_unix_seconds(hour * 3600);
        let weights = Weights::new(weights[0], weights[1], weights[2]).unwrap();
        let objective = Objective { weights, ..Objective::tactical() };
        let all = Outlook::new(catalogue, &profile, at, objective);
        let is_allowed = |region: RegionId| allowed[region.index()];
        let some = Outlook::promising((catalogue, &profile, at), objective, is_allowed);
        prop_assert_eq!(all.attainable(), some.attainable());
        for id in some.ids() {
            prop_assert_eq!(all.objective(*id), some.objective(*id));
        }
        let best = |outlook: &Outlook, anywhere: bool| {
            let fits = |id| anywhere || is_allowed(catalogue.candidate(id).region);
            outlook.best_by(|id, estimate| match fits(id) {
                true => outlook.score(estimate),
                false => f64::NEG_INFINITY,
            })
        };
        let value = |outlook: &Outlook, anywhere| {
            best(outlook, anywhere)
                .filter(|id| anywhere || is_allowed(catalogue.candidate(*id).region))
                .map(|id| outlook.objective(id))
        };
        prop_assert_eq!(value(&all, true), value(&some, true));
        prop_assert_eq!(value(&all, false), value(&some, false));
        prop_assert!(some.ids().len() <= all.ids().len());
    }
}
