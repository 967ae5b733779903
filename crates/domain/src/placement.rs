use std::fmt;

use crate::{MemoryTier, Provider, Region};

/// Where a function runs and how much memory it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Placement {
    /// The cloud.
    pub provider: Provider,
    /// The area of the world.
    pub region: Region,
    /// The memory size.
    pub memory: MemoryTier,
}

impl Placement {
    /// How many placements there are: 3 providers, 4 regions, 6 memory tiers.
    pub const COUNT: usize = Provider::ALL.len() * Region::ALL.len() * MemoryTier::ALL.len();

    /// Every placement, ordered by provider, region, memory.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).filter_map(Self::from_index)
    }

    /// Position in [`Placement::all`].
    pub const fn index(self) -> usize {
        (self.provider.index() * Region::ALL.len() + self.region.index()) * MemoryTier::ALL.len()
            + self.memory.index()
    }

    /// The placement at `index`, or `None` beyond the last.
    pub fn from_index(index: usize) -> Option<Self> {
        let (rest, memory) = (index / MemoryTier::ALL.len(), index % MemoryTier::ALL.len());
        Some(Self {
            provider: Provider::from_index(rest / Region::ALL.len())?,
            region: Region::from_index(rest % Region::ALL.len())?,
            memory: MemoryTier::from_index(memory)?,
        })
    }

    /// What the provider calls the region.
    pub const fn provider_region(self) -> &'static str {
        self.region.name_at(self.provider)
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.provider, self.provider_region(), self.memory.megabytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_and_placement_are_one_to_one() {
        let all: Vec<_> = Placement::all().collect();
        assert_eq!(all.len(), 72);
        for (index, placement) in all.iter().enumerate() {
            assert_eq!(placement.index(), index);
        }
        assert_eq!(Placement::from_index(72), None);
    }
}
