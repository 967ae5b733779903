//! The traffic of a model: the shares of its versions, and the version that each key selects.

use std::collections::{BTreeMap, BTreeSet};

use strata_domain::FaultKind;
use strata_wire::{Fault, Violations, pb};

/// The label of the version with the largest share.
pub(crate) const STABLE: &str = "stable";
/// The label of every other version with a share.
pub(crate) const CANARY: &str = "canary";
/// Maximum number of shadow versions: each of them runs every row again.
const MAX_SHADOWS: usize = 2;

/// The shares of versions in percent, all above 0 and 100 in total, and the shadow versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Traffic {
    shares: BTreeMap<u32, u32>,
    shadows: BTreeSet<u32>,
}

impl Traffic {
    /// All traffic to one version.
    pub(crate) fn all_to(version: u32) -> Self {
        Self { shares: [(version, 100)].into(), shadows: BTreeSet::new() }
    }

    /// Reads the traffic of a request. Labels refer to the versions that have them in `now`.
    ///
    /// # Errors
    /// `InvalidArgument` with every field that is wrong; `FailedPrecondition` for a label that not
    /// exactly one version has.
    pub(crate) fn read(request: &pb::SetTrafficRequest, now: &Self) -> Result<Self, Fault> {
        let mut violations = Violations::new();
        let (mut shares, mut named) = (BTreeMap::new(), BTreeSet::new());
        for (index, share) in request.shares.iter().enumerate() {
            let version = match (share.version, share.label.as_str()) {
                (0, "") => {
                    violations.add(format_args!("shares[{index}].version"), "must be given");
                    continue;
                }
                (0, STABLE | CANARY) => now.labelled(&share.label)?,
                (version, "") => version,
                _ => {
                    let rule = "must be `stable` or `canary`, and empty beside a version";
                    violations.add(format_args!("shares[{index}].label"), rule);
                    continue;
                }
            };
            if share.percent > 100 {
                let rule = format_args!("must be 0 to 100, is {}", share.percent);
                violations.add(format_args!("shares[{index}].percent"), rule);
            }
            if !named.insert(version) {
                violations.add(format_args!("shares[{index}].version"), "is named twice");
            }
            if share.percent > 0 {
                shares.insert(version, share.percent);
            }
        }
        let sum: u64 = request.shares.iter().map(|share| u64::from(share.percent)).sum();
        if sum != 100 {
            violations.add("shares", format_args!("must add up to 100, add up to {sum}"));
        }
        let mut shadows = BTreeSet::new();
        for (index, version) in request.shadows.iter().enumerate() {
            if !shadows.insert(*version) {
                violations.add(format_args!("shadows[{index}]"), "is named twice");
            }
        }
        if shadows.len() > MAX_SHADOWS {
            let rule = format_args!("must be at most {MAX_SHADOWS}, are {}", shadows.len());
            violations.add("shadows", rule);
        }
        if shadows.contains(&0) {
            violations.add("shadows", "must be versions, from 1");
        }
        if let Some(version) = shadows.iter().find(|version| shares.contains_key(version)) {
            violations.add("shadows", format_args!("version {version} has a share of the traffic"));
        }
        if violations.is_empty() {
            Ok(Self { shares, shadows })
        } else {
            Err(violations.into_fault())
        }
    }

    fn labelled(&self, label: &str) -> Result<u32, Fault> {
        let mut found = self.shares.keys().filter(|version| self.label(**version) == Some(label));
        let problem = match (found.next(), found.next()) {
            (Some(version), None) => return Ok(*version),
            (None, _) => "no version",
            (Some(_), Some(_)) => "more than one version",
        };
        let message = format!("{problem} is `{label}` now; name versions by their numbers");
        Err(Fault::new(FaultKind::FailedPrecondition, message))
    }

    /// The version with the largest share; the oldest of several equal ones.
    pub(crate) fn stable(&self) -> u32 {
        let oldest_of_largest = |best: (u32, u32), (version, percent): (&u32, &u32)| {
            if *percent > best.1 { (*version, *percent) } else { best }
        };
        self.shares.iter().fold((0, 0), oldest_of_largest).0
    }

    /// The version that has all traffic, if there is one.
    pub(crate) fn sole(&self) -> Option<u32> {
        (self.shares.len() == 1).then(|| self.stable())
    }

    /// The share of a version in percent.
    pub(crate) fn percent(&self, version: u32) -> u32 {
        self.shares.get(&version).copied().unwrap_or(0)
    }

    /// The label of a version.
    pub(crate) fn label(&self, version: u32) -> Option<&'static str> {
        let has_share = self.shares.contains_key(&version);
        has_share.then(|| if self.stable() == version { STABLE } else { CANARY })
    }

    /// Whether a version is a shadow.
    pub(crate) fn is_shadow(&self, version: u32) -> bool {
        self.shadows.contains(&version)
    }

    /// The shadow versions.
    pub(crate) fn shadows(&self) -> impl Iterator<Item = u32> + '_ {
        self.shadows.iter().copied()
    }

    /// Whether a version has a share or is a shadow.
    pub(crate) fn needs(&self, version: u32) -> bool {
        self.shares.contains_key(&version) || self.is_shadow(version)
    }

    /// Every version that has a share or is a shadow.
    pub(crate) fn needed(&self) -> impl Iterator<Item = u32> + '_ {
        self.shares.keys().chain(&self.shadows).copied()
    }

    /// The version that a key selects. The versions divide a line of 100 points in ascending order,
    /// and each key falls on one point: a share that grows takes keys from its neighbours and gives
    /// none away.
    pub(crate) fn version_for(&self, key: u64) -> u32 {
        let mut point = (mixed(key) % 100) as u32;
        for (version, percent) in &self.shares {
            match point.checked_sub(*percent) {
                None => return *version,
                Some(rest) => point = rest,
            }
        }
        self.stable()
    }
}

