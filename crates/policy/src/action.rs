use strata_domain::{MemoryTier, Region};

/// What the tactical layer chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// The area.
    pub region: Region,
    /// The memory size.
    pub memory: MemoryTier,
}

impl Action {
    /// How many actions there are: 4 regions and 6 memory tiers make 24.
    pub const COUNT: usize = Region::COUNT * MemoryTier::COUNT;

    /// Position among all actions: by region, then by memory tier.
    pub const fn index(self) -> usize {
        self.region.index() * MemoryTier::COUNT + self.memory.index()
    }

    /// The action at `index`, or `None` beyond the last.
    pub fn from_index(index: usize) -> Option<Self> {
        Some(Self {
            region: Region::from_index(index / MemoryTier::COUNT)?,
            memory: MemoryTier::from_index(index % MemoryTier::COUNT)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_and_action_are_one_to_one() {
        for index in 0..Action::COUNT {
            assert_eq!(Action::from_index(index).map(Action::index), Some(index));
        }
        assert_eq!(Action::from_index(Action::COUNT), None);
    }
}
