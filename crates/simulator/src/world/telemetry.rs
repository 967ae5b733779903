//! What a platform would measure of a function every 15 seconds.

use std::ops::Range;

use strata_domain::{Placement, Platform, Size, scaling};
use strata_policy::operational::{STEP_SECONDS, Step};

use super::{
    arrivals::{Arrivals, STEPS_PER_MINUTE},
    setting::Setting,
};
use crate::{
    seed::{Purpose, stream, unit},
    traces::{Attributes, Trace, TracedFunction},
};

/// Longer runs, in steps, count as this long (30 min). It bounds how far back a run can matter.
const LONGEST_RUN_STEPS: usize = 120;
/// Steps before the first requested one that affect it: a run may still be in flight, an instance
/// still warm.
const LOOK_BACK_STEPS: usize = LONGEST_RUN_STEPS + 1;
/// Runs drawn per step for its mean run time.
const MOST_RUNS_DRAWN: u32 = 4;
/// Memory use is drawn every this many steps (5 min) and interpolated in between.
const MEMORY_KNOT_STEPS: usize = 20;

/// The telemetry of one function on one placement.
///
/// - `request_rate`: calls that arrive in the step, per second.
/// - `memory_util`: memory in use over the placement's memory size while an instance is warm, and 0
///   otherwise. Usage drifts between percentiles of the trace.
/// - `cpu_util`: processor time used over processor time allotted to the instances that run.
/// - `queue_depth`: calls that find no instance, because more run at once than did in the step
///   before.
/// - `hour_sin`: at the end of the step.
///
/// One instance serves one call at a time. A step depends on the calls of the last half hour only,
/// so that a part of the series is the same whether it is computed alone or with all the rest.
#[derive(Debug, Clone, Copy)]
pub struct Telemetry<'a> {
    trace: &'a Trace,
    function: &'a TracedFunction,
    arrivals: Arrivals<'a>,
    seed: u64,
    placement: Placement,
    platform: &'a Platform,
    size: Size,
    cpu_share: f64,
    run_time_factor: f64,
}

impl<'a> Telemetry<'a> {
    pub(super) fn new(
        setting: Setting<'a>,
        function: &'a TracedFunction,
        attributes: &Attributes,
        placement: Placement,
    ) -> Self {
        let platform = setting.catalogue.platform(placement.platform);
        let cpu_share = attributes.cpu_share;
        let seed = setting.options.seed;
        Self {
            trace: setting.trace,
            function,
            arrivals: Arrivals::new(function, seed),
            seed,
            placement,
            platform,
            size: platform.size(placement.memory_mb),
            cpu_share,
            run_time_factor: setting.run_time_factor(placement, cpu_share),
        }
    }

    pub(crate) fn placement(&self) -> Placement {
        self.placement
    }

    /// Minutes for which an idle instance is warm.
    pub(crate) fn keep_alive_minutes(&self) -> f64 {
        self.platform.cold_starts.keep_alive_minutes()
    }

    /// The steps numbered `steps`, counted from the beginning of the trace; steps beyond its end
    /// are left out.
    pub fn series(&self, steps: Range<usize>) -> Vec<Step> {
        let end = steps.end.min(self.trace.minutes() * STEPS_PER_MINUTE);
        let begin = steps.start.saturating_sub(LOOK_BACK_STEPS);
        let mut state = State::default();
        let mut series = Vec::with_capacity(end.saturating_sub(steps.start));
        for step in begin..end {
            let measured = self.step(step, &mut state);
            if step >= steps.start {
                series.push(measured);
            }
        }
        series
    }

