//! The contents of a catalogue as tables.

use std::fmt;

use strata_domain::Catalogue;
use strata_terminal::number_columns;
use strata_wire::pb;

/// Prices of GB-seconds are shown for this many.
const MILLION: f64 = 1e6;

/// The platforms and regions of a catalogue.
pub(super) struct Contents {
    title: String,
    platforms: Vec<PlatformRow>,
    regions: Vec<RegionRow>,
}

struct PlatformRow {
    name: String,
    provider: String,
    architecture: String,
    memory_mb: Vec<u32>,
    /// Of each region: USD per GB-second and per vCPU-second.
    prices: Vec<(f64, f64)>,
    /// Median time to get an instance; a coordinator does not tell it.
    cold_start_ms: Option<f64>,
}

struct RegionRow {
    key: String,
    place: String,
    residency: String,
    zone: String,
    g_per_kwh: f64,
}

impl From<&Catalogue> for Contents {
    fn from(catalogue: &Catalogue) -> Self {
        let platforms = catalogue.platforms().map(|(id, platform)| {
            let rates = catalogue.regions().filter_map(|(region, _)| catalogue.rates(id, region));
            PlatformRow {
                name: platform.name.clone(),
                provider: platform.provider.clone(),
                architecture: platform.architecture.name().to_owned(),
                memory_mb: platform.sizes.iter().map(|size| size.memory_mb).collect(),
                prices: rates.map(|rates| (rates.gb_second_usd, rates.vcpu_second_usd)).collect(),
                cold_start_ms: Some(platform.cold_starts.start.median_ms),
            }
        });
        let regions = catalogue.regions().map(|(_, region)| RegionRow {
            key: format!("{}/{}", region.provider, region.name),
            place: region.place.clone(),
            residency: region.residency.join(" "),
            zone: region.grid.zone.clone(),
            g_per_kwh: region.grid.mean,
        });
        Self {
            title: title(catalogue.name(), catalogue.revision(), catalogue.candidates().len()),
            platforms: platforms.collect(),
            regions: regions.collect(),
        }
    }
}

impl From<&pb::Catalogue> for Contents {
    fn from(catalogue: &pb::Catalogue) -> Self {
        let platforms = catalogue.platforms.iter().map(|platform| {
            let offers = platform.offers.iter();
            PlatformRow {
                name: platform.name.clone(),
                provider: platform.provider.clone(),
                architecture: platform.architecture.clone(),
                memory_mb: platform.memory_mb.clone(),
                prices: offers.map(|offer| (offer.gb_second_usd, offer.vcpu_second_usd)).collect(),
                cold_start_ms: None,
            }
        });
        let regions = catalogue.regions.iter().map(|region| RegionRow {
            key: format!("{}/{}", region.provider, region.name),
            place: region.place.clone(),
            residency: region.residency.join(" "),
            zone: region.grid_zone.clone(),
            g_per_kwh: region.grid_intensity,
        });
        Self {
            title: title(&catalogue.name, &catalogue.revision, catalogue.placements as usize),
            platforms: platforms.collect(),
            regions: regions.collect(),
        }
    }
}

/// What identifies a catalogue, in a line.
pub(super) fn title(name: &str, revision: &str, placements: usize) -> String {
    format!("{name}, revision {revision}: {placements} placements")
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut platforms = number_columns(&[
            "platform",
            "provider",
            "architecture",
            "memory, MB",
            "regions",
            "USD per million GB-s",
            "and vCPU-s",
            "cold start p50, ms",
        ]);
        for row in &self.platforms {
            platforms.add_row([
                row.name.clone(),
                row.provider.clone(),
                row.architecture.clone(),
                sizes(&row.memory_mb),
                row.prices.len().to_string(),
                range(row.prices.iter().map(|(gb_second, _)| *gb_second)),
                range(row.prices.iter().map(|(_, vcpu_second)| *vcpu_second)),
                row.cold_start_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0}")),
            ]);
        }
        let mut regions =
            number_columns(&["region", "place", "residency", "grid", "gCO2e per kWh"]);
        for row in &self.regions {
            regions.add_row([
                row.key.clone(),
                row.place.clone(),
                row.residency.clone(),
                row.zone.clone(),
                format!("{:.0}", row.g_per_kwh),
            ]);
        }
        write!(f, "{}\n\n{platforms}\n\n{regions}", self.title)
    }
}

/// All sizes when they are few, else how many there are and from where to where.
fn sizes(memory_mb: &[u32]) -> String {
    const FEW: usize = 3;
    match memory_mb {
        [first, .., last] if memory_mb.len() > FEW => {
            format!("{} from {first} to {last}", memory_mb.len())
        }
        few => few.iter().map(u32::to_string).collect::<Vec<_>>().join(" "),
    }
}

/// The lowest and the highest of some prices, for a million units; `-` when all are 0.
fn range(prices: impl Iterator<Item = f64> + Clone) -> String {
    let least = prices.clone().fold(f64::INFINITY, f64::min) * MILLION;
    let most = prices.fold(0.0, f64::max) * MILLION;
    if most == 0.0 {
        "-".to_owned()
    } else if least == most {
        format!("{most:.2}")
    } else {
        format!("{least:.2} to {most:.2}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn platforms_and_regions_are_shown_with_their_figures() {
        let research = strata_catalogue::built_in(strata_catalogue::RESEARCH).catalogue;
        let text = Contents::from(&research).to_string();
        for part in ["research, revision ", ": 64 placements", "gcp-functions-gen1", "gcp/us-west1"]
        {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let line = text.lines().find(|line| line.contains("gcp-functions-gen1")).unwrap();
        for part in ["6 from 128 to 3008", "2.50 to 3.50", "24.00 to 33.60", "886"] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }

    #[test]
    fn prices_are_ranges_of_what_is_charged() {
        assert_eq!(range([0.0, 0.0].into_iter()), "-");
        assert_eq!(range([1e-6, 1e-6].into_iter()), "1.00");
        assert_eq!(sizes(&[512, 2048, 4096]), "512 2048 4096");
    }
}
