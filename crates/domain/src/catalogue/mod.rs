//! What can be chosen and what it costs, as a value: platforms, regions, what each platform sells
//! where, round trips and egress. The formulas take it as an argument.

mod error;
mod ids;
mod origin;
mod parts;
mod platform;
mod region;
mod square;
#[cfg(test)]
pub(crate) mod test_catalogue;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, ops::Range};

use self::square::Square;
pub use self::{
    error::CatalogueError,
    ids::{AreaId, CandidateId, PlatformId, ProviderId, RegionId},
    origin::{Coordinates, Home, Origin},
    parts::{CatalogueParts, DistanceFit, Offer},
    platform::{
        Architecture, BilledMemory, Billing, Machines, Platform, Processors, Rates, Size, Speed,
    },
    region::{Area, Grid, Region},
};
use crate::placement::Placement;

/// Most platforms a catalogue may have: a mask of platforms has 64 bits.
pub const MAX_PLATFORMS: usize = 64;
/// Most regions a catalogue may have; the tables between regions grow with the square.
pub const MAX_REGIONS: usize = 512;
/// Most placements that can be chosen from.
pub const MAX_CANDIDATES: usize = 4096;

/// What can be chosen and what it costs.
///
/// A catalogue does not change: other prices make another catalogue. Its ids are indices that only
/// it can make, and that mean nothing to another catalogue.
#[derive(Debug)]
pub struct Catalogue {
    parts: CatalogueParts,
    providers: Vec<String>,
    platform_provider: Vec<ProviderId>,
    region_provider: Vec<ProviderId>,
    region_area: Vec<Option<AreaId>>,
    round_trips_ms: Square,
    egress_usd_per_gb: Square,
    /// Mean round trip in ms from each area to each region.
    area_round_trips_ms: Vec<Vec<f64>>,
    /// What each platform sells, and where its candidates begin: `[platform][region]`.
    sold: Vec<Vec<Option<Sold>>>,
    candidates: Vec<Placement>,
    candidates_of: Vec<Range<usize>>,
    platform_ids: HashMap<String, PlatformId>,
    region_ids: HashMap<String, Vec<RegionId>>,
    area_ids: HashMap<String, AreaId>,
}

#[derive(Debug, Clone, Copy)]
struct Sold {
    rates: Rates,
    first_candidate: usize,
}

impl Catalogue {
    /// Makes a catalogue of its parts.
    ///
    /// # Errors
    /// The first rule that the parts break.
    pub fn new(parts: CatalogueParts) -> Result<Self, CatalogueError> {
        parts.check()?;
        let mut providers: Vec<String> = Vec::new();
        let mut provider_id = |name: &str| {
            let known = providers.iter().position(|provider| provider == name);
            let index = known.unwrap_or_else(|| {
                providers.push(name.to_owned());
                providers.len() - 1
            });
            ProviderId::new(index)
        };
        let platform_provider = parts.platforms.iter().map(|p| provider_id(&p.provider)).collect();
        let region_provider = parts.regions.iter().map(|r| provider_id(&r.provider)).collect();
        let count = parts.regions.len();
        let round_trips_ms = Square::new(count, &parts.round_trips_ms);
        let egress_usd_per_gb = Square::new(count, &parts.egress_usd_per_gb);
        let mut region_area = vec![None; count];
        for (index, area) in parts.areas.iter().enumerate() {
            area.regions.iter().for_each(|region| region_area[*region] = Some(AreaId::new(index)));
        }
        let mean = |area: &Area, to: usize| {
            let sum: f64 = area.regions.iter().map(|from| round_trips_ms.at(*from, to)).sum();
            sum / area.regions.len() as f64
        };
        let area_round_trips_ms =
            parts.areas.iter().map(|area| (0..count).map(|to| mean(area, to)).collect()).collect();
        let mut region_ids: HashMap<String, Vec<RegionId>> = HashMap::new();
        for (index, region) in parts.regions.iter().enumerate() {
            region_ids.entry(region.name.clone()).or_default().push(RegionId::new(index));
        }
        let platforms = parts.platforms.iter().enumerate();
        let areas = parts.areas.iter().enumerate();
        let mut catalogue = Self {
            platform_ids: platforms.map(|(i, p)| (p.name.clone(), PlatformId::new(i))).collect(),
            region_ids,
            area_ids: areas.map(|(i, area)| (area.name.clone(), AreaId::new(i))).collect(),
            sold: vec![vec![None; count]; parts.platforms.len()],
            parts,
            providers,
            platform_provider,
            region_provider,
            region_area,
            round_trips_ms,
            egress_usd_per_gb,
            area_round_trips_ms,
            candidates: Vec::new(),
            candidates_of: Vec::new(),
        };
        catalogue.list_candidates();
        Ok(catalogue)
    }

