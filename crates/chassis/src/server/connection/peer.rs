use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The connection that a request came on: who its caller is, as far as a server without
/// authentication can tell. Clones are the same connection.
#[derive(Debug, Clone)]
pub struct Peer(Arc<Connection>);

#[derive(Debug)]
struct Connection {
    number: u64,
    in_work: AtomicUsize,
}

impl Peer {
    /// The connection with that number, from 1.
    pub(crate) fn new(number: u64) -> Peer {
        Peer(Arc::new(Connection { number, in_work: AtomicUsize::new(0) }))
    }

    /// The connection of a request. A request that came on none gets one of its own, number 0.
    pub fn of<T>(request: &tonic::Request<T>) -> Peer {
        request.extensions().get::<Peer>().cloned().unwrap_or_else(|| Peer::new(0))
    }

    /// A number that no other connection of this server has.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// Counts a request into the connection's work until the result is dropped. `None` if the
    /// connection has `most` requests in work already.
    #[must_use]
    pub fn begin(&self, most: usize) -> Option<InWork> {
        let counter = &self.0.in_work;
        let one_more = |count: usize| (count < most).then_some(count + 1);
        let counted = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        counted.is_ok().then(|| InWork(self.clone()))
    }
}

/// A request in work, counted with its connection.
#[derive(Debug)]
pub struct InWork(Peer);

impl Drop for InWork {
    fn drop(&mut self) {
        self.0.0.in_work.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_so_many_requests_in_work_and_no_more() {
        let (peer, other) = (Peer::new(1), Peer::new(2));
        let first = peer.begin(2);
        let second = peer.clone().begin(2);
        assert!(first.is_some() && second.is_some() && peer.begin(2).is_none());
        assert!(other.begin(2).is_some());
        drop(first);
        assert!(peer.begin(2).is_some());
        assert_eq!(Peer::of(&tonic::Request::new(())).number(), 0);
    }
}
