//! One stream to one replica, from its opening to its end.

use std::time::{Duration, Instant};

use strata_chassis::{FairReceiver, micros};
use strata_domain::FaultKind;
use strata_wire::{Ask, Fault, Hop, Results, Row};
use tokio::sync::{Notify, mpsc, oneshot};
use tonic::{Status, Streaming};

use super::{
    faults::{lost, spent},
    job::{Job, Pending, Reply},
};

/// Maximum number of rows in a frame. Larger frames do not improve a layer's batches.
const FRAME_ROWS: usize = 64;
/// Maximum number of frames in flight. A second frame keeps the layer busy while the first travels;
/// more frames gain nothing.
const FRAMES_IN_FLIGHT: usize = 2;

/// The sender for the answer to a row that was sent, and the row's count as pending.
type Asker<H> = (oneshot::Sender<Reply<H>>, Option<Pending>);

/// Why a session ended.
pub(super) enum End {
    /// The layer announced its shutdown and answered everything that was sent.
    Drained,
    /// The layer lacks a version it must have. It answered everything that was sent.
    Recalled,
    /// The stream broke.
    Broken(Status),
    /// The handle on the replica was dropped.
    Closed,
}

pub(super) struct Session<H: Hop> {
    frames: mpsc::Sender<H::Frame>,
    results: Streaming<H::FrameResult>,
    in_flight: Vec<(u64, Vec<Asker<H>>)>,
    next_frame: u64,
}

impl<H: Hop> Session<H> {
    pub(super) fn new(frames: mpsc::Sender<H::Frame>, results: Streaming<H::FrameResult>) -> Self {
        Self { frames, results, in_flight: Vec::with_capacity(FRAMES_IN_FLIGHT), next_frame: 1 }
    }

    /// A channel with room for every frame in flight.
    pub(super) fn frames() -> (mpsc::Sender<H::Frame>, mpsc::Receiver<H::Frame>) {
        mpsc::channel(FRAMES_IN_FLIGHT)
    }

    /// Sends queued rows and delivers answers until the stream ends. Calls `going` as soon as the
    /// layer announces its shutdown or `recalled` is notified, so that no more rows are queued for
    /// it.
    pub(super) async fn run(
        mut self,
        jobs: &mut FairReceiver<Job<H>>,
        recalled: &Notify,
        going: impl Fn(),
    ) -> End {
        let mut gathered = Vec::with_capacity(FRAME_ROWS);
        loop {
            let may_send = self.in_flight.len() < FRAMES_IN_FLIGHT;
            tokio::select! {
                result = self.results.message() => match result {
                    Ok(Some(result)) => {
                        if self.hand_out(H::results(result)) {
                            going();
                            return self.finish().await;
                        }
                    }
                    Ok(None) => return self.broken(ended()),
                    Err(status) => return self.broken(status),
                },
                () = recalled.notified() => {
                    going();
                    return match self.finish().await {
                        End::Drained => End::Recalled,
                        broken => broken,
                    };
                }
                taken = jobs.recv_many(&mut gathered, FRAME_ROWS), if may_send => {
                    if taken == 0 {
                        return match self.finish().await {
                            End::Drained => End::Closed,
                            broken => broken,
                        };
                    }
                    if !self.send(gathered.drain(..)) {
                        return self.broken(ended());
                    }
                }
            }
        }
    }

    /// Sends the jobs whose callers still wait as one frame; `false` when the stream has broken.
    fn send(&mut self, jobs: impl Iterator<Item = Job<H>>) -> bool {
        let now = Instant::now();
        let mut rows = Vec::with_capacity(FRAME_ROWS);
        let mut askers = Vec::with_capacity(FRAME_ROWS);
        for job in jobs {
            // The caller has left, or its deadline has passed.
            if job.reply.is_closed() {
                continue;
            }
            let left = job.ask.deadline.saturating_duration_since(now);
            if left < Duration::from_micros(1) {
                job.refuse(spent(H::LAYER));
                continue;
            }
            let Ask { request, trace, .. } = job.ask;
            rows.push(Row { request, trace, budget_us: micros(left) });
            askers.push((job.reply, job.pending));
        }
        if rows.is_empty() {
            return true;
        }
        let frame_id = self.next_frame;
        self.next_frame += 1;
        self.in_flight.push((frame_id, askers));
        // The channel has room for as many frames as may be in flight.
        self.frames.try_send(H::frame(frame_id, rows)).is_ok()
    }

    /// Delivers the answers of a frame; `true` when the message is a drain notice instead.
    fn hand_out(&mut self, results: Results<H::Response>) -> bool {
        if results.draining {
            return true;
        }
        let Some(index) = self.in_flight.iter().position(|(id, _)| *id == results.frame_id) else {
            tracing::warn!(
                layer = H::LAYER,
                frame = results.frame_id,
                "ignored the answer to an unknown frame"
            );
            return false;
        };
        let (_, askers) = self.in_flight.swap_remove(index);
        let now = Instant::now();
        let mut rows = results.rows.into_iter();
        for (reply, _pending) in askers {
            let result = rows.next().unwrap_or_else(|| {
                Err(Fault::new(FaultKind::Internal, "the layer answered too few rows"))
            });
            // The send fails when the caller has left.
            let _ = reply.send((result, now));
        }
        false
    }

    /// Closes the sending side and delivers the answers that are still in flight.
    async fn finish(mut self) -> End {
        let (closed, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.frames, closed));
        while !self.in_flight.is_empty() {
            match self.results.message().await {
                Ok(Some(result)) => {
                    self.hand_out(H::results(result));
                }
                Ok(None) => return self.broken(ended()),
                Err(status) => return self.broken(status),
            }
        }
        End::Drained
    }

    fn broken(self, status: Status) -> End {
        let now = Instant::now();
        for (_, askers) in self.in_flight {
            for (reply, _pending) in askers {
                let _ = reply.send((Err(lost(H::LAYER, &status)), now));
            }
        }
        End::Broken(status)
    }
}

fn ended() -> Status {
    Status::unavailable("the layer ended the stream")
}
