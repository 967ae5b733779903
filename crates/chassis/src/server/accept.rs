//! Listeners, and connections taken from them one at a time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::listener::{Listener, Opened};

/// Time to wait when the process has no file descriptor left: some may be closed by then.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener that has at most so many connections open.
#[derive(Debug)]
pub(super) struct Acceptor {
    name: &'static str,
    listener: Listener,
    places: Arc<Semaphore>,
    max_connections: usize,
    /// Whether the warning about it was given since there was last a place.
    full: AtomicBool,
}

/// A connection, and the place it holds until it is dropped.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) opened: Opened,
    pub(super) place: OwnedSemaphorePermit,
}

impl Acceptor {
    pub(super) fn new(name: &'static str, listener: Listener, max_connections: usize) -> Self {
        let places = Arc::new(Semaphore::new(max_connections));
        Self { name, listener, places, max_connections, full: AtomicBool::new(false) }
    }

    /// The next connection. Errors of single connections and of a process that is short of file
    /// descriptors are waited out. Nothing is lost if the future is dropped.
    pub(super) async fn accept(&self) -> Accepted {
        let place = self.place().await;
        loop {
            match self.listener.accept().await {
                Ok(opened) => return Accepted { opened, place },
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, listener = self.name, "cannot accept, trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn place(&self) -> OwnedSemaphorePermit {
        let full = self.places.available_permits() == 0;
        if full && !self.full.swap(full, Ordering::Relaxed) {
            tracing::warn!(
                listener = self.name,
                max_connections = self.max_connections,
                "as many connections as allowed, the next waits"
            );
        }
        match Arc::clone(&self.places).acquire_owned().await {
            Ok(place) => {
                self.full.store(false, Ordering::Relaxed);
                place
            }
            // Nobody closes the semaphore; a server without places would wait for ever as well.
            Err(_) => std::future::pending().await,
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
