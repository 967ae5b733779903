//! Ports that no process uses.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU32, Ordering},
};

use tokio::net::TcpSocket;

/// The first port tried. Ports of outgoing connections begin at 32768 on Linux, so no client takes
/// a port of this range between the check and its use.
const FIRST: u32 = 12_000;
const COUNT: u32 = 8_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// `N` free ports on loopback. One test process never gets a port twice; different processes begin
/// their search at different ports.
///
/// # Panics
/// When fewer than `N` are free.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let offset = std::process::id().wrapping_mul(2_654_435_761) >> 8;
    let candidates = (0..COUNT).map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        (FIRST + offset.wrapping_add(step) % COUNT) as u16
    });
    let free = candidates.filter(|port| {
        // The socket is bound and does not listen: a child process may inherit it until it execs,
        // and does not occupy the port with it.
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option of a socket");
        socket.bind((Ipv4Addr::LOCALHOST, *port).into()).is_ok()
    });
    let free: Vec<u16> = free.take(N).collect();
    free.try_into().expect("free ports")
}