/// Mixes the bits of a key (the finaliser of SplitMix64), because a key may be a poor hash.
fn mixed(key: u64) -> u64 {
    let key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ (key >> 31)
}

/// The hash of a row's numbers (FNV-1a over their bits), for rows without a key.
pub(crate) fn key_of<'v>(row: impl IntoIterator<Item = &'v f32>) -> u64 {
    row.into_iter()
        .flat_map(|value| value.to_bits().to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn share(version: u32, percent: u32) -> pb::TrafficShare {
        pb::TrafficShare { version, percent, label: String::new() }
    }

    fn request(shares: &[(u32, u32)]) -> pb::SetTrafficRequest {
        let shares = shares.iter().map(|(version, percent)| share(*version, *percent)).collect();
        pb::SetTrafficRequest { shares, ..Default::default() }
    }

    fn split(shares: &[(u32, u32)]) -> Traffic {
        Traffic::read(&request(shares), &Traffic::all_to(1)).unwrap()
    }

    #[test]
    fn keys_fall_to_versions_by_their_shares_and_stay() {
        let (ten, thirty) = (split(&[(1, 90), (2, 10)]), split(&[(2, 30), (1, 70)]));
        let hits = |traffic: &Traffic| (0..10_000).filter(|k| traffic.version_for(*k) == 2).count();
        assert!((900..1100).contains(&hits(&ten)), "{}", hits(&ten));
        assert!((2800..3200).contains(&hits(&thirty)), "{}", hits(&thirty));
        // A larger share only adds keys.
        let moved = |key: &u64| ten.version_for(*key) == 2 && thirty.version_for(*key) != 2;
        assert_eq!((0..10_000).find(moved), None);
        assert_eq!(split(&[(7, 100)]).version_for(u64::MAX), 7);
    }

    #[test]
    fn labels_follow_the_shares() {
        let traffic = split(&[(1, 10), (2, 80), (3, 10), (4, 0)]);
        let labels = [1, 2, 3, 4].map(|version| traffic.label(version));
        assert_eq!(labels, [Some(CANARY), Some(STABLE), Some(CANARY), None]);
        assert_eq!((traffic.stable(), traffic.sole()), (2, None));
        assert_eq!(split(&[(5, 50), (4, 50)]).stable(), 4);
    }

    #[test]
    fn a_label_stands_for_the_version_that_has_it_now() {
        let now = split(&[(1, 90), (2, 10)]);
        let label = |label: &str| pb::SetTrafficRequest {
            shares: vec![pb::TrafficShare { version: 0, percent: 100, label: label.to_owned() }],
            ..Default::default()
        };
        assert_eq!(Traffic::read(&label(CANARY), &now).unwrap(), Traffic::all_to(2));
        assert_eq!(Traffic::read(&label(STABLE), &now).unwrap(), Traffic::all_to(1));
        let fault = Traffic::read(&label(CANARY), &Traffic::all_to(1)).unwrap_err();
        assert_eq!(fault.kind, FaultKind::FailedPrecondition);
        let fault = Traffic::read(&label("blue"), &now).unwrap_err();
        assert_eq!(fault.violations[0].field, "shares[0].label");
    }

    #[test]
    fn shares_that_make_no_sense_are_refused() {
        let now = Traffic::all_to(1);
        let field = |request: &pb::SetTrafficRequest| {
            Traffic::read(request, &now).unwrap_err().violations[0].field.clone()
        };
        assert_eq!(field(&request(&[])), "shares");
        assert_eq!(field(&request(&[(1, 99)])), "shares");
        assert_eq!(field(&request(&[(0, 100)])), "shares[0].version");
        assert_eq!(field(&request(&[(1, 50), (1, 50)])), "shares[1].version");
        assert_eq!(field(&request(&[(1, u32::MAX), (2, u32::MAX)])), "shares[0].percent");
        let twice = pb::SetTrafficRequest { shadows: vec![2, 2], ..request(&[(1, 100)]) };
        assert_eq!(field(&twice), "shadows[1]");
        for shadows in [vec![1], vec![0], vec![2, 3, 4]] {
            let request = pb::SetTrafficRequest { shadows, ..request(&[(1, 100)]) };
            assert_eq!(field(&request), "shadows");
        }
    }

    #[test]
    fn rows_without_a_key_have_one_of_their_own() {
        assert_eq!(key_of(&[1.0, 2.0]), key_of(&[1.0, 2.0]));
        assert_ne!(key_of(&[1.0, 2.0]), key_of(&[2.0, 1.0]));
    }
}