    fn step(&self, step: usize, state: &mut State) -> Step {
        let (minute, within) = (step / STEPS_PER_MINUTE, step % STEPS_PER_MINUTE);
        if state.minute != Some(minute) {
            state.minute = Some(minute);
            state.calls = self.arrivals.in_minute(minute);
        }
        let calls = state.calls[within];
        if calls > 0 {
            state.last_call = Some(step);
            state.spread(f64::from(calls) * self.mean_run_seconds(step, calls), calls);
        }
        let busy_seconds = state.advance();
        let concurrency = busy_seconds / STEP_SECONDS as f64;
        let instances = concurrency.ceil();
        let waiting = (instances - state.instances.max(f64::from(u8::from(calls > 0)))).max(0.0);
        state.instances = instances;
        let end = self.trace.start().plus_seconds((step as i64 + 1) * STEP_SECONDS);
        Step {
            request_rate: f64::from(calls) / STEP_SECONDS as f64,
            memory_util: if state.is_warm(step, self.keep_alive_minutes()) {
                self.memory_util(step)
            } else {
                0.0
            },
            cpu_util: self.cpu_util(concurrency, instances),
            queue_depth: waiting,
            hour_sin: end.hour_sin(),
        }
    }

    fn mean_run_seconds(&self, step: usize, calls: u32) -> f64 {
        let drawn = calls.min(MOST_RUNS_DRAWN);
        self.run_seconds(step, calls).sum::<f64>() / f64::from(drawn)
    }

    /// Run times in seconds of the calls of a step, at most [`MOST_RUNS_DRAWN`] of them.
    pub(crate) fn run_seconds(&self, step: usize, calls: u32) -> impl Iterator<Item = f64> {
        let drawn = calls.min(MOST_RUNS_DRAWN);
        let mut draws =
            stream(self.seed, self.function.identity, Purpose::StepDurations, step as u64);
        (0..drawn).map(move |_| {
            self.function.duration_ms.quantile(draws.unit()) * self.run_time_factor / 1000.0
        })
    }

    fn memory_util(&self, step: usize) -> f64 {
        let knot = step / MEMORY_KNOT_STEPS;
        let between = (step % MEMORY_KNOT_STEPS) as f64 / MEMORY_KNOT_STEPS as f64;
        let level =
            |knot: usize| unit(self.seed, self.function.identity, Purpose::Memory, knot as u64);
        let level = level(knot) * (1.0 - between) + level(knot + 1) * between;
        let used = self.function.memory_mb.quantile(level);
        (used / f64::from(self.size.memory_mb)).min(1.0)
    }

    fn cpu_util(&self, concurrency: f64, instances: f64) -> f64 {
        if instances <= 0.0 {
            return 0.0;
        }
        let busy = self.platform.speed(&self.size).busy_share(self.cpu_share);
        let allotted = scaling::instance_vcpus(self.platform, &self.size);
        let usable = scaling::usable_vcpus(self.platform, &self.size);
        (concurrency / instances * busy * usable / allotted).min(1.0)
    }
}

/// State that is carried from step to step.
struct State {
    minute: Option<usize>,
    calls: [u32; STEPS_PER_MINUTE],
    last_call: Option<usize>,
    instances: f64,
    /// Busy seconds of coming steps, a ring.
    ahead: [f64; LONGEST_RUN_STEPS],
    now: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            minute: None,
            calls: [0; STEPS_PER_MINUTE],
            last_call: None,
            instances: 0.0,
            ahead: [0.0; LONGEST_RUN_STEPS],
            now: 0,
        }
    }
}

impl State {
    /// Distributes `work` seconds of `calls` runs that begin now over the steps they last.
    fn spread(&mut self, work: f64, calls: u32) {
        let longest = (LONGEST_RUN_STEPS as i64 * STEP_SECONDS) as f64;
        let each = (work / f64::from(calls)).min(longest);
        let mut left = each;
        let mut step = self.now;
        while left > 0.0 {
            let here = left.min(STEP_SECONDS as f64);
            self.ahead[step % LONGEST_RUN_STEPS] += here * f64::from(calls);
            left -= here;
            step += 1;
        }
    }

    /// Moves to the next step and returns the busy seconds of this one.
    fn advance(&mut self) -> f64 {
        let busy = std::mem::take(&mut self.ahead[self.now % LONGEST_RUN_STEPS]);
        self.now += 1;
        busy
    }

