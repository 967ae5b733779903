//! A row on its way to a replica, and what the replica's link is doing.

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

/// An answer, and when it came.
pub(super) type Reply<H> = (Result<<H as Hop>::Response, Fault>, Instant);

/// A row waiting to be sent.
pub(super) struct Job<H: Hop> {
    pub(super) ask: Ask<H::Request>,
    pub(super) reply: oneshot::Sender<Reply<H>>,
    /// Counts the job with the replica it is queued for.
    pub(super) pending: Option<Pending>,
}

impl<H: Hop> Job<H> {
    /// Answers that it will not be asked. A caller who left wants no answer.
    pub(super) fn refuse(self, fault: Fault) {
        let _ = self.reply.send((Err(fault), Instant::now()));
    }
}

/// What the task of a link tells those who choose among replicas.
#[derive(Default)]
pub(super) struct LinkState {
    up: AtomicBool,
    /// Rows offered and not answered yet.
    pending: AtomicUsize,
    /// Told when the replica lacks what it must have.
    pub(super) recalled: Notify,
}

impl LinkState {
    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// Rows offered and not answered yet.
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

/// A row that is pending for as long as this is alive.
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
