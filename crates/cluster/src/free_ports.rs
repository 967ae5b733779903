//! Free ports on loopback.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::bail;
use tokio::net::TcpSocket;

/// Below the ranges from which Linux (32768) and macOS (49152) take the ports of outgoing
/// connections, so that no outgoing connection takes a port between the check and its use.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// How many ports this process has probed.
static PROBED: AtomicU32 = AtomicU32::new(0);

/// Finds `count` different free ports on loopback. The ports are not reserved. Two programs that
/// search at the same time start at different ports, and a program probes no port twice before it
/// has probed the whole range.
///
/// # Errors
/// When fewer ports are free.
pub fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    let span = u32::from(RANGE.end - RANGE.start);
    // Neighbouring process ids start far apart.
    let offset = std::process::id().wrapping_mul(2_654_435_761) >> 8;
    let candidates = (0..span).map(|_| {
        let step = PROBED.fetch_add(1, Ordering::Relaxed);
        RANGE.start + (offset.wrapping_add(step) % span) as u16
    });
    let free = candidates.filter(|&port| probe((Ipv4Addr::LOCALHOST, port).into()).is_ok());
    let ports: Vec<u16> = free.take(count).collect();
    if ports.len() < count {
        bail!("only {} ports from {} to {} are free", ports.len(), RANGE.start, RANGE.end - 1);
    }
    Ok(ports)
}

/// Checks that a server could listen on `address`. The socket is bound but does not listen: a child
/// process that another thread forks could hold a listening socket until its exec, and the address
/// would be taken when it is used.
///
/// # Errors
/// The reason why the address cannot be bound.
pub(crate) fn probe(address: SocketAddr) -> io::Result<()> {
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
