//! A replica of a layer: its queue, and the task that keeps a stream to it open.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use strata_chassis::{Backoff, FairReceiver, FairSender, Refused, fair_channel};
use strata_wire::{Fault, Hop};
use tonic::{Status, transport::Channel};

use super::{
    job::{Job, LinkState, Pending},
    needs::load,
    session::{End, Session},
    settings::LinkSettings,
};

/// A handle on a replica. After it is dropped, rows that were sent are still answered, and then the
/// stream ends.
pub(super) struct Replica<H: Hop> {
    jobs: FairSender<Job<H>>,
    state: Arc<LinkState>,
    address: String,
    channel: Channel,
}

/// The connection to a replica for calls other than rows.
pub(super) struct Endpoint {
    pub(super) address: String,
    channel: Channel,
    state: Arc<LinkState>,
}

impl Endpoint {
    pub(super) fn is_up(&self) -> bool {
        self.state.is_up()
    }

    /// Makes the replica load a version; a loaded version is left as it is.
    pub(super) async fn load(&self, version: u32) -> Result<(), Fault> {
        load(self.channel.clone(), version).await
    }

    /// Stops asking the replica. Its stream ends once all sent rows are answered; the replica is
    /// asked again when it has loaded the versions it must have.
    pub(super) fn recall(&self, settings: &LinkSettings) {
        self.state.down(settings);
        self.state.recalled.notify_one();
    }
}

/// Queues a row that was not sent for another replica.
pub(super) type HandOn<H> = Box<dyn Fn(Job<H>) + Send + Sync>;

impl<H: Hop> Replica<H> {
    /// Starts the task that keeps a stream to `address`.
    pub(super) fn start(
        address: String,
        channel: Channel,
        settings: LinkSettings,
        hand_on: HandOn<H>,
    ) -> Self {
        let (jobs, queue) = fair_channel(settings.queue_rows);
        let state = Arc::<LinkState>::default();
        let keeper = Keeper {
            address: address.clone(),
            channel: channel.clone(),
            queue,
            state: Arc::clone(&state),
            settings,
            hand_on,
        };
        tokio::spawn(keeper.keep());
        Self { jobs, state, address, channel }
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        let Self { address, channel, state, .. } = self;
        let (address, channel) = (address.clone(), channel.clone());
        Endpoint { address, channel, state: Arc::clone(state) }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state.is_up()
    }

    /// Rows waiting to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.waiting()
    }

    /// Rows offered and not answered yet.
    pub(super) fn pending(&self) -> usize {
        self.state.pending()
    }

    /// Queues a job.
    ///
    /// # Errors
    /// The job, when the queue is full or the replica's task has ended.
    pub(super) fn offer(&self, mut job: Job<H>) -> Result<(), Refused<Job<H>>> {
        job.pending = Some(Pending::begin(&self.state));
        self.jobs.try_send(job.ask.caller, job)
    }
}

struct Keeper<H: Hop> {
    address: String,
    channel: Channel,
    queue: FairReceiver<Job<H>>,
    state: Arc<LinkState>,
    settings: LinkSettings,
    hand_on: HandOn<H>,
}

impl<H: Hop> Keeper<H> {
    /// Opens the stream again and again until the handle on the replica is dropped.
    async fn keep(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(20), self.settings.max_backoff);
        let mut complained = None;
        loop {
            match self.connect().await {
                Ok(session) => {
                    tracing::info!(layer = H::LAYER, address = self.address, "layer connected");
                    complained = None;
                    let since = Instant::now();
                    let (state, settings) = (&self.state, &self.settings);
                    let going = || state.down(settings);
                    let end = session.run(&mut self.queue, &state.recalled, going).await;
                    self.state.down(&self.settings);
                    // A layer that accepts the stream and breaks it at once gets the same backoff
                    // as one that refuses it.
                    if since.elapsed() > self.settings.max_backoff {
                        backoff.reset();
                    }
                    match end {
                        End::Closed => return,
                        End::Drained => {
                            tracing::info!(
                                layer = H::LAYER,
                                address = self.address,
                                "the layer drains"
                            );
                        }
                        End::Recalled => {
                            let address = &self.address;
                            tracing::warn!(layer = H::LAYER, address, "the layer lacks a version");
                        }
                        End::Broken(status) => {
                            self.complain("connection to the layer lost", &status)
                        }
                    }
                }
                Err(status) => {
                    if complained != Some(status.code()) {
                        self.complain("connection to the layer failed, retrying", &status);
                    }
                    complained = Some(status.code());
                }
            }
            if !self.pause(backoff.next_delay()).await {
                return;
            }
        }
    }

    /// Opens a stream and makes the layer load the versions that releases need. The loads use the
    /// connection of the stream: if another process replaces the layer meanwhile, the stream breaks
    /// as well.
    async fn connect(&self) -> Result<Session<H>, Status> {
        let (frames, outbound) = Session::<H>::frames();
        let results =
            H::open(self.channel.clone(), outbound, self.settings.max_message_bytes).await?;
        loop {
            let needs = self.settings.needs.borrow().clone();
            for version in &needs.must {
                load(self.channel.clone(), *version).await?;
            }
            for version in &needs.may {
                if let Err(fault) = load(self.channel.clone(), *version).await {
                    let (address, reason) = (&self.address, fault.message);
                    tracing::warn!(
                        layer = H::LAYER,
                        address,
                        version,
                        reason,
                        "the layer did not load a version"
                    );
                }
            }
            // `borrow` locks the needs. A release that adds needs afterwards finds this replica up
            // and loads the version on it; one that added needs before makes this loop run again.
            let now = self.settings.needs.borrow();
            if *now == needs {
                self.state.up(&self.settings);
                return Ok(Session::new(frames, results));
            }
        }
    }

    /// Waits for `delay` and hands queued rows on to other replicas meanwhile; `false` when the
    /// handle on the replica was dropped.
    async fn pause(&mut self, delay: Duration) -> bool {
        let over = tokio::time::sleep(delay);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return true,
                job = self.queue.recv() => match job {
                    Some(job) => (self.hand_on)(job),
                    None => return false,
                },
            }
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
