//! Fitting on small problems whose solution is known, and the same seed twice.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{cell::Cell, num::NonZeroUsize, path::Path};

use anyhow::{Result, ensure};
use indicatif::ProgressBar;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_catalogue::{RESEARCH, built_in};
use strata_simulator::Window;
use strata_trainer::{
    contract::DecisionLayer,
    fit::{Checkpoints, Environment, Monitor, Observation, Outcome, Schedule, dqn, lstm, ppo},
    nets::{Network, OperationalNet, OutputRange, StrategicNet, TacticalNet},
    scaling::{Column, Scaling, Transform},
};

/// The right action is the one that the first feature names; the second action may never be taken.
struct Guess {
    rng: Xoshiro256PlusPlus,
    wanted: usize,
    left: usize,
}

const EPISODE: usize = 8;
const ALLOWED: u32 = 0b101;

impl Guess {
    fn new(seed: u64) -> Self {
        Self { rng: Xoshiro256PlusPlus::seed_from_u64(seed), wanted: 0, left: 0 }
    }

    fn observe(&mut self) -> Observation {
        self.wanted = if self.rng.random_bool(0.5) { 0 } else { 2 };
        let state = vec![self.wanted as f32 / 2.0, self.rng.random_range(0.0..1.0)];
        Observation { state, allowed: ALLOWED }
    }
}

impl Environment for Guess {
    fn reset(&mut self) -> Result<Observation> {
        self.left = EPISODE;
        Ok(self.observe())
    }

    fn step(&mut self, action: usize) -> Result<Outcome> {
        ensure!(ALLOWED >> action & 1 == 1, "action {action} is not allowed");
        let reward = if action == self.wanted { 1.0 } else { 0.0 };
        self.left -= 1;
        let next = (self.left > 0).then(|| self.observe());
        Ok(Outcome { reward, next })
    }

    fn generator(&mut self) -> &mut Xoshiro256PlusPlus {
        &mut self.rng
    }
}

fn scaling(columns: usize) -> Scaling {
    Scaling::new(vec![Column::between(Transform::Linear, 0.0, 1.0); columns]).unwrap()
}

fn weights(network: &dyn Network) -> Vec<f32> {
    let parameters = network.parameters();
    parameters.names().flat_map(|name| parameters.values(name).unwrap()).collect()
}

/// A tensor of states, one per wanted action.
fn states() -> candle_core::Tensor {
    candle_core::Tensor::new(&[[0f32, 0.3], [1.0, 0.3]], &candle_core::Device::Cpu).unwrap()
}

fn dqn_options(seed: u64, decisions: usize) -> dqn::Options {
    dqn::Options {
        seed,
        decisions,
        train_every: 2,
        batch: 32,
        replay: 500,
        learning_rate: 1e-3,
        gamma: 0.0,
        target_every: 50,
        explore: 0.5,
        epsilon: 0.1,
    }
}

/// A network and its target.
fn dqn_networks(rng: &mut Xoshiro256PlusPlus) -> [StrategicNet; 2] {
    [(); 2].map(|()| StrategicNet::new(scaling(2), 1, 3, rng).unwrap())
}

