//! Fair queueing: items wait in one lane per caller, and the lanes take turns, so that a caller
//! that sends many items does not hold up one that sends few.
//!
//! [`Lanes`] is a plain data structure: it neither locks, nor wakes anybody, nor bounds its size.
//! Its users do: `runtime` queues the batches of a model in it, `chassis` the items of a channel.

#![forbid(unsafe_code)]

use std::collections::{HashMap, VecDeque};

/// Unused lanes that keep their memory for the next callers.
const SPARE: usize = 64;

/// Items of all callers, taken by deficit round robin (M. Shreedhar and G. Varghese, "Efficient
/// Fair Queuing Using Deficit Round Robin", 1996).
///
/// Every item has a cost, for instance its number of rows. In its turn a lane may take items worth
/// one quantum, and what it did not use in earlier turns. A lane that is the only one takes as much
/// as there is room for. Items of one caller stay in their order.
#[derive(Debug)]
pub struct Lanes<T> {
    lanes: Vec<Lane<T>>,
    /// The lane of each caller that has items.
    callers: HashMap<u64, usize>,
    /// The lanes that hold items; the first is next.
    turns: VecDeque<usize>,
    /// The lanes that hold none.
    unused: Vec<usize>,
    /// Whether the first lane was interrupted in its turn because there was no room left.
    resumes: bool,
    quantum: usize,
    cost: usize,
}

#[derive(Debug)]
struct Lane<T> {
    caller: u64,
    /// Each item with its cost.
    items: VecDeque<(usize, T)>,
    cost: usize,
    /// What the lane may still take in this round.
    credit: usize,
}

/// Why a lane's turn ended.
enum End {
    /// The lane is empty.
    Empty,
    /// Its credit does not suffice for its next item.
    Spent,
    /// There is no room for its next item.
    NoRoom,
}

impl<T> Lanes<T> {
    /// No items yet. Each lane may take items worth `quantum`, at least 1, in its turn.
    ///
    /// A small quantum interleaves callers finely. An item that costs more than the quantum waits
    /// for several rounds.
    #[must_use]
    pub fn new(quantum: usize) -> Self {
        Self {
            lanes: Vec::new(),
            callers: HashMap::new(),
            turns: VecDeque::new(),
            unused: Vec::new(),
            resumes: false,
            quantum: quantum.max(1),
            cost: 0,
        }
    }

    /// The cost of all items.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.cost
    }

    /// The cost of a caller's items.
    #[must_use]
    pub fn cost_of(&self, caller: u64) -> usize {
        self.callers.get(&caller).map_or(0, |lane| self.lanes[*lane].cost)
    }

    /// Whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// About what is taken before the last item of a caller that adds items worth `cost`: all items
    /// that the caller has, and from every other caller no more than from this one.
    #[must_use]
    pub fn ahead(&self, caller: u64, cost: usize) -> usize {
        let own = self.cost_of(caller);
        let others = self.waiting().filter(|lane| lane.caller != caller);
        own + others.map(|lane| lane.cost.min(own + cost)).sum::<usize>()
    }

    /// The next item of each caller, in the order of their turns.
    pub fn heads(&self) -> impl Iterator<Item = &T> {
        self.waiting().filter_map(|lane| lane.items.front()).map(|(_, item)| item)
    }

    /// Adds an item to a caller's lane.
    pub fn push(&mut self, caller: u64, cost: usize, item: T) {
        let Self { lanes, callers, turns, unused, .. } = self;
        let index = *callers.entry(caller).or_insert_with(|| {
            let index = unused.pop().unwrap_or(lanes.len());
            if index == lanes.len() {
                lanes.push(Lane { caller, items: VecDeque::new(), cost: 0, credit: 0 });
            }
            turns.push_back(index);
            index
        });
        let lane = &mut lanes[index];
        lane.caller = caller;
        lane.cost += cost;
        lane.items.push_back((cost, item));
        self.cost += cost;
    }

    /// Moves items worth at most `most` to the end of `taken`. Returns their cost.
    ///
    /// An item that is worth more than `most` comes alone. A lane that is interrupted because there
    /// is no room left continues its turn in the next call.
    pub fn take(&mut self, most: usize, taken: &mut Vec<T>) -> usize {
        let mut room = Room { most, used: 0 };
        while let Some(index) = self.turns.front().copied()
            && room.used < most
        {
            let only = self.turns.len() == 1;
            let lane = &mut self.lanes[index];
            let end = if only {
                lane.take_without_credit(&mut room, taken)
            } else {
                if !std::mem::take(&mut self.resumes) {
                    lane.credit += self.quantum;
                }
                lane.take_turn(&mut room, taken)
            };
            match end {
                End::Empty => self.retire_first(),
                End::Spent => self.turns.rotate_left(1),
                End::NoRoom => {
                    self.resumes = !only;
                    break;
                }
            }
        }
        self.cost -= room.used;
        room.used
    }

    /// The lanes that hold items.
    fn waiting(&self) -> impl Iterator<Item = &Lane<T>> {
        self.turns.iter().map(|index| &self.lanes[*index])
    }

    /// The first lane is empty: it waits for its next caller.
    fn retire_first(&mut self) {
        let Some(index) = self.turns.pop_front() else { return };
        let lane = &mut self.lanes[index];
        self.callers.remove(&lane.caller);
        lane.credit = 0;
        if self.unused.len() >= SPARE {
            lane.items = VecDeque::new();
        }
        self.unused.push(index);
    }
}

/// What one call may still take.
struct Room {
    most: usize,
    used: usize,
}

impl Room {
    /// An item larger than the whole room fits while nothing else is in it.
    fn fits(&self, cost: usize) -> bool {
        self.used == 0 || self.used + cost <= self.most
    }
}

impl<T> Lane<T> {
    /// Takes items while credit and room last.
    fn take_turn(&mut self, room: &mut Room, taken: &mut Vec<T>) -> End {
        while let Some((cost, _)) = self.items.front() {
            if *cost > self.credit {
                return End::Spent;
            }
            if !room.fits(*cost) {
                return End::NoRoom;
            }
            self.credit -= cost;
            self.take_first(room, taken);
        }
        End::Empty
    }

    /// Takes items while room lasts: no other lane waits for its turn.
    fn take_without_credit(&mut self, room: &mut Room, taken: &mut Vec<T>) -> End {
        self.credit = 0;
        while let Some((cost, _)) = self.items.front() {
            if !room.fits(*cost) {
                return End::NoRoom;
            }
            self.take_first(room, taken);
        }
        End::Empty
    }

    fn take_first(&mut self, room: &mut Room, taken: &mut Vec<T>) {
        if let Some((cost, item)) = self.items.pop_front() {
            self.cost -= cost;
            room.used += cost;
            taken.push(item);
        }
    }
}

#[cfg(test)]
mod tests;
