//! The policy that selects which versions of the repository are kept loaded.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::snapshot::MAX_LOADED;

/// Selects which versions of the repository are kept loaded, eight at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// This many of the newest versions.
    Latest(usize),
    /// These versions.
    Listed(BTreeSet<u32>),
    /// As many versions as can be loaded, the newest first.
    All,
}

impl Policy {
    /// Selects among the versions in the repository. `available` and the result are ascending.
    pub(crate) fn select(&self, available: &[u32]) -> BTreeSet<u32> {
        let newest_first = available.iter().rev().copied();
        match self {
            Self::Latest(count) => newest_first.take((*count).min(MAX_LOADED)).collect(),
            Self::Listed(listed) => {
                newest_first.filter(|version| listed.contains(version)).collect()
            }
            Self::All => newest_first.take(MAX_LOADED).collect(),
        }
    }
}

/// The text is not a policy.
#[derive(Debug, thiserror::Error)]
#[error(
    "must be `latest`, `latest:N`, `all`, or version numbers from 1, comma separated; at most \
     {MAX_LOADED} of them"
)]
pub struct NoPolicy;

impl FromStr for Policy {
    type Err = NoPolicy;

    fn from_str(text: &str) -> Result<Self, NoPolicy> {
        match text.trim() {
            "all" => return Ok(Self::All),
            "latest" => return Ok(Self::Latest(1)),
            _ => {}
        }
        if let Some(count) = text.trim().strip_prefix("latest:") {
            let count = count.trim().parse().ok().filter(|count| (1..=MAX_LOADED).contains(count));
            return count.map(Self::Latest).ok_or(NoPolicy);
        }
        let number = |part: &str| part.trim().parse().ok().filter(|number: &u32| *number > 0);
        let listed: Option<BTreeSet<u32>> = text.split(',').map(number).collect();
        let fits = |listed: &BTreeSet<u32>| listed.len() <= MAX_LOADED;
        listed.filter(fits).map(Self::Listed).ok_or(NoPolicy)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest(count) => write!(f, "latest:{count}"),
            Self::All => f.write_str("all"),
            Self::Listed(listed) => {
                let numbers: Vec<_> = listed.iter().map(u32::to_string).collect();
                f.write_str(&numbers.join(","))
            }
        }
    }
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// YAML parses a single version as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u32),
    Text(String),
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text =
            match Written::deserialize(deserializer).map_err(|_| de::Error::custom(NoPolicy))? {
                Written::Number(number) => number.to_string(),
                Written::Text(text) => text,
            };
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn policies_read_as_they_are_written() {
        for text in ["latest:3", "all", "1,3", "7"] {
            assert_eq!(text.parse::<Policy>().unwrap().to_string(), text);
        }
        assert_eq!("latest".parse::<Policy>().unwrap(), Policy::Latest(1));
        for wrong in ["", "none", "latest:0", "latest:9", "0", "1,", "-1", "1,2,3,4,5,6,7,8,9"] {
            assert!(wrong.parse::<Policy>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn policies_select_of_what_there_is() {
        let select = |text: &str| {
            let policy: Policy = text.parse().unwrap();
            policy.select(&[1, 2, 5]).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(select("latest"), [5]);
        assert_eq!(select("latest:2"), [2, 5]);
        assert_eq!(select("all"), [1, 2, 5]);
        assert_eq!(select("1,3,5"), [1, 5]);
        let many: Vec<u32> = (1..=20).collect();
        assert_eq!(Policy::All.select(&many), (13..=20).collect());
    }
}