fn fitted_dqn(seed: u64, decisions: usize) -> StrategicNet {
    let [net, target] = dqn_networks(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    let options = dqn_options(seed, decisions);
    let bar = ProgressBar::hidden();
    let mut monitor = Monitor::progress_only(&bar);
    dqn::fit([&net, &target], &mut Guess::new(seed), &options, &mut monitor).unwrap();
    net
}

#[test]
fn dqn_learns_what_each_action_is_worth() {
    let q: Vec<Vec<f32>> = fitted_dqn(3, 800).q_values(&states()).unwrap().to_vec2().unwrap();
    for (row, (right, wrong)) in q.iter().zip([(0, 2), (2, 0)]) {
        assert!((row[right] - 1.0).abs() < 0.2 && row[wrong].abs() < 0.2, "{q:?}");
    }
}

fn ppo_options(seed: u64, decisions: usize) -> ppo::Options {
    ppo::Options {
        seed,
        decisions,
        horizon: 16,
        epochs: 4,
        batch: 32,
        learning_rate: 1e-3,
        gamma: 0.1,
        lambda: 0.9,
        clip: 0.2,
        value: 0.5,
        entropy: 0.0,
    }
}

fn fitted_ppo(seed: u64, decisions: usize) -> TacticalNet {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let net = TacticalNet::new(scaling(2), 3, &mut rng).unwrap();
    let mut worlds: Vec<Box<dyn Environment>> =
        (0..4).map(|number| Box::new(Guess::new(seed + number)) as Box<dyn Environment>).collect();
    let options = ppo_options(seed, decisions);
    ppo::fit(&net, &mut worlds, &options, &mut Monitor::progress_only(&ProgressBar::hidden()))
        .unwrap();
    net
}

#[test]
fn ppo_prefers_the_right_action() {
    let logits: Vec<Vec<f32>> = fitted_ppo(3, 1600).act(&states()).unwrap().0.to_vec2().unwrap();
    assert!(logits[0][0] > logits[0][2] + 1.0 && logits[1][2] > logits[1][0] + 1.0, "{logits:?}");
}

/// Windows in which the next rate is the last one, and memory use alternates between 0.2 and 0.6
/// unpredictably.
fn windows(count: usize, seed: u64) -> Vec<Window> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let platform = built_in(RESEARCH).catalogue.reference_platform();
    let window = |_| {
        let rate: f32 = rng.random_range(0.0..10.0);
        let memory = if rng.random_bool(0.5) { 0.2 } else { 0.6 };
        Window {
            function: 0,
            target_step: 0,
            x: [[rate, 0.4, 0.5, 0.0, 0.0]; 12],
            y: [rate, memory, 0.5],
            calls: Default::default(),
            platform,
            keep_alive_minutes: 7.0,
        }
    };
    (0..count).map(window).collect()
}

fn fitted_lstm(seed: u64, count: usize) -> OperationalNet {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let outputs = vec![
        OutputRange::Log1p { log_span: 10f32.ln_1p() },
        OutputRange::Fraction,
        OutputRange::Fraction,
    ];
    let columns = vec![Column::between(Transform::Log1p { gain: 1.0 }, 0.0, 10.0); 5];
    let net = OperationalNet::new(Scaling::new(columns).unwrap(), 12, outputs, &mut rng).unwrap();
    let schedule = Schedule {
        seed,
        epochs: 6,
        patience: 6,
        batch: NonZeroUsize::new(32).unwrap(),
        learning_rate: 5e-3,
    };
    let options = lstm::Options { schedule, below: 5.0 };
    let (train, validation) = (windows(count, seed), windows(64, seed + 1));
    let bar = ProgressBar::hidden();
    lstm::fit(&net, [&train, &validation], &options, &mut Monitor::progress_only(&bar)).unwrap();
    net
}

#[test]
fn the_lstm_follows_the_rate_and_leaves_room_where_it_cannot_know() {
    let net = fitted_lstm(3, 2000);
    let held_out = windows(200, 99);
    let forecasts = lstm::forecasts(&net, &held_out).unwrap();
    let error: f32 = held_out.iter().zip(&forecasts).map(|(w, f)| (w.y[0] - f[0]).abs()).sum();
    assert!(error / 200.0 < 1.5, "mean error of the rate {}", error / 200.0);
    // Half 0.2, half 0.6, and an error below costs five times as much: (0.2 + 5 x 0.6) / 6 = 0.533,
    // not the mean of 0.4.
    let memory: f32 = forecasts.iter().map(|f| f[1]).sum::<f32>() / 200.0;
    assert!((memory - 0.533).abs() < 0.05, "mean forecast of the memory {memory}");
}

#[test]
fn the_same_seed_gives_the_same_weights_and_another_seed_others() {
    assert_eq!(weights(&fitted_dqn(5, 120)), weights(&fitted_dqn(5, 120)));
    assert_eq!(weights(&fitted_ppo(5, 128)), weights(&fitted_ppo(5, 128)));
    assert_eq!(weights(&fitted_lstm(5, 32)), weights(&fitted_lstm(5, 32)));
    assert_ne!(weights(&fitted_dqn(5, 120)), weights(&fitted_dqn(6, 120)));
}

#[test]
fn every_fit_leaves_curves_of_a_few_hundred_points() {
    let bar = ProgressBar::hidden();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let net = TacticalNet::new(scaling(2), 3, &mut rng).unwrap();
    let mut monitor = Monitor::validating(&bar, |_: &TacticalNet| Ok(0.5));
    let mut worlds: Vec<Box<dyn Environment>> = vec![Box::new(Guess::new(1))];
    ppo::fit(&net, &mut worlds, &ppo_options(1, 320), &mut monitor).unwrap();
    let csv = monitor.curves().to_csv();
    let points = |csv: &str, name: &str| csv.matches(&format!(",{name},")).count();
    assert!((20..=22).contains(&points(&csv, "objective on validation")), "{csv}");
    assert_eq!((points(&csv, "reward"), points(&csv, "loss")), (20, 80), "{csv}");

    let [net, target] = dqn_networks(&mut rng);
    let mut monitor = Monitor::progress_only(&bar);
    let options = dqn_options(1, 800);
    dqn::fit([&net, &target], &mut Guess::new(1), &options, &mut monitor).unwrap();
    let csv = monitor.curves().to_csv();
    assert!((128..=256).contains(&points(&csv, "reward")), "{csv}");
    assert!((128..=256).contains(&points(&csv, "loss")), "{csv}");
}

