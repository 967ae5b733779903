//! The placements a request allows, and the estimate of each.

use strata_domain::{
    DEFAULT_SLA_MS, Estimate, FaultKind, FunctionFacts, MAX_SLA_PENALTY, MemoryTier, Objective,
    Outlook, Placement, Provider, Region, Weights,
};
use strata_policy::{
    strategic::ProviderMask,
    tactical::{Action, ActionMask},
};
use strata_wire::{Fault, Violations, pb, provider_from_pb, region_from_pb};

/// The constraints of a request.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    providers: [bool; Provider::ALL.len()],
    regions: [bool; Region::ALL.len()],
    memory_mb: (u32, u32),
    latency_slo_ms: Option<f64>,
    cost_ceiling_usd: Option<f64>,
}

const MIN_MEMORY_MB: u32 = MemoryTier::SMALLEST.megabytes();
const MAX_MEMORY_MB: u32 = MemoryTier::LARGEST.megabytes();

impl Limits {
    pub(crate) fn read(constraints: Option<&pb::Constraints>, violations: &mut Violations) -> Self {
        let Some(constraints) = constraints else {
            return Self {
                providers: [true; Provider::ALL.len()],
                regions: [true; Region::ALL.len()],
                memory_mb: (0, MAX_MEMORY_MB),
                latency_slo_ms: None,
                cost_ceiling_usd: None,
            };
        };
        let positive = |name: &str, value: Option<f64>, violations: &mut Violations| {
            value.map(|v| violations.positive(format_args!("constraints.{name}"), v, f64::MAX))
        };
        let latency_slo_ms = positive("latency_slo_ms", constraints.latency_slo_ms, violations);
        let cost_ceiling_usd =
            positive("cost_ceiling_usd", constraints.cost_ceiling_usd, violations);
        Self {
            providers: allowed(
                "allowed_providers",
                &constraints.allowed_providers,
                |value| provider_from_pb(value).map(Provider::index),
                violations,
            ),
            regions: allowed(
                "allowed_regions",
                &constraints.allowed_regions,
                |value| region_from_pb(value).map(Region::index),
                violations,
            ),
            memory_mb: memory_range(constraints, violations),
            latency_slo_ms,
            cost_ceiling_usd,
        }
    }

    /// The objective under the promised latency of these limits. Unless the request sets a penalty
    /// for breaking the promise, the tactical layer's penalty applies: that layer chooses the
    /// placement.
    pub(crate) fn objective(&self, weights: Weights, late_penalty: Option<f64>) -> Objective {
        let sla_ms = self.latency_slo_ms.unwrap_or(DEFAULT_SLA_MS);
        let sla_penalty = late_penalty.unwrap_or(Objective::tactical().sla_penalty);
        Objective { weights, sla_ms, sla_penalty }
    }

    fn allow(&self, placement: Placement, estimate: &Estimate) -> bool {
        let (least, most) = self.memory_mb;
        estimate.feasible
            && self.providers[placement.provider.index()]
            && self.regions[placement.region.index()]
            && (least..=most).contains(&placement.memory.megabytes())
            && self.latency_slo_ms.is_none_or(|most| estimate.latency_ms <= most)
            && self.cost_ceiling_usd.is_none_or(|most| estimate.cost.get() <= most)
    }
}

fn allowed<const N: usize>(
    name: &str,
    values: &[i32],
    index: impl Fn(i32) -> Option<usize>,
    violations: &mut Violations,
) -> [bool; N] {
    let mut allowed = [values.is_empty(); N];
    for (position, &value) in values.iter().enumerate() {
        match index(value) {
            Some(index) => allowed[index] = true,
            None => violations.add(
                format_args!("constraints.{name}[{position}]"),
                format_args!("must be 1 to {N}, is {value}"),
            ),
        }
    }
    allowed
}

fn memory_range(constraints: &pb::Constraints, violations: &mut Violations) -> (u32, u32) {
    let least = constraints.min_memory_mb;
    let most = match constraints.max_memory_mb {
        0 => MAX_MEMORY_MB,
        most => most,
    };
    if least > MAX_MEMORY_MB {
        let range = format_args!("must be 0 to {MAX_MEMORY_MB}, is {least}");
        violations.add("constraints.min_memory_mb", range);
    } else if most < MIN_MEMORY_MB {
        let range = format_args!("must be {MIN_MEMORY_MB} or more, is {most}");
        violations.add("constraints.max_memory_mb", range);
    } else if least > most {
        let range = format_args!("must be at least min_memory_mb, {least}, is {most}");
        violations.add("constraints.max_memory_mb", range);
    }
    (least, most)
}

