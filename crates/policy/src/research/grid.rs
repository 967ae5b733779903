//! Where a catalogue has what the models of the research framework know.

use std::fmt;

use strata_domain::{
    AreaId, CandidateId, Catalogue, Location, Origin, Placement, PlatformId, RegionId, indexed_enum,
};

use super::action::Action;

indexed_enum! {
    /// A provider, in the index order of the strategic model's actions.
    pub enum Provider {
        /// AWS Lambda.
        Aws,
        /// Azure Functions, consumption plan.
        Azure,
        /// Google Cloud Functions, 1st generation.
        Gcp,
    }
}

impl Provider {
    /// `aws`, `azure` or `gcp`, as features and labels write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }

    /// The platform of the catalogue `research`.
    pub const fn platform(self) -> &'static str {
        match self {
            Self::Aws => "aws-lambda",
            Self::Azure => "azure-functions-consumption",
            Self::Gcp => "gcp-functions-gen1",
        }
    }
}

indexed_enum! {
    /// An area in which every provider has a region, in the index order of the tactical model's
    /// actions.
    pub enum Area {
        /// Virginia.
        UsEast,
        /// Oregon and Washington.
        UsWest,
        /// Ireland and Belgium.
        EuWest,
        /// Singapore.
        ApSoutheast,
    }
}

impl Area {
    /// AWS's region there, which labels and features write: `us-east-1`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::UsEast => "us-east-1",
            Self::UsWest => "us-west-2",
            Self::EuWest => "eu-west-1",
            Self::ApSoutheast => "ap-southeast-1",
        }
    }

    /// The area of the catalogue `research`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UsEast => "us-east",
            Self::UsWest => "us-west",
            Self::EuWest => "eu-west",
            Self::ApSoutheast => "ap-southeast",
        }
    }
}

indexed_enum! {
    /// A memory size, smallest first, in the index order of the tactical model's actions.
    pub enum Tier {
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

impl Tier {
    /// Size in MB.
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
}

/// What a catalogue lacks of the research framework's placements.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the model places on the catalogue `research`, and the catalogue `{catalogue}` has no {missing}"
)]
pub struct MissingFromGrid {
    catalogue: String,
    missing: String,
}

/// The ids of the research framework's platforms, regions and areas in a catalogue.
#[derive(Debug, Clone)]
pub struct Grid {
    platforms: [PlatformId; Provider::COUNT],
    regions: [[RegionId; Area::COUNT]; Provider::COUNT],
    area_ids: [AreaId; Area::COUNT],
    candidates: [[Option<CandidateId>; Action::COUNT]; Provider::COUNT],
}

impl Grid {
    /// Finds them in `catalogue`.
    ///
    /// # Errors
    /// The catalogue lacks one of them.
    pub fn of(catalogue: &Catalogue) -> Result<Self, MissingFromGrid> {
        let missing = |what: &dyn fmt::Display, name: &str| MissingFromGrid {
            catalogue: catalogue.name().to_owned(),
            missing: format!("{what} `{name}`"),
        };
        let mut platforms = Vec::with_capacity(Provider::COUNT);
        for provider in Provider::ALL {
            let name = provider.platform();
            let found = catalogue.find_platform(name);
            platforms.push(found.ok_or_else(|| missing(&"platform", name))?);
        }
        let mut areas = Vec::with_capacity(Area::COUNT);
        for area in Area::ALL {
            let found = catalogue.find_area(area.name());
            areas.push(found.ok_or_else(|| missing(&"area", area.name()))?);
        }
        let mut regions = Vec::with_capacity(Provider::COUNT);
        for platform in &platforms {
            let provider = catalogue.provider_of(*platform);
            let mut row = Vec::with_capacity(Area::COUNT);
            for area in &areas {
                let here = catalogue.regions().find(|(id, _)| {
                    catalogue.provider_of_region(*id) == provider
                        && catalogue.area_of(*id) == Some(*area)
                });
                let name = &catalogue.area(*area).name;
                let what = format_args!("region of {} in", catalogue.provider(provider));
                row.push(here.map(|(id, _)| id).ok_or_else(|| missing(&what, name))?);
            }
            regions.push(array(row));
        }
        let mut grid = Self {
            platforms: array(platforms),
            regions: array(regions),
            area_ids: array(areas),
            candidates: [[None; Action::COUNT]; Provider::COUNT],
        };
        for provider in Provider::ALL {
            grid.candidates[provider.index()] = std::array::from_fn(|action| {
                let Action { area, tier } = Action::from_index(action)?;
                catalogue.find_candidate(grid.placement(provider, area, tier.megabytes()))
            });
        }
        Ok(grid)
    }

