//! Where a function can run.

use crate::catalogue::{PlatformId, RegionId};

/// Memory in MB assumed of a function of which nothing is known.
pub const DEFAULT_MEMORY_MB: f64 = 128.0;

/// Where a function runs and how much memory it gets, in terms of a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Placement {
    /// The platform.
    pub platform: PlatformId,
    /// The region.
    pub region: RegionId,
    /// Memory in MB. A function may have a size that the platform does not list.
    pub memory_mb: u32,
}

/// Where a function runs now, as far as the catalogue knows the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// The platform.
    pub platform: PlatformId,
    /// The region; `None` when the catalogue does not have it.
    pub region: Option<RegionId>,
    /// Memory in MB.
    pub memory_mb: u32,
}

impl Running {
    /// The whole placement, if the catalogue knows its region.
    pub fn placement(self) -> Option<Placement> {
        let Self { platform, region, memory_mb } = self;
        region.map(|region| Placement { platform, region, memory_mb })
    }
}

impl From<Placement> for Running {
    fn from(Placement { platform, region, memory_mb }: Placement) -> Self {
        Self { platform, region: Some(region), memory_mb }
    }
}
