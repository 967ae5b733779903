//! A replica of a layer: its queue, and the task that keeps a stream to it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use strata_chassis::Backoff;
use tokio::sync::mpsc;
use tonic::{Status, transport::Channel};

use super::{
    hop::Hop,
    replicas::LinkSettings,
    session::{End, Job, Session},
};

/// A handle on a replica. When it is dropped, what was sent is still answered and the stream ends.
pub(super) struct Replica<H: Hop> {
    jobs: mpsc::Sender<Job<H>>,
    up: Arc<AtomicBool>,
    queue_rows: usize,
}

impl<H: Hop> Replica<H> {
    /// Starts the task; `settings.on_change` is called whenever the stream comes up or goes down.
    pub(super) fn start(address: String, channel: Channel, settings: LinkSettings) -> Self {
        let (jobs, queue) = mpsc::channel(settings.queue_rows);
        let up = Arc::new(AtomicBool::new(false));
        let queue_rows = settings.queue_rows;
        let keeper = Keeper::<H> { address, channel, queue, up: up.clone(), settings };
        tokio::spawn(keeper.keep());
        Self { jobs, up, queue_rows }
    }

    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// Rows waiting to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.queue_rows - self.jobs.capacity()
    }

    /// Queues a job; gives it back when the queue is full.
    pub(super) fn offer(&self, job: Job<H>) -> Result<(), Job<H>> {
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(job) | mpsc::error::TrySendError::Closed(job) => job,
        })
    }
}

struct Keeper<H: Hop> {
    address: String,
    channel: Channel,
    queue: mpsc::Receiver<Job<H>>,
    up: Arc<AtomicBool>,
    settings: LinkSettings,
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
                    backoff.reset();
                    complained = false;
                    self.set_up(true);
                    let end = Session::new(frames, results).run(&mut self.queue).await;
                    self.set_up(false);
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

    /// Waits, and refuses what was queued while the stream was up; `false` when nobody wants the replica any more.
    async fn pause(&mut self, delay: Duration) -> bool {
        let over = tokio::time::sleep(delay);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return true,
                job = self.queue.recv() => match job {
                    Some(job) => {
                        let _ = job.answer.send(Err(super::replicas::unreachable(H::LAYER)));
                    }
                    None => return false,
                },
            }
        }
    }

    fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::Release);
        self.settings.changed(up);
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
