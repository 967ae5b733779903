//! Where requests come from.

use super::ids::{AreaId, RegionId};

/// A point on the globe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coordinates {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
}

/// Mean radius of the Earth (IUGG).
const EARTH_RADIUS_KM: f64 = 6371.0088;

impl Coordinates {
    /// Great-circle distance in km (haversine formula).
    pub fn distance_km(self, other: Self) -> f64 {
        let (from, to) = (self.latitude.to_radians(), other.latitude.to_radians());
        let north = ((to - from) / 2.0).sin();
        let east = ((other.longitude - self.longitude).to_radians() / 2.0).sin();
        let chord = north * north + from.cos() * to.cos() * east * east;
        2.0 * EARTH_RADIUS_KM * chord.sqrt().min(1.0).asin()
    }
}

/// Where a function's callers are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Origin {
    /// In an area: as far from a region as its regions are on average.
    Area(AreaId),
    /// Where a region is.
    Region(RegionId),
    /// Anywhere: as far from a region as its distance says.
    Point(Coordinates),
}

/// Where a function's callers and data are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Home {
    /// Where the callers are.
    pub callers: Origin,
    /// The region that holds the data and sends the requests; `None` when callers are on the
    /// internet.
    pub data: Option<RegionId>,
}

impl Home {
    /// Where requests come from: the region that holds the data, or else the callers.
    pub fn origin(&self) -> Origin {
        self.data.map_or(self.callers, Origin::Region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_on_the_globe_are_great_circles() {
        let london = Coordinates { latitude: 51.5074, longitude: -0.1278 };
        let paris = Coordinates { latitude: 48.8566, longitude: 2.3522 };
        assert!((london.distance_km(paris) - 343.6).abs() < 1.0);
        let antipode = Coordinates { latitude: -51.5074, longitude: 179.8722 };
        assert!((london.distance_km(antipode) - 20_015.1).abs() < 1.0);
        assert_eq!(paris.distance_km(paris), 0.0);
    }
}
