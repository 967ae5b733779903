//! What one invocation costs: list prices before free grants and volume discounts, each platform's
//! rounding, and egress.

use crate::{
    catalogue::{BilledMemory, Catalogue, Platform, Rates, RegionId, Size},
    units::Usd,
};

const MB_PER_GB: f64 = 1024.0;
const MS_PER_SECOND: f64 = 1000.0;
/// Bytes in a GB as the providers bill transfer.
const BYTES_PER_GB: f64 = 1e9;

/// Memory in MB that `platform` bills for a run in `size` that uses `memory_used_mb`.
pub fn billed_megabytes(platform: &Platform, size: &Size, memory_used_mb: f64) -> f64 {
    match platform.billing.memory {
        BilledMemory::Configured => size.billed_mb,
        BilledMemory::Used { step_mb, most_mb } => {
            let steps = (memory_used_mb.max(0.0) / step_mb).ceil();
            (steps * step_mb).clamp(step_mb, most_mb)
        }
    }
}

/// What a run is billed for, whatever the region: processor and memory time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Billed {
    gigabyte_seconds: f64,
    vcpu_seconds: f64,
}

impl Billed {
    /// Of a run of `duration_ms` in `size` of `platform`.
    pub fn new(platform: &Platform, size: &Size, duration_ms: f64, memory_used_mb: f64) -> Self {
        let billing = &platform.billing;
        let duration_ms = duration_ms.max(0.0).max(billing.minimum_ms);
        let steps = (duration_ms / billing.rounding_ms).ceil();
        let seconds = steps * billing.rounding_ms / MS_PER_SECOND;
        let gigabytes = billed_megabytes(platform, size, memory_used_mb) / MB_PER_GB;
        Self { gigabyte_seconds: seconds * gigabytes, vcpu_seconds: seconds * size.vcpus }
    }

    /// The price at these rates: request plus processor and memory time, without egress.
    pub fn price(&self, rates: &Rates) -> Usd {
        let memory = self.gigabyte_seconds * rates.gb_second_usd;
        Usd::new(rates.request_usd + memory + self.vcpu_seconds * rates.vcpu_second_usd)
    }
}

/// Price of the bytes of one invocation in the region `here`.
///
/// Callers whose data is at a provider (`data`) send requests from there and get answers back: the
/// sender of each message pays. Callers on the internet (`None`) pay nothing for what they send.
pub fn transfer_price(
    catalogue: &Catalogue,
    here: RegionId,
    data: Option<RegionId>,
    (request_bytes, response_bytes): (f64, f64),
) -> Usd {
    let (request, response) = (request_bytes.max(0.0), response_bytes.max(0.0));
    let usd_bytes = match data {
        Some(data) => {
            request * catalogue.egress_usd_per_gb(data, here)
                + response * catalogue.egress_usd_per_gb(here, data)
        }
        None => response * catalogue.region(here).internet_usd_per_gb,
    };
    Usd::new(usd_bytes / BYTES_PER_GB)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::test_catalogue::{CLOUD, METERED, test_catalogue};

    #[track_caller]
    fn assert_usd(actual: Usd, expected: f64) {
        assert!((actual.get() / expected - 1.0).abs() < 1e-9, "{actual} is not {expected}");
    }

    fn price(platform: &str, memory_mb: u32, duration_ms: f64, used_mb: f64) -> Usd {
        let catalogue = test_catalogue();
        let id = catalogue.find_platform(platform).unwrap_or_else(|| panic!("{platform}"));
        let (platform, region) =
            (catalogue.platform(id), catalogue.candidates()[catalogue.candidates_of(id)][0].region);
        let rates = catalogue.rates(id, region).unwrap_or_else(|| panic!("sold nowhere"));
        Billed::new(platform, &platform.size(memory_mb), duration_ms, used_mb).price(rates)
    }

    #[test]
    fn configured_memory_is_billed_by_the_millisecond() {
        // 0.5 GB for 120 ms: 0.06 GB-s.
        assert_usd(price(CLOUD, 512, 120.0, 40.0), 0.06 * 1.66667e-5 + 2e-7);
        assert_usd(price(CLOUD, 512, 119.2, 40.0), 0.06 * 1.66667e-5 + 2e-7);
        assert_usd(price(CLOUD, 512, 0.0, 40.0), 2e-7);
    }

    #[test]
    fn used_memory_is_billed_in_steps_and_for_a_minimum_of_time() {
        // 160 MB used is billed as 256 MB: 0.25 GB for 2 s.
        assert_usd(price(METERED, 1024, 2000.0, 160.0), 0.25 * 2.0 * 1.6e-5 + 2e-7);
        // 10 ms and 20 MB are billed as 100 ms and 128 MB.
        assert_usd(price(METERED, 1024, 10.0, 20.0), 0.125 * 0.1 * 1.6e-5 + 2e-7);
    }
}
