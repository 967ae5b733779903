//! A row in the queue of a replica, and the state of the link to that replica.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use strata_wire::{Ask, Fault, Hop};
use tokio::sync::{Notify, oneshot};

use super::settings::LinkSettings;

/// A result and the moment it arrived.
pub(super) type Reply<H> = (Result<<H as Hop>::Response, Fault>, Instant);

/// A row that waits to be sent.
pub(super) struct Job<H: Hop> {
    pub(super) ask: Ask<H::Request>,
    pub(super) reply: oneshot::Sender<Reply<H>>,
    /// Counts the job as pending on the replica whose queue holds it.
    pub(super) pending: Option<Pending>,
}

impl<H: Hop> Job<H> {
    /// Answers with a fault instead of sending the row. The send fails if the caller has left.
    pub(super) fn refuse(self, fault: Fault) {
        let _ = self.reply.send((Err(fault), Instant::now()));
    }
}

/// The state of a link, which the choice of a replica reads.
#[derive(Default)]
pub(super) struct LinkState {
    up: AtomicBool,
    /// Rows queued or sent, and not answered yet.
    pending: AtomicUsize,
    /// Notified when the replica lacks a version that it must have.
    pub(super) recalled: Notify,
}

impl LinkState {
    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// Rows queued or sent, and not answered yet.
    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    pub(super) fn up(&self, settings: &LinkSettings) {
        if !self.up.swap(true, Ordering::AcqRel) {
            settings.changed(true);
        }
    }

    pub(super) fn down(&self, settings: &LinkSettings) {
        if self.up.swap(false, Ordering::AcqRel) {
            settings.changed(false);
        }
    }
}

/// Counts a row as pending until it is dropped.
pub(super) struct Pending(Arc<LinkState>);

impl Pending {
    pub(super) fn begin(state: &Arc<LinkState>) -> Self {
        state.pending.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(state))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}