    fn placement(&self, provider: Provider, area: Area, memory_mb: u32) -> Placement {
        Placement {
            platform: self.platform(provider),
            region: self.region(provider, area),
            memory_mb,
        }
    }

    /// The platform of a provider.
    pub fn platform(&self, provider: Provider) -> PlatformId {
        self.platforms[provider.index()]
    }

    /// The region of a provider in an area.
    pub fn region(&self, provider: Provider, area: Area) -> RegionId {
        self.regions[provider.index()][area.index()]
    }

    /// The provider of a platform, if it is one of the three.
    pub fn provider_of(&self, platform: PlatformId) -> Option<Provider> {
        Provider::ALL.into_iter().find(|provider| self.platform(*provider) == platform)
    }

    /// The candidate that an action on a provider stands for; `None` where it is not sold.
    pub fn candidate(&self, provider: Provider, action: Action) -> Option<CandidateId> {
        self.candidates[provider.index()][action.index()]
    }

    /// The area of a region, if it is one of the twelve.
    pub fn area_of(&self, region: RegionId) -> Option<Area> {
        Area::ALL.into_iter().find(|area| self.regions.iter().any(|r| r[area.index()] == region))
    }

    /// Where a function and its callers are, in terms of the research framework. What it does not
    /// know counts as the nearest of what it does.
    pub fn locate(&self, catalogue: &Catalogue, location: &Location) -> ResearchLocation {
        let nearest = |callers: Origin| {
            let away = |area: &Area| {
                let region = self.region(Provider::Aws, *area);
                catalogue.caller_round_trip_ms(callers, region)
            };
            let areas = Area::ALL.into_iter();
            areas.min_by(|one, other| away(one).total_cmp(&away(other))).unwrap_or(Area::UsEast)
        };
        let home = match location.home.callers {
            Origin::Area(id) => Area::ALL.into_iter().find(|a| self.area_ids[a.index()] == id),
            Origin::Region(id) => self.area_of(id),
            Origin::Point(_) => None,
        };
        let home = home.unwrap_or_else(|| nearest(location.home.callers));
        let data = location.home.data.and_then(|data| {
            let holds = |provider: &Provider| {
                catalogue.provider_of(self.platform(*provider))
                    == catalogue.provider_of_region(data)
            };
            Provider::ALL.into_iter().find(holds)
        });
        let current = location.current;
        ResearchLocation {
            runs_on: current.and_then(|running| self.provider_of(running.platform)),
            runs_in: current.and_then(|running| running.region).map(|region| {
                self.area_of(region).unwrap_or_else(|| nearest(Origin::Region(region)))
            }),
            home,
            data,
        }
    }
}

/// An array of exactly the items of `items`, of which there are as many by construction.
fn array<T: Copy, const N: usize>(items: Vec<T>) -> [T; N] {
    std::array::from_fn(|index| items[index])
}

/// Where a function and its callers are, in terms of the research framework.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResearchLocation {
    /// The provider it runs on; `None` when it runs nowhere yet.
    pub runs_on: Option<Provider>,
    /// The area it runs in.
    pub runs_in: Option<Area>,
    /// The area of its callers.
    pub home: Area,
    /// The provider that holds its data.
    pub data: Option<Provider>,
}

impl ResearchLocation {
    /// The area it runs in now; its callers' area when it runs nowhere yet.
    pub fn current_area(&self) -> Area {
        self.runs_in.unwrap_or(self.home)
    }
}
