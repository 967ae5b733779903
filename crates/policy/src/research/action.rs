use super::grid::{Area, Tier};

/// What the tactical layer chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// The area.
    pub area: Area,
    /// The memory size.
    pub tier: Tier,
}

impl Action {
    /// How many actions there are: 4 areas and 6 memory sizes make 24.
    pub const COUNT: usize = Area::COUNT * Tier::COUNT;

    /// Position among all actions: by area, then by memory size.
    pub const fn index(self) -> usize {
        self.area.index() * Tier::COUNT + self.tier.index()
    }

    /// The action at `index`, or `None` beyond the last.
    pub fn from_index(index: usize) -> Option<Self> {
        Some(Self {
            area: Area::from_index(index / Tier::COUNT)?,
            tier: Tier::from_index(index % Tier::COUNT)?,
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
