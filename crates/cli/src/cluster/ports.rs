//! Ports nobody uses.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::bail;
use tokio::net::TcpSocket;

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
    let free = candidates.filter(|&port| probe((Ipv4Addr::LOCALHOST, port).into()).is_ok());
    let ports: Vec<u16> = free.take(count).collect();
    if ports.len() < count {
        bail!("only {} ports from {} to {} are free", ports.len(), RANGE.start, RANGE.end - 1);
    }
    Ok(ports)
}

/// Whether `address` can be listened on. It is bound and not listened on: a listening socket that a
/// child process, forked by another thread, holds until it execs would keep the address from
/// whoever was told that it is free.
///
/// # Errors
/// Why not.
pub(super) fn probe(address: SocketAddr) -> io::Result<()> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn what_listens_is_not_free_and_what_only_looked_is_no_hindrance() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(probe(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        let looking = TcpSocket::new_v4().unwrap();
        looking.set_reuseaddr(true).unwrap();
        looking.bind(address).unwrap();
        assert!(probe(address).is_ok() && TcpListener::bind(address).is_ok());
    }

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
