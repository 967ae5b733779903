//! Jobs waiting in a lane for each caller, taken round robin, so that one who sends many does not hold up one who sends few.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use crate::queue::Job;

/// Rows that a lane may take in its turn beyond what it had left over. Small beside a batch, so that many callers are in each.
const QUANTUM: usize = 8;
/// Emptied lanes whose memory is kept for the next callers.
const SPARE: usize = 64;

/// Jobs of all callers (deficit round robin, M. Shreedhar and G. Varghese 1996, counted in rows).
#[derive(Default)]
pub(crate) struct Lanes {
    /// Only those that hold jobs.
    lanes: HashMap<u64, Lane>,
    /// Their callers; the first is next.
    turns: VecDeque<u64>,
    spare: Vec<VecDeque<Job>>,
    rows: usize,
}

struct Lane {
    jobs: VecDeque<Job>,
    rows: usize,
    /// Rows it may still take in this round.
    credit: usize,
}

impl Lanes {
    /// Rows of all callers.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Rows of one caller.
    pub(crate) fn rows_of(&self, caller: u64) -> usize {
        self.lanes.get(&caller).map_or(0, |lane| lane.rows)
    }

    /// How many rows are taken before the last of `rows` more of a caller, about: all of its own, and of every other caller no more than that.
    pub(crate) fn ahead(&self, caller: u64, rows: usize) -> usize {
        let own = self.rows_of(caller);
        let others = self.lanes.iter().filter(|(other, _)| **other != caller);
        own + others.map(|(_, lane)| lane.rows.min(own + rows)).sum::<usize>()
    }

    /// When the job that waits longest came, among those that are next in their lanes.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.lanes.values().filter_map(|lane| lane.jobs.front()).map(|job| job.enqueued).min()
    }

    pub(crate) fn push(&mut self, job: Job) {
        let (spare, turns) = (&mut self.spare, &mut self.turns);
        let lane = self.lanes.entry(job.caller).or_insert_with_key(|caller| {
            turns.push_back(*caller);
            Lane { jobs: spare.pop().unwrap_or_default(), rows: 0, credit: 0 }
        });
        self.rows += job.batch.rows;
        lane.rows += job.batch.rows;
        lane.jobs.push_back(job);
    }

    /// Takes jobs of at most `most` rows; a first one that is larger comes alone.
    pub(crate) fn take(&mut self, most: usize, taken: &mut Vec<Job>) {
        let mut room = Room { most, used: 0 };
        while let Some(caller) = self.turns.front().copied() {
            let alone = self.turns.len() == 1;
            let Some(lane) = self.lanes.get_mut(&caller) else {
                self.turns.pop_front();
                continue;
            };
            let before = room.used;
            let full = lane.take(alone, &mut room, taken);
            self.rows -= room.used - before;
            if lane.jobs.is_empty() {
                let emptied = self.lanes.remove(&caller);
                self.turns.pop_front();
                self.spare
                    .extend(emptied.map(|lane| lane.jobs).filter(|_| self.spare.len() < SPARE));
            } else if full {
                // It goes on where it stopped, in the next batch.
                return;
            } else {
                self.turns.rotate_left(1);
            }
        }
    }
}

/// The batch that is being filled.
struct Room {
    most: usize,
    used: usize,
}

impl Lane {
    /// Takes jobs while credit and room last; `true` when it is the room that is used up. A caller who is `alone` needs no credit.
    fn take(&mut self, alone: bool, room: &mut Room, taken: &mut Vec<Job>) -> bool {
        self.credit += QUANTUM;
        while let Some(rows) = self.jobs.front().map(|job| job.batch.rows) {
            if room.used > 0 && room.used + rows > room.most {
                self.credit = self.credit.saturating_sub(QUANTUM);
                return true;
            }
            if !alone && rows > self.credit {
                return false;
            }
            self.credit = self.credit.saturating_sub(rows);
            self.rows -= rows;
            room.used += rows;
            taken.extend(self.jobs.pop_front());
        }
        false
    }
}
