//! Ports nobody uses.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::TcpSocket;

/// Below the range of outgoing connections (from 32768 on Linux): a port that is free now is not
/// gone when some client connects.
const FIRST: u32 = 12_000;
const COUNT: u32 = 8_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// `count` free ports on loopback, never the same twice in one process; processes start at
/// different places.
///
/// # Panics
/// When there are not so many.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let offset = std::process::id().wrapping_mul(2_654_435_761) >> 8;
    let candidates = (0..COUNT).map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        (FIRST + offset.wrapping_add(step) % COUNT) as u16
    });
    let free = candidates.filter(|port| {
        // Bound and not listened on: a socket that a child process holds until it execs is no hindrance.
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option of a socket");
        socket.bind((Ipv4Addr::LOCALHOST, *port).into()).is_ok()
    });
    let free: Vec<u16> = free.take(N).collect();
    free.try_into().expect("free ports")
}