    fn is_warm(&self, step: usize, warm_minutes: f64) -> bool {
        let warm_steps = (warm_minutes * STEPS_PER_MINUTE as f64) as usize;
        self.instances > 0.0 || self.last_call.is_some_and(|last| step - last < warm_steps)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        traces::{Trigger, test_trace},
        world::{World, WorldOptions},
    };

    fn world(trace: Trace, seed: u64) -> World {
        let options = WorldOptions { seed, ..WorldOptions::default() };
        World::new(trace, options, test_trace::research())
    }

    fn on(world: &World, platform: &str, memory_mb: u32) -> Placement {
        let catalogue = world.catalogue();
        let platform = catalogue.find_platform(platform).unwrap();
        let first = catalogue.candidates()[catalogue.candidates_of(platform)][0];
        Placement { memory_mb, ..first }
    }

    #[test]
    fn a_part_of_the_series_is_the_same_alone_and_with_the_rest() {
        let world = world(Trace::bundled().unwrap().with_only([0, 5, 17, 200, 900]), 5);
        for function in 0..world.functions() {
            let placement = on(&world, "gcp-functions-gen1", 512);
            let telemetry = world.telemetry_on(function, placement).unwrap();
            let whole = telemetry.series(0..5760);
            assert_eq!(telemetry.series(3001..3100), whole[3001..3100]);
            assert_eq!(telemetry.series(5700..9000), whole[5700..]);
        }
    }

    #[test]
    fn every_value_is_in_its_bounds_and_rates_add_up() {
        let world = world(Trace::bundled().unwrap().with_only((0..1104).step_by(37)), 1);
        for (number, function) in world.trace().functions().iter().enumerate() {
            let series = world.telemetry(number).unwrap().series(0..5760);
            let calls: f64 = series.iter().map(|step| step.request_rate * 15.0).sum();
            assert!((calls - function.invocations() as f64).abs() < 1e-6 * calls.max(1.0));
            for step in &series {
                assert!((0.0..=1.0).contains(&step.memory_util));
                assert!((0.0..=1.0).contains(&step.cpu_util));
                assert!((-1.0..=1.0).contains(&step.hour_sin));
                assert!(step.queue_depth >= 0.0 && step.queue_depth.is_finite());
            }
        }
    }

    #[test]
    fn more_memory_means_a_smaller_share_of_it() {
        let function = test_trace::function("f", Trigger::Http, vec![40; 30]);
        let world = world(test_trace::trace(vec![function]), 1);
        let in_size = |memory_mb| {
            let placement = on(&world, "aws-lambda", memory_mb);
            world.telemetry_on(0, placement).unwrap().series(60..61)[0]
        };
        let (small, large) = (in_size(256), in_size(1024));
        assert!((small.memory_util / large.memory_util - 4.0).abs() < 1e-9);
        assert_eq!(small.request_rate, large.request_rate);
        assert!(small.cpu_util > large.cpu_util);
    }

    #[test]
    fn an_instance_is_warm_for_a_while_and_then_gone() {
        let mut per_minute = vec![0; 60];
        per_minute[0] = 1;
        let function = test_trace::function("f", Trigger::Timer, per_minute);
        let world = world(test_trace::trace(vec![function]), 1);
        let placement = on(&world, "aws-lambda", 256);
        let series = world.telemetry_on(0, placement).unwrap().series(0..240);
        assert!(series[20].memory_util > 0.0 && series[20].cpu_util == 0.0);
        assert_eq!(series[40].memory_util, 0.0);
    }

    #[test]
    fn a_long_run_keeps_an_instance_busy_over_many_steps() {
        let mut state = State::default();
        state.spread(2.0 * 40.0, 2);
        let busy: Vec<f64> = (0..4).map(|_| state.advance()).collect();
        assert_eq!(busy, [30.0, 30.0, 20.0, 0.0]);
    }
}