/// Scores networks by a fixed measure. After `ends` scores it fails, as a run does that is ended
/// from outside.
fn score(ends: usize, made: &Cell<usize>) -> impl FnMut(&dyn Network) -> Result<f64> + '_ {
    move |net| {
        made.set(made.get() + 1);
        ensure!(made.get() <= ends, "ended from outside");
        // Not monotonic, so that the best weights are not simply the last.
        Ok(f64::from(weights(net).iter().sum::<f32>().sin()))
    }
}

/// The result of a fit: weights and curves, or why it ended.
type Left = Result<(Vec<f32>, String), String>;

fn left(fitted: Result<f64>, net: &dyn Network, csv: String) -> Left {
    fitted.map(|_| (weights(net), csv)).map_err(|error| format!("{error:#}"))
}

fn kept_dqn(root: &Path, (ends, made): (usize, &Cell<usize>), decisions: usize) -> Left {
    let [net, target] = dqn_networks(&mut Xoshiro256PlusPlus::seed_from_u64(5));
    let options = dqn_options(5, decisions);
    let kept = Checkpoints::new(root, (DecisionLayer::Strategic, 2), true).with_all(&options);
    let (bar, mut scored) = (ProgressBar::hidden(), score(ends, made));
    let mut monitor =
        Monitor::validating(&bar, |net: &StrategicNet| scored(net)).with_checkpoints(Some(kept));
    let fitted = dqn::fit([&net, &target], &mut Guess::new(5), &options, &mut monitor);
    left(fitted, &net, monitor.curves().to_csv())
}

fn kept_ppo(root: &Path, (ends, made): (usize, &Cell<usize>), decisions: usize) -> Left {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let net = TacticalNet::new(scaling(2), 3, &mut rng).unwrap();
    // Episodes of 8 decisions and rounds of 13, so that checkpoints lie in the middle of episodes.
    let mut worlds: Vec<Box<dyn Environment>> =
        (0..2).map(|number| Box::new(Guess::new(number)) as Box<dyn Environment>).collect();
    let options = ppo::Options { horizon: 13, ..ppo_options(5, decisions) };
    let kept = Checkpoints::new(root, (DecisionLayer::Tactical, 2), true).with_all(&options);
    let (bar, mut scored) = (ProgressBar::hidden(), score(ends, made));
    let mut monitor =
        Monitor::validating(&bar, |net: &TacticalNet| scored(net)).with_checkpoints(Some(kept));
    let fitted = ppo::fit(&net, &mut worlds, &options, &mut monitor);
    left(fitted, &net, monitor.curves().to_csv())
}

#[test]
fn a_fit_that_was_ended_goes_on_to_the_same_weights_and_curves() {
    type Kept = fn(&Path, (usize, &Cell<usize>), usize) -> Left;
    for (name, fit, decisions) in
        [("dqn", kept_dqn as Kept, 700), ("ppo", kept_ppo as Kept, 13 * 2 * 30)]
    {
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let made = Cell::new(0);
        let expected = fit(whole.path(), (usize::MAX, &made), decisions).unwrap();
        let validations = made.replace(0);
        assert_eq!(validations, 21, "{name}");
        let ended = fit(parts.path(), (12, &made), decisions).unwrap_err();
        assert!(ended.contains("ended from outside"), "{name}: {ended}");
        made.set(0);
        let resumed = fit(parts.path(), (usize::MAX, &made), decisions).unwrap();
        assert!(resumed == expected, "{name}: the resumed fit is another one");
        // The twelve validations before the end are not repeated.
        assert_eq!(made.get(), validations - 12, "{name}");

        let refusal = fit(parts.path(), (usize::MAX, &made), decisions + 1).unwrap_err();
        let says = format!("decisions {decisions} instead of {}", decisions + 1);
        assert!(refusal.contains(&says), "{name}: {refusal}");
    }
}