    /// Lists the candidates: by platform, then region, then memory size, each in its order.
    fn list_candidates(&mut self) {
        for offer in &self.parts.offers {
            let sold = Sold { rates: offer.rates, first_candidate: 0 };
            self.sold[offer.platform][offer.region] = Some(sold);
        }
        for (index, platform) in self.parts.platforms.iter().enumerate() {
            let begin = self.candidates.len();
            for (region, sold) in self.sold[index].iter_mut().enumerate() {
                let Some(sold) = sold else { continue };
                sold.first_candidate = self.candidates.len();
                self.candidates.extend(platform.sizes.iter().map(|size| Placement {
                    platform: PlatformId::new(index),
                    region: RegionId::new(region),
                    memory_mb: size.memory_mb,
                }));
            }
            self.candidates_of.push(begin..self.candidates.len());
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.parts.name
    }

    /// Identifies its content: two catalogues with the same revision are the same.
    pub fn revision(&self) -> &str {
        &self.parts.revision
    }

    /// Every platform, in the order of the ids.
    pub fn platforms(&self) -> impl ExactSizeIterator<Item = (PlatformId, &Platform)> {
        self.parts.platforms.iter().enumerate().map(|(i, platform)| (PlatformId::new(i), platform))
    }

    /// Every region, in the order of the ids.
    pub fn regions(&self) -> impl ExactSizeIterator<Item = (RegionId, &Region)> {
        self.parts.regions.iter().enumerate().map(|(i, region)| (RegionId::new(i), region))
    }

    /// Every area of callers, in the order of the ids.
    pub fn areas(&self) -> impl ExactSizeIterator<Item = (AreaId, &Area)> {
        self.parts.areas.iter().enumerate().map(|(i, area)| (AreaId::new(i), area))
    }

    /// The names of the providers, in the order of the ids.
    pub fn providers(&self) -> impl ExactSizeIterator<Item = (ProviderId, &str)> {
        self.providers.iter().enumerate().map(|(i, name)| (ProviderId::new(i), name.as_str()))
    }

    /// A platform.
    pub fn platform(&self, id: PlatformId) -> &Platform {
        &self.parts.platforms[id.index()]
    }

    /// A region.
    pub fn region(&self, id: RegionId) -> &Region {
        &self.parts.regions[id.index()]
    }

    /// An area of callers.
    pub fn area(&self, id: AreaId) -> &Area {
        &self.parts.areas[id.index()]
    }

    /// The name of a provider.
    pub fn provider(&self, id: ProviderId) -> &str {
        &self.providers[id.index()]
    }

    /// The provider of a platform.
    pub fn provider_of(&self, platform: PlatformId) -> ProviderId {
        self.platform_provider[platform.index()]
    }

    /// The provider of a region.
    pub fn provider_of_region(&self, region: RegionId) -> ProviderId {
        self.region_provider[region.index()]
    }

    /// The platform of that name.
    pub fn find_platform(&self, name: &str) -> Option<PlatformId> {
        self.platform_ids.get(name).copied()
    }

    /// The region to which `provider` gave that name.
    pub fn find_region(&self, provider: ProviderId, name: &str) -> Option<RegionId> {
        let named = self.region_ids.get(name)?;
        named.iter().copied().find(|region| self.provider_of_region(*region) == provider)
    }

    /// The region of that name, of whichever provider; the first provider's if several use it.
    pub fn find_region_anywhere(&self, name: &str) -> Option<RegionId> {
        self.region_ids.get(name)?.first().copied()
    }

    /// The area of that name.
    pub fn find_area(&self, name: &str) -> Option<AreaId> {
        self.area_ids.get(name).copied()
    }

    /// The provider of that name.
    pub fn find_provider(&self, name: &str) -> Option<ProviderId> {
        self.providers().find(|(_, known)| *known == name).map(|(id, _)| id)
    }

    /// The area that a region belongs to, if any.
    pub fn area_of(&self, region: RegionId) -> Option<AreaId> {
        self.region_area[region.index()]
    }

    /// The platform that run times are taken to be observed on when nothing else is known.
    pub fn reference_platform(&self) -> PlatformId {
        PlatformId::new(self.parts.reference_platform)
    }

    /// The home of callers of whom nothing is known.
    pub fn default_area(&self) -> AreaId {
        AreaId::new(self.parts.default_area)
    }

    /// Every placement that can be chosen: by platform, then region, then memory size.
    pub fn candidates(&self) -> &[Placement] {
        &self.candidates
    }

    /// The ids of the candidates on a platform.
    pub fn candidates_of(&self, platform: PlatformId) -> Range<usize> {
        self.candidates_of[platform.index()].clone()
    }

    /// The candidate with that id.
    pub fn candidate(&self, id: CandidateId) -> Placement {
        self.candidates[id.index()]
    }

    /// The ids of all candidates.
    pub fn candidate_ids(&self) -> impl ExactSizeIterator<Item = CandidateId> + use<> {
        (0..self.candidates.len()).map(CandidateId::new)
    }

    /// The id of a placement; `None` when it cannot be chosen.
    pub fn find_candidate(&self, placement: Placement) -> Option<CandidateId> {
        let sold = self.sold[placement.platform.index()][placement.region.index()]?;
        let sizes = &self.platform(placement.platform).sizes;
        let size = sizes.iter().position(|size| size.memory_mb == placement.memory_mb)?;
        Some(CandidateId::new(sold.first_candidate + size))
    }

    /// What a platform charges in a region; `None` where it sells nothing.
    pub fn rates(&self, platform: PlatformId, region: RegionId) -> Option<&Rates> {
        self.sold[platform.index()][region.index()].as_ref().map(|sold| &sold.rates)
    }

    /// Round-trip time in ms between two regions.
    pub fn round_trip_ms(&self, from: RegionId, to: RegionId) -> f64 {
        self.round_trips_ms.at(from.index(), to.index())
    }

    /// USD per GB sent from one region to another; nothing within one.
    pub fn egress_usd_per_gb(&self, from: RegionId, to: RegionId) -> f64 {
        self.egress_usd_per_gb.at(from.index(), to.index())
    }

    /// Round-trip time in ms from callers to a region. The last mile is left out: it is the same
    /// for every placement.
    pub fn caller_round_trip_ms(&self, callers: Origin, to: RegionId) -> f64 {
        match callers {
            Origin::Area(area) => self.area_round_trips_ms[area.index()][to.index()],
            Origin::Region(from) => self.round_trip_ms(from, to),
            Origin::Point(from) => self.parts.distance.round_trip_ms(from, self.region(to).point),
        }
    }

    /// The region of `provider` nearest to callers by round-trip time; `None` when it has none.
    pub fn nearest_region(&self, provider: ProviderId, callers: Origin) -> Option<RegionId> {
        let of_provider = |id: &RegionId| self.provider_of_region(*id) == provider;
        let ids = (0..self.parts.regions.len()).map(RegionId::new).filter(of_provider);
        ids.min_by(|one, other| {
            let away = |id| self.caller_round_trip_ms(callers, id);
            away(*one).total_cmp(&away(*other))
        })
    }

    /// A placement in words: `aws-lambda/eu-central-1/512`.
    pub fn describe(&self, placement: Placement) -> String {
        let (platform, region) = (self.platform(placement.platform), self.region(placement.region));
        format!("{}/{}/{}", platform.name, region.name, placement.memory_mb)
    }
}
