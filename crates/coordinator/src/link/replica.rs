//! A replica of a layer: its queue, and the task that keeps a stream to it.

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

/// A handle on a replica. When it is dropped, what was sent is still answered and the stream ends.
pub(super) struct Replica<H: Hop> {
    jobs: FairSender<Job<H>>,
    state: Arc<LinkState>,
    address: String,
    channel: Channel,
}

/// A replica's connection, for what is not rows.
pub(super) struct Endpoint {
    pub(super) address: String,
    channel: Channel,
    state: Arc<LinkState>,
}

impl Endpoint {
    pub(super) fn is_up(&self) -> bool {
        self.state.is_up()
    }

    /// Has it load a version; one that is loaded is left as it is.
    pub(super) async fn load(&self, version: u32) -> Result<(), Fault> {
        load(self.channel.clone(), version).await
    }

    /// From now on it is not asked, and its stream ends once what was sent is answered; it is asked
    /// again when it has loaded what it must.
    pub(super) fn recall(&self, settings: &LinkSettings) {
        self.state.down(settings);
        self.state.recalled.notify_one();
    }
}

/// Takes a row that was not sent, for another replica.
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
    /// The job, when the queue is full or its task has ended.
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
    /// Opens the stream again and again until nobody wants it any more.
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
                    // A layer that takes the stream and breaks it at once is no better than one
                    // that refuses it.
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
                        End::Recalled => {
                            let address = &self.address;
                            tracing::warn!(layer = H::LAYER, address, "layer lacks a version");
                        }
                        End::Broken(status) => self.complain("layer lost", &status),
                    }
                }
                Err(status) => {
                    if complained != Some(status.code()) {
                        self.complain("layer cannot be asked, trying again", &status);
                    }
                    complained = Some(status.code());
                }
            }
            if !self.pause(backoff.next_delay()).await {
                return;
            }
        }
    }

    /// Opens a stream and has the layer load what releases need of it, on the connection of the
    /// stream: if the layer is replaced meanwhile, the stream is gone as well.
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
                    tracing::warn!(layer = H::LAYER, address, version, reason, "not loaded");
                }
            }
            // Under the lock of what is needed: whoever needs more finds it up, or it finds that
            // more is needed.
            let now = self.settings.needs.borrow();
            if *now == needs {
                self.state.up(&self.settings);
                return Ok(Session::new(frames, results));
            }
        }
    }

    /// Waits, and hands what was queued to another replica; `false` when nobody wants this one any
    /// more.
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
