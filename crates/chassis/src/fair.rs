//! A bounded channel in which callers take turns.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Emptied lanes whose memory is kept for the next callers.
const SPARE: usize = 64;

/// Why an item was not taken in. It is given back.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused<T> {
    /// As many items wait as may.
    Full(T),
    /// The receiver is gone.
    Closed(T),
}

/// Where items are handed in. Dropping it closes the channel; what waits is still received.
#[derive(Debug)]
pub struct FairSender<T>(Arc<Shared<T>>);

/// Where items are taken out. Dropping it drops what waits.
#[derive(Debug)]
pub struct FairReceiver<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    filled: Notify,
    limit: usize,
}

#[derive(Debug)]
struct State<T> {
    /// What each caller has waiting; only callers who have.
    lanes: HashMap<u64, VecDeque<T>>,
    /// These callers; the first is next.
    turns: VecDeque<u64>,
    spare: Vec<VecDeque<T>>,
    waiting: usize,
    sender: bool,
    receiver: bool,
    /// Whether the receiver has to be woken.
    asleep: bool,
}

/// A channel that holds at most `limit` items, of all callers together. Items of one caller stay in their order; callers take turns, an
/// item each, so that one who sends many does not hold up one who sends few.
#[must_use]
pub fn fair_channel<T>(limit: usize) -> (FairSender<T>, FairReceiver<T>) {
    let state = State {
        lanes: HashMap::new(),
        turns: VecDeque::new(),
        spare: Vec::new(),
        waiting: 0,
        sender: true,
        receiver: true,
        asleep: false,
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), filled: Notify::new(), limit });
    (FairSender(Arc::clone(&shared)), FairReceiver(shared))
}

impl<T> Shared<T> {
    /// No code that can panic runs under this lock.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn push(&mut self, caller: u64, item: T) {
        let (spare, turns) = (&mut self.spare, &mut self.turns);
        let lane = self.lanes.entry(caller).or_insert_with(|| {
            turns.push_back(caller);
            spare.pop().unwrap_or_default()
        });
        lane.push_back(item);
        self.waiting += 1;
    }

    fn take(&mut self, most: usize, taken: &mut Vec<T>) -> usize {
        let mut left = most;
        while left > 0 {
            let Some(caller) = self.turns.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&caller) else { continue };
            // Alone, a caller need not be looked up for every item.
            let items = if self.turns.is_empty() { left.min(lane.len()) } else { 1 };
            taken.extend(lane.drain(..items));
            left -= items;
            if !lane.is_empty() {
                self.turns.push_back(caller);
            } else if let Some(lane) = self.lanes.remove(&caller)
                && self.spare.len() < SPARE
            {
                self.spare.push(lane);
            }
        }
        self.waiting -= most - left;
        most - left
    }
}

impl<T> FairSender<T> {
    /// Hands in an item of a caller, whichever number stands for it.
    ///
    /// # Errors
    /// The item, if there is no room for it or nobody to take it.
    pub fn try_send(&self, caller: u64, item: T) -> Result<(), Refused<T>> {
        let mut state = self.0.lock();
        if !state.receiver {
            return Err(Refused::Closed(item));
        }
        if state.waiting >= self.0.limit {
            return Err(Refused::Full(item));
        }
        state.push(caller, item);
        let asleep = std::mem::take(&mut state.asleep);
        drop(state);
        if asleep {
            self.0.filled.notify_one();
        }
        Ok(())
    }

    /// Items that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.lock().waiting
    }

    /// Items that may wait.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit
    }
}

impl<T> FairReceiver<T> {
    /// Waits for an item, then takes what waits, `most` items at most, and tells how many it were; 0 if the channel is closed and empty.
    /// Nothing is lost when it is dropped before it completes.
    pub async fn recv_many(&mut self, taken: &mut Vec<T>, most: usize) -> usize {
        loop {
            {
                let mut state = self.0.lock();
                let count = state.take(most, taken);
                if count > 0 || !state.sender {
                    return count;
                }
                state.asleep = true;
            }
            // Who is told before this is waiting is told all the same.
            self.0.filled.notified().await;
            // Whoever else is about to hand something in does so first.
            tokio::task::yield_now().await;
        }
    }

