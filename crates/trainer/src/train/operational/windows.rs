//! The windows that a forecaster learns from and is measured on.

use std::sync::Arc;

use rand::{RngExt, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_policy::operational::CallHistory;
use strata_simulator::{Scope, Window, WindowOptions, World};

/// Steps between the windows from which the idle ones are drawn. Odd, so that every quarter of a
/// minute is seen.
pub(super) const IDLE_STRIDE: usize = 21;
/// Worlds that windows are drawn from: the same calls by functions on other platforms and of other
/// sizes.
pub(super) const WORLDS: usize = 8;
/// Steps between the windows with a call.
pub(super) const STRIDE: usize = 3;
/// Functions are called at most so many times more often in a busier world.
pub(super) const MOST_TIMES_BUSIER: u32 = 256;
/// One of so many training windows is drawn from all windows, idle ones included.
const ANY_WINDOW: usize = 2;
/// One of so many training windows is drawn from a world in which functions are called more often.
const BUSIER_WINDOW: usize = 2;
/// Percentage of training windows with run times but without a history of calls, as from a caller
/// that keeps none.
const WITHOUT_HISTORY: u32 = 10;

/// Every `stride`-th window of a scope; only those with a call if `skip_idle`.
pub(super) fn windows(world: &World, scope: Scope, stride: usize, skip_idle: bool) -> Vec<Window> {
    let options = WindowOptions { stride, skip_idle, ..WindowOptions::default() };
    world.windows(scope, options).collect()
}

/// The world with functions that are called more often.
pub(super) fn busier(world: &World, variation: u64) -> World {
    let trace = world.trace().busier(variation, MOST_TIMES_BUSIER);
    World::new(trace, world.options(), Arc::clone(world.catalogue()))
}

/// `count` windows of training functions and hours of the first [`WORLDS`] of `worlds` and of their
/// busier variants, in groups within which a function is called equally often.
pub(super) fn draw(
    worlds: &[World],
    count: usize,
    rng: &mut Xoshiro256PlusPlus,
) -> Vec<Vec<Window>> {
    let worlds: Vec<&World> = worlds.iter().take(WORLDS).collect();
    let of_busier = count / BUSIER_WINDOW;
    let mut groups = vec![draw_from(&worlds, count - of_busier, rng)];
    for (world, variation) in worlds.iter().zip(0..) {
        groups.push(draw_from(&[&busier(world, variation)], of_busier / worlds.len(), rng));
    }
    groups
}

/// `count` windows of these worlds.
fn draw_from(worlds: &[&World], count: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<Window> {
    let any = count / ANY_WINDOW;
    let mut drawn = Vec::with_capacity(count);
    for (stride, skip_idle, wanted) in [(STRIDE, true, count - any), (IDLE_STRIDE, false, any)] {
        for world in worlds {
            let mut found = windows(world, Scope::training(), stride, skip_idle);
            found.shuffle(rng);
            found.truncate(wanted / worlds.len());
            drawn.append(&mut found);
        }
    }
    for window in &mut drawn {
        if rng.random_range(0..100) < WITHOUT_HISTORY {
            // A coordinator always knows the run times.
            let CallHistory { run_seconds, long_run_seconds, .. } = window.calls;
            window.calls = CallHistory { run_seconds, long_run_seconds, ..CallHistory::default() };
        }
    }
    drawn
}
