use std::fmt;

use crate::{indexed_enum::indexed_enum, units::Megabytes};

/// Memory in MB assumed of a function of which nothing is known: the smallest size on offer.
pub const DEFAULT_MEMORY_MB: f64 = MemoryTier::SMALLEST.megabytes() as f64;

indexed_enum! {
    /// A memory size on offer, smallest first, in the index order of the tactical model's actions.
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
}

const _: () = {
    let mut next = 1;
    while next < MemoryTier::COUNT {
        assert!(
            MemoryTier::ALL[next - 1].megabytes() < MemoryTier::ALL[next].megabytes(),
            "memory tiers must be listed smallest first"
        );
        next += 1;
    }
};

impl MemoryTier {
    /// The smallest tier.
    pub const SMALLEST: Self = Self::ALL[0];

    /// The largest tier.
    pub const LARGEST: Self = Self::ALL[Self::COUNT - 1];

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
