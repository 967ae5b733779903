//! Where a function can run: provider, region and memory size.

mod memory;
mod provider;
mod region;

use std::fmt;

pub use self::{
    memory::{DEFAULT_MEMORY_MB, MemoryTier},
    provider::Provider,
    region::Region,
};

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
    /// How many placements there are: 3 providers, 4 regions and 6 memory tiers make 72.
    pub const COUNT: usize = Provider::COUNT * Region::COUNT * MemoryTier::COUNT;

    /// Every placement, ordered by provider, region, memory.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).filter_map(Self::from_index)
    }

    /// Position in [`Placement::all`].
    pub const fn index(self) -> usize {
        (self.provider.index() * Region::COUNT + self.region.index()) * MemoryTier::COUNT
            + self.memory.index()
    }

    /// The placement at `index`, or `None` beyond the last.
    pub fn from_index(index: usize) -> Option<Self> {
        let (rest, memory) = (index / MemoryTier::COUNT, index % MemoryTier::COUNT);
        Some(Self {
            provider: Provider::from_index(rest / Region::COUNT)?,
            region: Region::from_index(rest % Region::COUNT)?,
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
