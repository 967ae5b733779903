//! The candidates among which a model chooses.

use std::fmt::Display;

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
    let list = columns_from_pb(message.columns.unwrap_or_default(), count, violations);
    PlatformList { platforms: message.platforms, list }
}

/// Writes the platforms to choose from.
pub fn platform_candidates_to_pb(platforms: PlatformList) -> pb::PlatformCandidates {
    let PlatformList { platforms, list } = platforms;
    pb::PlatformCandidates { platforms, columns: Some(columns_to_pb(&list)) }
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
    let list = columns_from_pb(message.columns.unwrap_or_default(), count, violations);
    let placements = message.region.into_iter().zip(message.memory_mb).collect();
    PlacementList { regions: message.regions, placements, list }
}

/// Writes the placements to choose from.
pub fn placement_candidates_to_pb(placements: PlacementList) -> pb::PlacementCandidates {
    let PlacementList { regions, placements, list } = placements;
    let (region, memory_mb) = placements.into_iter().unzip();
    pb::PlacementCandidates { regions, region, memory_mb, columns: Some(columns_to_pb(&list)) }
}

/// Calls a macro with the columns of numbers, each of which is a field of candidates.
macro_rules! number_columns {
    ($each:ident) => {
        $each!(
            expected_objective,
            cost_usd,
            latency_ms,
            carbon_g,
            cold_start_probability,
            late_share,
            memory_head_room,
            round_trip_ms,
            grid_intensity
        )
    };
}

/// Calls a macro with the columns of flags.
macro_rules! flag_columns {
    ($each:ident) => {
        $each!(is_current, on_current_platform, in_current_region)
    };
}

fn columns_from_pb(
    columns: pb::CandidateColumns,
    count: usize,
    violations: &mut Violations,
) -> CandidateList {
    let mut candidates = vec![Candidate::default(); count];
    macro_rules! numbers {
        ($($column:ident),+) => {
            $(
                let name = concat!("candidates.columns.", stringify!($column));
                if counted(name, columns.$column.len(), count, violations) {
                    for (candidate, value) in candidates.iter_mut().zip(&columns.$column) {
                        candidate.$column = f64::from(*value);
                    }
                    finite(name, &columns.$column, violations);
                }
            )+
        };
    }
    number_columns!(numbers);
    macro_rules! flags {
        ($($column:ident),+) => {
            $(
                let name = concat!("candidates.columns.", stringify!($column));
                if counted(name, columns.$column.len(), count, violations) {
                    for (candidate, value) in candidates.iter_mut().zip(&columns.$column) {
                        candidate.$column = *value;
                    }
                }
            )+
        };
    }
    flag_columns!(flags);
    let mut allowed = columns.allowed;
    if counted("candidates.columns.allowed", allowed.len(), count, violations) {
        if !allowed.contains(&true) {
            violations.add("candidates.columns.allowed", "must allow at least one candidate");
        }
    } else {
        allowed = vec![true; count];
    }
    CandidateList { candidates, allowed }
}

/// Whether a column is given; adds a violation when it has another length.
fn counted(name: impl Display, given: usize, count: usize, violations: &mut Violations) -> bool {
    if given != 0 && given != count {
        violations.add(name, format_args!("must be {count}, one for each, or none, are {given}"));
    }
    given == count && count != 0
}

fn finite(name: &str, values: &[f32], violations: &mut Violations) {
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        let field = format_args!("{name}[{index}]");
        violations.add(field, format_args!("must be finite, is {}", values[index]));
    }
}

fn columns_to_pb(list: &CandidateList) -> pb::CandidateColumns {
    let mut columns = pb::CandidateColumns::default();
    if list.allowed.contains(&false) {
        columns.allowed.clone_from(&list.allowed);
    }
    macro_rules! numbers {
        ($($column:ident),+) => {
            $( columns.$column = list.candidates.iter().map(|c| c.$column as f32).collect(); )+
        };
    }
    number_columns!(numbers);
    macro_rules! flags {
        ($($column:ident),+) => {
            $( columns.$column = list.candidates.iter().map(|c| c.$column).collect(); )+
        };
    }
    flag_columns!(flags);
    columns
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_candidate() -> impl Strategy<Value = Candidate> {
        (prop::array::uniform9(0.0..1e6f32), any::<[bool; 3]>()).prop_map(|(n, flags)| Candidate {
            expected_objective: n[0].into(),
            cost_usd: n[1].into(),
            latency_ms: n[2].into(),
            carbon_g: n[3].into(),
            cold_start_probability: n[4].into(),
            late_share: n[5].into(),
            memory_head_room: n[6].into(),
            round_trip_ms: n[7].into(),
            grid_intensity: n[8].into(),
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
                sent.list.push(candidate, allowed || index == 0);
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
            list.list.push(Candidate::default(), true);
        }
        let mut message = platform_candidates_to_pb(list);
        spoil(&mut message);
        let mut violations = Violations::new();
        let _ = platform_candidates_from_pb(message, &mut violations);
        violations.into_fault().violations.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn every_wrong_column_is_named() {
        let spoiled = |spoil: fn(&mut pb::CandidateColumns)| {
            wrong(|message| message.columns.iter_mut().for_each(spoil))
        };
        assert_eq!(wrong(|_| ()), [""; 0]);
        assert_eq!(spoiled(|c| c.cost_usd.push(1.0)), ["candidates.columns.cost_usd"]);
        assert_eq!(spoiled(|c| c.latency_ms.clear()), [""; 0]);
        assert_eq!(spoiled(|c| c.carbon_g[1] = f32::NAN), ["candidates.columns.carbon_g[1]"]);
        assert_eq!(spoiled(|c| c.is_current.truncate(1)), ["candidates.columns.is_current"]);
        assert_eq!(spoiled(|c| c.allowed = vec![false; 2]), ["candidates.columns.allowed"]);
        let none = wrong(|message| message.platforms.clear());
        assert_eq!(none[0], "candidates.platforms");
    }
}