    /// Waits for an item; `None` if the channel is closed and empty. Nothing is lost when it is dropped before it completes.
    pub async fn recv(&mut self) -> Option<T> {
        let mut taken = Vec::with_capacity(1);
        self.recv_many(&mut taken, 1).await;
        taken.pop()
    }
}

impl<T> Drop for FairSender<T> {
    fn drop(&mut self) {
        self.0.lock().sender = false;
        self.0.filled.notify_one();
    }
}

impl<T> Drop for FairReceiver<T> {
    fn drop(&mut self) {
        let dropped = {
            let mut state = self.0.lock();
            state.receiver = false;
            state.waiting = 0;
            state.turns.clear();
            std::mem::take(&mut state.lanes)
        };
        // Outside of the lock: items may do something when they are dropped.
        drop(dropped);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    async fn take(receiver: &mut FairReceiver<u32>, most: usize) -> Vec<u32> {
        let mut taken = Vec::new();
        let count = receiver.recv_many(&mut taken, most).await;
        assert_eq!(count, taken.len());
        taken
    }

    #[tokio::test]
    async fn callers_take_turns_and_each_keeps_its_order() {
        let (sender, mut receiver) = fair_channel(4096);
        for item in 0..4000 {
            sender.try_send(1, item).unwrap();
        }
        sender.try_send(2, 10_000).unwrap();
        sender.try_send(2, 10_001).unwrap();
        sender.try_send(3, 20_000).unwrap();
        assert_eq!(take(&mut receiver, 6).await, [0, 10_000, 20_000, 1, 10_001, 2]);
        assert_eq!(take(&mut receiver, 64).await, (3..67).collect::<Vec<_>>());
        assert_eq!(sender.waiting(), 4003 - 70);
        // Whose turn it is goes on over what is taken at once.
        sender.try_send(2, 10_002).unwrap();
        assert_eq!(take(&mut receiver, 1).await, [67]);
        assert_eq!(take(&mut receiver, 1).await, [10_002]);
    }

    #[tokio::test]
    async fn a_full_channel_gives_the_item_back() {
        let (sender, mut receiver) = fair_channel(2);
        sender.try_send(1, 1).unwrap();
        sender.try_send(2, 2).unwrap();
        assert_eq!(sender.try_send(3, 3), Err(Refused::Full(3)));
        assert_eq!(receiver.recv().await, Some(1));
        sender.try_send(3, 3).unwrap();
        drop(receiver);
        assert_eq!(sender.try_send(3, 4), Err(Refused::Closed(4)));
        assert_eq!(sender.waiting(), 0);
    }

    #[tokio::test]
    async fn what_waits_is_received_after_the_sender_is_gone_and_sleepers_wake() {
        let (sender, mut receiver) = fair_channel(8);
        let waiting = tokio::spawn(async move {
            let first = receiver.recv().await;
            (first, receiver.recv().await, receiver.recv().await)
        });
        tokio::task::yield_now().await;
        sender.try_send(1, 1).unwrap();
        tokio::task::yield_now().await;
        sender.try_send(1, 2).unwrap();
        drop(sender);
        assert_eq!(waiting.await.unwrap(), (Some(1), Some(2), None));
    }

    #[tokio::test]
    async fn a_receipt_that_is_given_up_loses_nothing() {
        let (sender, mut receiver) = fair_channel(8);
        {
            let mut given_up = Box::pin(receiver.recv());
            tokio::select! {
                biased;
                _ = &mut given_up => unreachable!(),
                () = std::future::ready(()) => {}
            }
            sender.try_send(1, 1).unwrap();
        }
        assert_eq!(receiver.recv().await, Some(1));
    }
}
