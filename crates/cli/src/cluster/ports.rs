//! Ports nobody uses.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::bail;

/// Below the range from which Linux and macOS take the ports of outgoing connections (from 32768
/// and 49152): a port that is free now is not gone the next moment because some client connected.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// Ports this process has looked at.
static LOOKED_AT: AtomicU32 = AtomicU32::new(0);

/// `count` different free ports on loopback. They are not reserved; two programs that look at the
/// same moment start at different places, and one program does not look at a port twice before it
/// has looked at all.
///
/// # Errors
/// When there are not so many.
pub(crate) fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    let span = u32::from(RANGE.end - RANGE.start);
    // Neighbouring process ids start far apart.
    let offset = std::process::id().wrapping_mul(2_654_435_761) >> 8;
    let candidates = (0..span).map(|_| {
        let step = LOOKED_AT.fetch_add(1, Ordering::Relaxed);
        RANGE.start + (offset.wrapping_add(step) % span) as u16
    });
    let held: Vec<TcpListener> = candidates
        .filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
        .take(count)
        .collect();
    if held.len() < count {
        bail!("only {} ports from {} to {} are free", held.len(), RANGE.start, RANGE.end - 1);
    }
    let ports = held.iter().map(|listener| listener.local_addr().map(|address| address.port()));
    Ok(ports.collect::<Result<_, _>>()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn they_are_different_and_can_be_bound() {
        let ports = free_ports(8).unwrap();
        let listeners: Vec<_> =
            ports.iter().map(|port| TcpListener::bind(("127.0.0.1", *port)).unwrap()).collect();
        assert_eq!(listeners.len(), 8);
        // What is taken is not offered again.
        assert!(free_ports(8).unwrap().iter().all(|port| !ports.contains(port)));
    }
}
