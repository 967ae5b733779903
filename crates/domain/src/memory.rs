use std::fmt;

use crate::Megabytes;

/// Memory in MB assumed of a function of which nothing is known, the smallest size on offer.
pub const DEFAULT_MEMORY_MB: f64 = 128.0;

/// A memory size on offer, in the index order of the tactical model's actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MemoryTier {
    /// 128 MB.
    Mb128,
    /// 256 MB.
    Mb256,
    /// 512 MB.
    Mb512,
    /// 1024 MB.
    Mb1024,
    /// 2048 MB.
    Mb2048,
    /// 3008 MB.
    Mb3008,
}

impl MemoryTier {
    /// Every tier, smallest first.
    pub const ALL: [Self; 6] =
        [Self::Mb128, Self::Mb256, Self::Mb512, Self::Mb1024, Self::Mb2048, Self::Mb3008];

    /// Position in [`MemoryTier::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The tier at `index`, or `None` beyond the last.
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// Size in MB (2^20 bytes, as the providers count).
    pub const fn megabytes(self) -> u32 {
        match self {
            Self::Mb128 => 128,
            Self::Mb256 => 256,
            Self::Mb512 => 512,
            Self::Mb1024 => 1024,
            Self::Mb2048 => 2048,
            Self::Mb3008 => 3008,
        }
    }

    /// The tier of exactly `megabytes`.
    pub fn from_megabytes(megabytes: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.megabytes() == megabytes)
    }

    /// The smallest tier that holds `used`, or `None` when even the largest does not.
    pub fn smallest_holding(used: Megabytes) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| f64::from(tier.megabytes()) >= used.get())
    }
}

impl fmt::Display for MemoryTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MB", self.megabytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn smallest_holding_rounds_up_and_ends_at_the_largest() {
        assert_eq!(MemoryTier::smallest_holding(Megabytes::new(0.0)), Some(MemoryTier::Mb128));
        assert_eq!(MemoryTier::smallest_holding(Megabytes::new(128.1)), Some(MemoryTier::Mb256));
        assert_eq!(MemoryTier::smallest_holding(Megabytes::new(3008.0)), Some(MemoryTier::Mb3008));
        assert_eq!(MemoryTier::smallest_holding(Megabytes::new(3009.0)), None);
    }
}
