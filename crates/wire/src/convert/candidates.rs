//! The candidates among which a model chooses.

use strata_domain::{
    Candidate, CandidateList, MAX_CANDIDATES, MAX_PLATFORMS, PlacementList, PlatformList,
};

use super::MAX_MEMORY_MB;
use crate::{Violations, pb};

/// Reads the platforms to choose from.
pub fn platform_candidates_from_pb(
    message: pb::PlatformCandidates,
    violations: &mut Violations,
) -> PlatformList {
    let count = message.platforms.len();
    if !(1..=MAX_PLATFORMS).contains(&count) {
        let range = format_args!("must be 1 to {MAX_PLATFORMS}, are {count}");
        violations.add("candidates.platforms", range);
    }
    let list = table_from_pb(message.table.unwrap_or_default(), count, violations);
    PlatformList { platforms: message.platforms, list }
}

/// Writes the platforms to choose from.
pub fn platform_candidates_to_pb(platforms: PlatformList) -> pb::PlatformCandidates {
    let PlatformList { platforms, list } = platforms;
    pb::PlatformCandidates { platforms, table: Some(table_to_pb(list)) }
}

/// Reads the placements to choose from.
pub fn placement_candidates_from_pb(
    message: pb::PlacementCandidates,
    violations: &mut Violations,
) -> PlacementList {
    let count = message.region.len();
    if !(1..=MAX_CANDIDATES).contains(&count) {
        let range = format_args!("must be 1 to {MAX_CANDIDATES}, are {count}");
        violations.add("candidates.region", range);
    }
    if message.memory_mb.len() != count {
        let range = format_args!("must be {count}, one for each, are {}", message.memory_mb.len());
        violations.add("candidates.memory_mb", range);
    }
    let regions = message.regions.len();
    if let Some(index) = message.region.iter().position(|region| *region as usize >= regions) {
        let field = format_args!("candidates.region[{index}]");
        let value = message.region[index];
        violations.add(field, format_args!("must be below {regions}, is {value}"));
    }
    let wrong = |memory_mb: &u32| !(1..=MAX_MEMORY_MB).contains(memory_mb);
    if let Some(index) = message.memory_mb.iter().position(wrong) {
        let value = message.memory_mb[index];
        let range = format_args!("must be 1 to {MAX_MEMORY_MB}, is {value}");
        violations.add(format_args!("candidates.memory_mb[{index}]"), range);
    }
    let list = table_from_pb(message.table.unwrap_or_default(), count, violations);
    let placements = message.region.into_iter().zip(message.memory_mb).collect();
    PlacementList { regions: message.regions, placements, list }
}

/// Writes the placements to choose from.
pub fn placement_candidates_to_pb(placements: PlacementList) -> pb::PlacementCandidates {
    let PlacementList { regions, placements, list } = placements;
    let (region, memory_mb) = placements.into_iter().unzip();
    pb::PlacementCandidates { regions, region, memory_mb, table: Some(table_to_pb(list)) }
}

fn table_from_pb(
    table: pb::CandidateTable,
    count: usize,
    violations: &mut Violations,
) -> CandidateList {
    let pb::CandidateTable { mut allowed, values } = table;
    let (most, given) = (Candidate::WIDTH, values.len());
    if given > most * count || !given.is_multiple_of(count.max(1)) {
        let range = format_args!("must be 1 to {most} for each of {count} candidates, are {given}");
        violations.add("candidates.table.values", range);
    } else if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        let field = format_args!("candidates.table.values[{index}]");
        violations.add(field, format_args!("must be finite, is {}", values[index]));
    }
    if allowed.is_empty() {
        allowed = vec![true; count];
    } else if allowed.len() != count {
        let range = format_args!("must be {count}, one for each, or none, are {}", allowed.len());
        violations.add("candidates.table.allowed", range);
    } else if !allowed.contains(&true) {
        violations.add("candidates.table.allowed", "must allow at least one candidate");
    }
    CandidateList { values, allowed }
}

fn table_to_pb(list: CandidateList) -> pb::CandidateTable {
    let CandidateList { values, mut allowed } = list;
    if !allowed.contains(&false) {
        allowed.clear();
    }
    pb::CandidateTable { allowed, values }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_candidate() -> impl Strategy<Value = Candidate> {
        (prop::array::uniform9(0.0..1e6f64), any::<[bool; 3]>()).prop_map(|(n, flags)| Candidate {
            expected_objective: n[0],
            cost_usd: n[1],
            latency_ms: n[2],
            carbon_g: n[3],
            cold_start_probability: n[4],
            late_share: n[5],
            memory_head_room: n[6],
            round_trip_ms: n[7],
            grid_intensity: n[8],
            is_current: flags[0],
            on_current_platform: flags[1],
            in_current_region: flags[2],
        })
    }

    proptest! {
        #[test]
        fn placements_survive_the_wire(
            known in prop::collection::vec((any_candidate(), any::<bool>(), 0..3u32), 1..40),
        ) {
            let regions = ["a", "b", "c"].map(str::to_owned).to_vec();
            let mut sent = PlacementList { regions, ..PlacementList::default() };
            for (index, (candidate, allowed, region)) in known.into_iter().enumerate() {
                sent.placements.push((region, 128 << (index % 8)));
                sent.list.values.extend(candidate.values());
                sent.list.allowed.push(allowed || index == 0);
            }
            let mut violations = Violations::new();
            let message = placement_candidates_to_pb(sent.clone());
            prop_assert_eq!(placement_candidates_from_pb(message, &mut violations), sent);
            prop_assert!(violations.is_empty());
        }
    }

    /// The fields that are wrong in two platforms after `spoil`.
    fn wrong(spoil: impl FnOnce(&mut pb::PlatformCandidates)) -> Vec<String> {
        let mut list = PlatformList::default();
        for name in ["one", "two"] {
            list.platforms.push(name.to_owned());
            list.list.values.extend(Candidate::default().values());
            list.list.allowed.push(true);
        }
        let mut message = platform_candidates_to_pb(list);
        spoil(&mut message);
        let mut violations = Violations::new();
        let _ = platform_candidates_from_pb(message, &mut violations);
        violations.into_fault().violations.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn every_wrong_value_is_named() {
        let spoiled = |spoil: fn(&mut pb::CandidateTable)| {
            wrong(|message| message.table.iter_mut().for_each(spoil))
        };
        assert_eq!(wrong(|_| ()), [""; 0]);
        assert_eq!(spoiled(|table| table.values.push(1.0)), ["candidates.table.values"]);
        assert_eq!(spoiled(|table| table.values.clear()), [""; 0]);
        assert_eq!(spoiled(|table| table.values.truncate(2)), [""; 0]);
        assert_eq!(spoiled(|table| table.values.push(0.0)), ["candidates.table.values"]);
        assert_eq!(spoiled(|table| table.values[13] = f32::NAN), ["candidates.table.values[13]"]);
        assert_eq!(spoiled(|table| table.allowed = vec![true]), ["candidates.table.allowed"]);
        assert_eq!(spoiled(|table| table.allowed = vec![false; 2]), ["candidates.table.allowed"]);
        let none = wrong(|message| message.platforms.clear());
        assert_eq!(none[0], "candidates.platforms");
    }
}
