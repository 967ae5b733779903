//! The constraints of a request.

use strata_domain::{
    Architecture, Catalogue, DEFAULT_SLA_MS, Estimate, MAX_SLA_PENALTY, Objective, Placement,
    RegionId, Weights,
};
use strata_wire::{
    MAX_MEMORY_MB, Violations, pb, platform_from_pb, provider_from_pb, region_from_pb, unknown,
};

/// The constraints of a request, in terms of a catalogue.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// By platform.
    platforms: Vec<bool>,
    /// By region.
    regions: Vec<bool>,
    memory_mb: (u32, u32),
    latency_slo_ms: Option<f64>,
    cost_ceiling_usd: Option<f64>,
}

impl Limits {
    /// Reads the constraints, and adds a violation for each that is wrong.
    pub(crate) fn read(
        catalogue: &Catalogue,
        constraints: Option<&pb::Constraints>,
        violations: &mut Violations,
    ) -> Self {
        let Some(constraints) = constraints else {
            return Self {
                platforms: vec![true; catalogue.platforms().len()],
                regions: vec![true; catalogue.regions().len()],
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
            platforms: platforms(catalogue, constraints, violations),
            regions: regions(catalogue, constraints, violations),
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

    /// Whether the region is allowed, whatever the platform.
    pub(super) fn allow_in(&self, region: RegionId) -> bool {
        self.regions[region.index()]
    }

    pub(super) fn allow(&self, placement: Placement, estimate: &Estimate) -> bool {
        let (least, most) = self.memory_mb;
        estimate.feasible
            && self.platforms[placement.platform.index()]
            && self.regions[placement.region.index()]
            && (least..=most).contains(&placement.memory_mb)
            && self.latency_slo_ms.is_none_or(|most| estimate.latency_ms <= most)
            && self.cost_ceiling_usd.is_none_or(|most| estimate.cost.get() <= most)
    }

    /// Why nothing is left for a function that uses that much memory.
    pub(super) fn nothing_left(&self, catalogue: &Catalogue, memory_mb: f64) -> String {
        let platforms = catalogue.platforms().filter(|(id, _)| self.platforms[id.index()]);
        let regions = catalogue.regions().filter(|(id, _)| self.regions[id.index()]);
        let (least, most) = self.memory_mb;
        let mut message = format!(
            "no placement holds the {} MB the function uses and respects the constraints: {least} \
             to {most} MB on {} in {}",
            memory_mb.ceil(),
            named(platforms.map(|(_, platform)| platform.name.as_str())),
            named(regions.map(|(_, region)| region.name.as_str())),
        );
        for (name, limit) in
            [("latency_slo_ms", self.latency_slo_ms), ("cost_ceiling_usd", self.cost_ceiling_usd)]
        {
            if let Some(limit) = limit {
                message.push_str(&format!("; {name} is {limit:?}"));
            }
        }
        message.push_str("; relax one of them");
        message
    }
}

/// A few names, and how many more there are.
fn named<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 12;
    let names: Vec<&str> = names.collect();
    match names.len() {
        0 => "nothing".to_owned(),
        count if count <= MOST => names.join(", "),
        count => format!("{} and {} more", names[..MOST].join(", "), count - MOST),
    }
}

/// The platforms that are allowed by name, by provider and by architecture.
fn platforms(
    catalogue: &Catalogue,
    constraints: &pb::Constraints,
    violations: &mut Violations,
) -> Vec<bool> {
    let count = catalogue.platforms().len();
    let by_name =
        allowed(count, "allowed_platforms", &constraints.allowed_platforms, |name, at| {
            let found = platform_from_pb(catalogue, name, at, violations);
            found.map(|id| vec![id.index()]).unwrap_or_default()
        });
    let of = |wanted: &dyn Fn(strata_domain::PlatformId) -> bool| {
        catalogue
            .platforms()
            .map(|(id, _)| id)
            .filter(|id| wanted(*id))
            .map(|id| id.index())
            .collect::<Vec<_>>()
    };
    let providers = &constraints.allowed_providers;
    let by_provider = allowed(count, "allowed_providers", providers, |name, at| {
        let found = provider_from_pb(catalogue, name, at, violations);
        found.map(|provider| of(&|id| catalogue.provider_of(id) == provider)).unwrap_or_default()
    });
    let architectures = &constraints.allowed_architectures;
    let by_architecture = allowed(count, "allowed_architectures", architectures, |name, at| {
        let Ok(architecture) = name.parse::<Architecture>() else {
            let known = Architecture::ALL.map(Architecture::name);
            violations.add(at, unknown("architecture", name, known));
            return Vec::new();
        };
        of(&|id| catalogue.platform(id).architecture == architecture)
    });
    (0..count).map(|id| by_name[id] && by_provider[id] && by_architecture[id]).collect()
}

/// The regions that are allowed by name and by residency.
fn regions(
    catalogue: &Catalogue,
    constraints: &pb::Constraints,
    violations: &mut Violations,
) -> Vec<bool> {
    let count = catalogue.regions().len();
    let by_name = allowed(count, "allowed_regions", &constraints.allowed_regions, |name, at| {
        let Some(found) = region_from_pb(catalogue, name, at, violations) else {
            return Vec::new();
        };
        if name.contains('/') {
            return vec![found.index()];
        }
        // Without a provider, the region of every provider that uses the name.
        let named = catalogue.regions().filter(|(_, region)| region.name == *name);
        named.map(|(id, _)| id.index()).collect()
    });
    let groups = &constraints.allowed_residency;
    let by_group = allowed(count, "allowed_residency", groups, |name, at| {
        let belongs = |region: &strata_domain::Region| region.residency.iter().any(|g| g == name);
        let found: Vec<usize> = catalogue
            .regions()
            .filter(|(_, region)| belongs(region))
            .map(|(id, _)| id.index())
            .collect();
        if found.is_empty() {
            let known = catalogue.regions().flat_map(|(_, region)| &region.residency);
            violations.add(at, unknown("residency group", name, known.map(String::as_str)));
        }
        found
    });
    (0..count).map(|id| by_name[id] && by_group[id]).collect()
}

/// What a list of names allows, by index; everything when it is empty. `find` gives the indices
/// that a name at a path stands for.
fn allowed(
    count: usize,
    name: &str,
    values: &[String],
    mut find: impl FnMut(&String, &dyn std::fmt::Display) -> Vec<usize>,
) -> Vec<bool> {
    let mut allowed = vec![values.is_empty(); count];
    for (position, value) in values.iter().enumerate() {
        for index in find(value, &format_args!("constraints.{name}[{position}]")) {
            allowed[index] = true;
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
