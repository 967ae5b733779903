//! Tables of values from one provider's region to another.

use crate::placement::{Provider, Region};

/// One value for each provider's region.
type BySite<T> = [[T; Region::COUNT]; Provider::COUNT];

/// One value for each pair of providers' regions: `[from provider][from region][to provider][to
/// region]`. Nested, so that the compiler finds every row that a new provider or region lacks.
pub(super) type BetweenSites = BySite<BySite<f64>>;

/// The value from one provider's region to another's.
pub(super) const fn between(
    table: &BetweenSites,
    from: (Provider, Region),
    to: (Provider, Region),
) -> f64 {
    table[from.0.index()][from.1.index()][to.0.index()][to.1.index()]
}

#[cfg(test)]
pub(super) fn sites() -> impl Iterator<Item = (Provider, Region)> + Clone {
    let regions = |provider| Region::ALL.into_iter().map(move |region| (provider, region));
    Provider::ALL.into_iter().flat_map(regions)
}
