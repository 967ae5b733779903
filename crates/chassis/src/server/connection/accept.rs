//! Listeners, and connections taken from them one at a time.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::listener::{Listener, Opened};

/// Time to wait when the process has no file descriptor left: some may be closed by then.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener that has at most so many connections open.
#[derive(Debug)]
pub(crate) struct Acceptor {
    name: &'static str,
    listener: Listener,
    permits: Arc<Semaphore>,
    max_connections: usize,
    /// Whether the warning was logged since a permit was last free.
    full: AtomicBool,
}

/// A connection, and the permit it holds until it is dropped.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) opened: Opened,
    pub(crate) permit: OwnedSemaphorePermit,
}

impl Acceptor {
    pub(crate) fn new(name: &'static str, listener: Listener, max_connections: usize) -> Self {
        let permits = Arc::new(Semaphore::new(max_connections));
        Self { name, listener, permits, max_connections, full: AtomicBool::new(false) }
    }

    /// The next connection. Errors of single connections and of a process that is short of file
    /// descriptors are waited out. Nothing is lost if the future is dropped.
    pub(crate) async fn accept(&self) -> Accepted {
        let permit = self.permit().await;
        loop {
            match self.listener.accept().await {
                Ok(opened) => return Accepted { opened, permit },
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, listener = self.name, "cannot accept, trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn permit(&self) -> OwnedSemaphorePermit {
        let full = self.permits.available_permits() == 0;
        if full && !self.full.swap(full, Ordering::Relaxed) {
            tracing::warn!(
                listener = self.name,
                max_connections = self.max_connections,
                "as many connections as allowed, the next waits"
            );
        }
        match Arc::clone(&self.permits).acquire_owned().await {
            Ok(permit) => {
                self.full.store(false, Ordering::Relaxed);
                permit
            }
            // Nobody closes the semaphore; a server without permits would wait for ever as well.
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