/// The penalty for a broken promise, if the request sets one.
pub(crate) fn late_penalty_from_pb(
    late_penalty: Option<f64>,
    violations: &mut Violations,
) -> Option<f64> {
    violations.optional_number("late_penalty", late_penalty, 0.0..=MAX_SLA_PENALTY)
}

/// The estimates of all placements, and which of them the request allows.
#[derive(Debug)]
pub(crate) struct Candidates {
    /// Boxed: otherwise every stage of the chain would copy its 4 KB.
    outlook: Box<Outlook>,
    allowed: [bool; Placement::COUNT],
}

impl Candidates {
    /// Estimates every placement for a function with these facts.
    ///
    /// # Errors
    /// `FailedPrecondition` when the limits allow no placement.
    pub(crate) fn new(facts: &FunctionFacts, limits: &Limits) -> Result<Self, Fault> {
        let outlook = Box::new(facts.outlook(FunctionFacts::STAY_MINUTES));
        let mut allowed = [false; Placement::COUNT];
        for placement in Placement::all() {
            allowed[placement.index()] = limits.allow(placement, outlook.estimate(placement));
        }
        if !allowed.contains(&true) {
            let message = nothing_left(facts.memory.get(), limits);
            return Err(Fault::new(FaultKind::FailedPrecondition, message));
        }
        Ok(Self { outlook, allowed })
    }

    /// Whether the request allows `placement`.
    pub(crate) fn allows(&self, placement: Placement) -> bool {
        self.allowed[placement.index()]
    }

    /// The providers on which at least one placement is allowed.
    pub(crate) fn providers(&self) -> ProviderMask {
        let mut allowed = [false; Provider::ALL.len()];
        for placement in Placement::all().filter(|placement| self.allows(*placement)) {
            allowed[placement.provider.index()] = true;
        }
        ProviderMask::of(|provider| allowed[provider])
    }

    /// The actions that are allowed on `provider`.
    pub(crate) fn actions(&self, provider: Provider) -> ActionMask {
        ActionMask::of(|index| {
            Action::from_index(index).is_some_and(|Action { region, memory }| {
                self.allowed[Placement { provider, region, memory }.index()]
            })
        })
    }

    /// The expected objective of every placement, in the order of [`Placement::all`].
    pub(crate) fn objectives(&self) -> Box<[f32; Placement::COUNT]> {
        let mut objectives = Box::new([0.0; Placement::COUNT]);
        for placement in Placement::all() {
            objectives[placement.index()] = self.outlook.objective(placement) as f32;
        }
        objectives
    }

    /// The allowed placement with the best of these objectives, which are in the order of
    /// [`Placement::all`]; the first of several equal ones.
    pub(crate) fn best(&self, objectives: &[f32]) -> Option<Placement> {
        let judged = Placement::all().zip(objectives.iter().copied());
        let allowed = judged.filter(|(placement, _)| self.allows(*placement));
        let best = allowed.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(placement, _)| placement)
    }

    /// The estimate of a placement and its objective.
    pub(crate) fn estimate(&self, placement: Placement) -> (&Estimate, f64) {
        (self.outlook.estimate(placement), self.outlook.objective(placement))
    }
}

fn nothing_left(memory_mb: f64, limits: &Limits) -> String {
    let names = |allowed: &[bool], name: &dyn Fn(usize) -> String| {
        let names = (0..allowed.len()).filter(|index| allowed[*index]).map(name);
        names.collect::<Vec<_>>().join(", ")
    };
    let (least, most) = limits.memory_mb;
    let mut message = format!(
        "no placement holds the {} MB the function uses and respects the constraints: {least} to \
         {most} MB on {} in {}",
        memory_mb.ceil(),
        names(&limits.providers, &|index| Provider::ALL[index].to_string()),
        names(&limits.regions, &|index| Region::ALL[index].to_string()),
    );
    for (name, limit) in
        [("latency_slo_ms", limits.latency_slo_ms), ("cost_ceiling_usd", limits.cost_ceiling_usd)]
    {
        if let Some(limit) = limit {
            message.push_str(&format!("; {name} is {limit:?}"));
        }
    }
    message.push_str("; relax one of them");
    message
}
