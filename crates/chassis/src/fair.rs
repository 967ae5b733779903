//! A bounded channel in which callers take turns.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use strata_lanes::Lanes;
use tokio::sync::Notify;

use crate::in_flight::settle;

/// Items that a caller may have taken in its turn.
const QUANTUM: usize = 1;

/// Why an item was refused, with the item.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused<T> {
    /// The channel holds as many items as it may.
    Full(T),
    /// The receiver is gone.
    Closed(T),
}

/// The sending half. Dropping it closes the channel; items that wait are still received.
#[derive(Debug)]
pub struct FairSender<T>(Arc<Shared<T>>);

/// The receiving half. Dropping it drops the items that wait.
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
    /// One lane for each caller; every item costs 1.
    items: Lanes<T>,
    sender: bool,
    receiver: bool,
    /// Whether the receiver has to be woken.
    asleep: bool,
}

/// A channel that holds at most `limit` items, of all callers together.
///
/// Items of one caller stay in their order. Callers take turns, an item each, so that a caller that
/// sends many items does not hold up one that sends few.
#[must_use]
pub fn fair_channel<T>(limit: usize) -> (FairSender<T>, FairReceiver<T>) {
    let state = State { items: Lanes::new(QUANTUM), sender: true, receiver: true, asleep: false };
    let shared = Arc::new(Shared { state: Mutex::new(state), filled: Notify::new(), limit });
    (FairSender(Arc::clone(&shared)), FairReceiver(shared))
}

impl<T> Shared<T> {
    /// No code that can panic runs under this lock.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> FairSender<T> {
    /// Sends an item of a caller. Any number may stand for a caller.
    ///
    /// # Errors
    /// The item, if the channel is full or the receiver is gone.
    pub fn try_send(&self, caller: u64, item: T) -> Result<(), Refused<T>> {
        let mut state = self.0.lock();
        if !state.receiver {
            return Err(Refused::Closed(item));
        }
        if state.items.cost() >= self.0.limit {
            return Err(Refused::Full(item));
        }
        state.items.push(caller, 1, item);
        let asleep = mem::take(&mut state.asleep);
        drop(state);
        if asleep {
            self.0.filled.notify_one();
        }
        Ok(())
    }

    /// Number of items that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.lock().items.cost()
    }

    /// Most items that may wait.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit
    }
}

impl<T> FairReceiver<T> {
    /// Waits for an item, then moves the items that wait, at most `most`, to the end of `taken`.
    /// Returns their number; 0 means that the channel is closed and empty.
    ///
    /// Cancel safe: a future that is dropped before it completes loses no item.
    pub async fn recv_many(&mut self, taken: &mut Vec<T>, most: usize) -> usize {
        loop {
            {
                let mut state = self.0.lock();
                let count = state.items.take(most, taken);
                if count > 0 || !state.sender {
                    return count;
                }
                state.asleep = true;
            }
            // A notification that comes before this waits is stored, not lost.
            self.0.filled.notified().await;
            settle().await;
        }
    }

    /// Waits for an item; `None` means that the channel is closed and empty.
    ///
    /// Cancel safe, as [`FairReceiver::recv_many`].
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
            mem::replace(&mut state.items, Lanes::new(QUANTUM))
        };
        // Outside of the lock: dropping an item may run any code.
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
