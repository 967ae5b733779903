//! The regions in which a platform can be the best, whatever the memory size.

use super::estimator::SiteNow;
use crate::catalogue::{Catalogue, PlatformId, RegionId};

/// What the estimates of a platform in a region rise with, whatever the memory size: three rates,
/// transfer, network, energy of the machines and of the network.
type Burdens = [f64; 7];

/// Which regions no other one is at least as good as for `platform`: of all regions, or of those
/// that are `allowed`. The region `here`, where the function needs no move, is one of them.
pub(crate) fn undominated(
    (catalogue, platform): (&Catalogue, PlatformId),
    sites: &[SiteNow],
    allowed: &dyn Fn(RegionId) -> bool,
    here: Option<RegionId>,
) -> Vec<bool> {
    let mut sold: Vec<(RegionId, bool, Burdens)> = Vec::with_capacity(sites.len());
    for site in sites {
        if let Some(rates) = catalogue.rates(platform, site.region()) {
            sold.push((site.region(), allowed(site.region()), site.burdens(rates)));
        }
    }
    let mut kept = vec![false; sites.len()];
    for (index, (region, is_allowed, burdens)) in sold.iter().enumerate() {
        let better = |among_allowed: bool| {
            sold.iter().enumerate().any(|(other, (_, other_allowed, less))| {
                other != index
                    && (*other_allowed || !among_allowed)
                    && dominates(less, burdens, other < index)
            })
        };
        kept[region.index()] =
            Some(*region) == here || !better(false) || (*is_allowed && !better(true));
    }
    kept
}

/// Whether one region is at least as good as another; of two equal ones the first.
fn dominates(less: &Burdens, more: &Burdens, is_first: bool) -> bool {
    less.iter().zip(more).all(|(less, more)| less <= more) && (is_first || less != more)
}
