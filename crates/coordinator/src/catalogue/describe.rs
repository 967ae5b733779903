//! The catalogue as a message.

use strata_domain::{Area, Catalogue, PlatformId, Region};
use strata_wire::pb;

/// Describes a catalogue to clients.
pub(super) fn describe(catalogue: &Catalogue) -> pb::Catalogue {
    let count = u32::try_from(catalogue.candidates().len()).unwrap_or(u32::MAX);
    pb::Catalogue {
        name: catalogue.name().to_owned(),
        revision: catalogue.revision().to_owned(),
        platforms: catalogue.platforms().map(|(id, _)| platform(catalogue, id)).collect(),
        regions: catalogue.regions().map(|(_, entry)| region(entry)).collect(),
        areas: catalogue.areas().map(|(_, entry)| area(catalogue, entry)).collect(),
        placements: count,
    }
}

fn platform(catalogue: &Catalogue, id: PlatformId) -> pb::Platform {
    let platform = catalogue.platform(id);
    let offers = catalogue.regions().filter_map(|(region, entry)| {
        let rates = catalogue.rates(id, region)?;
        Some(pb::Offer {
            region: entry.name.clone(),
            request_usd: rates.request_usd,
            gb_second_usd: rates.gb_second_usd,
            vcpu_second_usd: rates.vcpu_second_usd,
        })
    });
    pb::Platform {
        name: platform.name.clone(),
        provider: platform.provider.clone(),
        architecture: platform.architecture.name().to_owned(),
        memory_mb: platform.sizes.iter().map(|size| size.memory_mb).collect(),
        offers: offers.collect(),
    }
}

fn region(region: &Region) -> pb::Region {
    pb::Region {
        provider: region.provider.clone(),
        name: region.name.clone(),
        place: region.place.clone(),
        point: Some(pb::Coordinates {
            latitude: region.point.latitude,
            longitude: region.point.longitude,
        }),
        residency: region.residency.clone(),
        grid_zone: region.grid.zone.clone(),
        grid_intensity: region.grid.mean,
    }
}

fn area(catalogue: &Catalogue, area: &Area) -> pb::Area {
    let regions: Vec<&Region> = catalogue.regions().map(|(_, region)| region).collect();
    let named = area.regions.iter().filter_map(|index| regions.get(*index));
    pb::Area {
        name: area.name.clone(),
        regions: named.map(|region| format!("{}/{}", region.provider, region.name)).collect(),
    }
}
