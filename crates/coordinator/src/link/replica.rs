//! A replica of a layer: its queue, and the task that keeps a stream to it.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use std::time::{Duration, Instant};

use strata_chassis::{Backoff, FairReceiver, FairSender, Refused, fair_channel};
use tonic::{Status, transport::Channel};

use super::{
    hop::Hop,
    replicas::{Found, LinkSettings, unreachable},
    session::{End, Job, Session},
};

/// A handle on a replica. When it is dropped, what was sent is still answered and the stream ends.
pub(super) struct Replica<H: Hop> {
    jobs: FairSender<Job<H>>,
    shared: Arc<Shared>,
}

/// What a replica's task tells those who choose among replicas.
#[derive(Default)]
struct Shared {
    up: AtomicBool,
    /// Rows offered and not answered yet.
    pending: AtomicUsize,
}

/// A row that is pending for as long as this is alive.
pub(super) struct Pending(Arc<Shared>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<H: Hop> Replica<H> {
    /// Starts the task that keeps a stream to `address`.
    pub(super) fn start(
        address: String,
        channel: Channel,
        settings: LinkSettings,
        others: Weak<Found<H>>,
    ) -> Self {
        let (jobs, queue) = fair_channel(settings.queue_rows);
        let shared = Arc::<Shared>::default();
        let keeper =
            Keeper { address, channel, queue, shared: Arc::clone(&shared), settings, others };
        tokio::spawn(keeper.keep());
        Self { jobs, shared }
    }

    pub(super) fn is_up(&self) -> bool {
        self.shared.up.load(Ordering::Acquire)
    }

    /// Rows waiting to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.waiting()
    }

    /// Rows offered and not answered yet.
    pub(super) fn pending(&self) -> usize {
        self.shared.pending.load(Ordering::Relaxed)
    }

    /// Queues a job.
    ///
    /// # Errors
    /// The job, when the queue is full or its task has ended.
    pub(super) fn offer(&self, mut job: Job<H>) -> Result<(), Refused<Job<H>>> {
        self.shared.pending.fetch_add(1, Ordering::Relaxed);
        job.pending = Some(Pending(Arc::clone(&self.shared)));
        self.jobs.try_send(job.caller, job)
    }
}

struct Keeper<H: Hop> {
    address: String,
    channel: Channel,
    queue: FairReceiver<Job<H>>,
    shared: Arc<Shared>,
    settings: LinkSettings,
    /// To hand what was not sent to another replica.
    others: Weak<Found<H>>,
}

impl<H: Hop> Keeper<H> {
    /// Opens the stream again and again until nobody wants it any more.
    async fn keep(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(20), self.settings.max_backoff);
        let mut complained = false;
        loop {
            let (frames, outbound) = Session::<H>::frames();
            let opened =
                H::open(self.channel.clone(), outbound, self.settings.max_message_bytes).await;
            match opened {
                Ok(results) => {
                    tracing::info!(layer = H::LAYER, address = self.address, "layer connected");
                    complained = false;
                    self.shared.up(&self.settings);
                    let since = Instant::now();
                    let session = Session::new(frames, results);
                    let end =
                        session.run(&mut self.queue, || self.shared.down(&self.settings)).await;
                    self.shared.down(&self.settings);
                    // A layer that takes the stream and breaks it at once is no better than one that refuses it.
                    if since.elapsed() > self.settings.max_backoff {
                        backoff.reset();
                    }
                    match end {
                        End::Closed => return,
                        End::Drained => {
                            tracing::info!(
                                layer = H::LAYER,
                                address = self.address,
                                "layer drains"
                            );
                        }
                        End::Broken(status) => self.complain("layer lost", &status),
                    }
                }
                Err(status) => {
                    if !complained {
                        self.complain("layer cannot be reached, trying again", &status);
                    }
                    complained = true;
                }
            }
            if !self.pause(backoff.next_delay()).await {
                return;
            }
        }
    }

    /// Waits, and hands what was queued to another replica; `false` when nobody wants this one any more.
    async fn pause(&mut self, delay: Duration) -> bool {
        let over = tokio::time::sleep(delay);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return true,
                job = self.queue.recv() => match job {
                    Some(job) => self.hand_on(job),
                    None => return false,
                },
            }
        }
    }

    fn hand_on(&self, job: Job<H>) {
        match self.others.upgrade() {
            Some(others) => others.offer_or_refuse(job),
            None => job.refuse(unreachable(H::LAYER)),
        }
    }

    fn complain(&self, what: &'static str, status: &Status) {
        tracing::warn!(
            layer = H::LAYER,
            address = self.address,
            code = ?status.code(),
            error = status.message(),
            "{what}"
        );
    }
}

impl Shared {
    fn up(&self, settings: &LinkSettings) {
        if !self.up.swap(true, Ordering::AcqRel) {
            settings.changed(true);
        }
    }

    fn down(&self, settings: &LinkSettings) {
        if self.up.swap(false, Ordering::AcqRel) {
            settings.changed(false);
        }
    }
}
