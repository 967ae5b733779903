//! The operational network of version 2: what it learns, what it cannot do, and its parity with
//! ONNX Runtime.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::BTreeMap, num::NonZeroUsize};

use indicatif::ProgressBar;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_policy::operational::{EXTENDED_FEATURES, Encoder, LABELS};
use strata_runtime::{Data, OnnxRuntime};
use strata_trainer::{
    contract::DecisionLayer,
    fit::{
        Monitor, Schedule,
        bound::{self, Calibration},
        gated::{self, Example, Options},
    },
    nets::{self, Columns, Correction, GatedNet, Network},
    publish::{Description, publish, verify},
    scaling::{Column, Scaling, Transform},
};

const STEPS: usize = 12;
const FEATURES: usize = EXTENDED_FEATURES.len();
/// Greatest rate in the training examples.
const MOST: f32 = 10.0;

fn position(name: &str) -> usize {
    EXTENDED_FEATURES.iter().position(|known| *known == name).unwrap()
}

fn columns() -> Columns {
    let of = |prefix: &str| LABELS.map(|label| position(&format!("{prefix}{label}"))).to_vec();
    Columns {
        observed: of(""),
        busy: of("busy_"),
        expected: of("expected_"),
        floor: vec![0.05, 0.02, 0.02],
    }
}

fn network(seed: u64) -> GatedNet {
    let rate = Column::between(Transform::Log1p { gain: 1.0 }, 0.0, MOST);
    let scaling = Scaling::new(vec![rate; FEATURES]).unwrap();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    GatedNet::new(scaling, STEPS, &columns(), &mut rng).unwrap()
}

/// A window in which `rate` and the memory were always the same.
fn row(rate: f32, memory: f32) -> Vec<f32> {
    let mut step = [0.0; FEATURES];
    for prefix in ["", "busy_", "expected_"] {
        step[position(&format!("{prefix}request_rate"))] = rate;
        step[position(&format!("{prefix}memory_util"))] = memory;
    }
    step.repeat(STEPS)
}

/// The next rate is the last one; memory grows by a random 0 to 0.2.
fn examples(count: usize, seed: u64) -> Vec<Example> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let example = |_| {
        let rate: f32 = rng.random_range(0.0..MOST);
        let more: f32 = rng.random_range(0.0..0.2);
        Example {
            row: row(rate, 0.4),
            truth: vec![rate, 0.4 + more, 0.0],
            weights: vec![0.1, 20.0, 1.0],
        }
    };
    (0..count).map(example).collect()
}

fn fitted(seed: u64, count: usize, level: f64) -> GatedNet {
    let mut net = network(seed);
    let batch = NonZeroUsize::new(32).unwrap();
    let schedule = Schedule { seed, epochs: 4, patience: 4, batch, learning_rate: 3e-3 };
    let options = Options { schedule, level };
    let (train, validation) = (examples(count, seed), examples(400, seed + 1));
    let calibration = examples(400, seed + 2);
    let bar = ProgressBar::hidden();
    gated::fit(&net, [&train, &validation], &options, &mut Monitor::progress_only(&bar)).unwrap();
    let most_excess = [f64::INFINITY; 3];
    let (busy, all) = (&calibration, &calibration);
    let calibration = Calibration { busy, busier: busy, all, level, most_excess: &most_excess };
    bound::calibrate(&mut net, calibration).unwrap();
    net
}

#[test]
fn the_bound_holds_as_often_as_was_asked_for() {
    let held_out = examples(1000, 99);
    let share_below = |level: f64| {
        let outputs = gated::outputs(&fitted(3, 640, level), &held_out).unwrap();
        let pairs = held_out.iter().zip(&outputs[1]);
        let held = pairs.filter(|(example, upper)| example.truth[1] <= upper[1]).count();
        held as f64 / held_out.len() as f64
    };
    let (most, some) = (share_below(0.95), share_below(0.8));
    assert!((0.93..=0.97).contains(&most), "{most}");
    assert!((0.74..=0.86).contains(&some), "{some}");
}

#[test]
fn a_bound_too_far_above_holds_less_often_but_on_that_share_of_all_windows() {
    let mut net = fitted(3, 640, 0.95);
    let (level, busy) = (0.9, examples(400, 11));
    // Idle windows: the next step is zero, whatever came before.
    let idle = examples(1600, 12).into_iter().map(|e| Example { truth: vec![0.0; 3], ..e });
    let all: Vec<Example> = busy.iter().cloned().chain(idle).collect();
    let mut held = |most: f64| {
        let most_excess = [f64::INFINITY, most, f64::INFINITY];
        let [busy, all] = [&busy, &all];
        let calibration = Calibration { busy, busier: busy, all, level, most_excess: &most_excess };
        bound::calibrate(&mut net, calibration).unwrap();
        let upper = gated::outputs(&net, all).unwrap().swap_remove(1);
        let above: Vec<f32> = all.iter().zip(&upper).map(|(e, u)| u[1] - e.truth[1]).collect();
        let share = |above: &[f32]| {
            above.iter().filter(|above| **above >= 0.0).count() as f64 / above.len() as f64
        };
        let kept: Vec<f64> = above.iter().filter(|a| **a >= 0.0).map(|a| f64::from(*a)).collect();
        (share(&above[..400]), share(&above), kept.iter().sum::<f64>() / kept.len() as f64)
    };
    let (free, little, none) = (held(1.0), held(0.45), held(0.0));
    assert!((0.9..0.92).contains(&free.0), "{free:?}");
    assert!(little.2 <= 0.45 && little.2 > 0.44 && little.0 < free.0, "{little:?} {free:?}");
    assert!(none.1 >= 0.9 && none.2 < little.2, "{none:?} {little:?}");
}

#[test]
fn headroom_is_multiplied_before_the_constant_and_never_below_zero() {
    let mut net = network(5);
    let windows = examples(40, 6);
    let outputs = |net: &GatedNet| -> Vec<[f32; 2]> {
        let both = gated::outputs(net, &windows).unwrap();
        both[0].iter().zip(&both[1]).map(|(forecast, upper)| [forecast[1], upper[1]]).collect()
    };
    let mut with = |factor, constant| {
        net.set_correction(vec![Correction { factor, constant }; 3]).unwrap();
        outputs(&net)
    };
    let (flat, raised) = (with(0.0, 0.5), with(0.0, 1.0));
    let (one, two) = (with(1.0, 3.0), with(2.0, 3.0));
    for row in 0..windows.len() {
        let above = |outputs: &[[f32; 2]]| outputs[row][1] - outputs[row][0];
        // Without its headroom a bound is the constant times the scale.
        let scale = above(&raised);
        assert!((above(&flat) - 0.5 * scale).abs() < 1e-5);
        let headroom = above(&one) - 3.0 * scale;
        assert!(headroom.abs() > 1e-4 && (above(&two) - above(&one) - headroom).abs() < 1e-5);
    }
    assert!(with(1.0, -1e3).iter().all(|[forecast, upper]| forecast == upper));
    let refused = |corrections: Vec<Correction>| network(5).set_correction(corrections).is_err();
    assert!(refused(vec![Correction::NONE; 2]));
    assert!(refused(vec![Correction { factor: -1.0, constant: 0.0 }; 3]));
}

#[test]
fn a_rate_beyond_all_that_was_learnt_is_followed_and_never_overshot() {
    let net = fitted(3, 640, 0.95);
    let far = Example { row: row(5000.0, 0.4), truth: vec![0.0; 3], weights: vec![0.0; 3] };
    let outputs = gated::outputs(&net, &[far]).unwrap();
    let (forecast, upper) = (&outputs[0][0], &outputs[1][0]);
    assert!((4000.0..=5000.1).contains(&forecast[0]), "{forecast:?}");
    assert!(upper[0] >= forecast[0] && upper[0].is_finite(), "{upper:?}");
}

#[test]
fn it_is_published_with_its_bound_and_read_back_as_itself() {
    let runtime = OnnxRuntime::load(None).unwrap();
    let models = tempfile::tempdir().unwrap();
    let mut network = network(7);
    let corrections = [(0.5, 0.25), (1.0, 0.5), (2.0, -0.125)];
    let corrections = corrections.map(|(factor, constant)| Correction { factor, constant });
    network.set_correction(corrections.to_vec()).unwrap();
    let encoder = Encoder::of_names(&EXTENDED_FEATURES).unwrap();
    let (_, upper) = DecisionLayer::Operational.optional_output().unwrap();
    let description = Description {
        version: 2,
        features: encoder.features().map(|f| (f.0.to_owned(), f.1.to_owned())).collect(),
        labels: [DecisionLayer::Operational.labels(), vec![upper]].concat(),
        data: Data { trace: "none".to_owned(), splits: "none".to_owned(), seed: None },
        training: BTreeMap::new(),
        metrics: BTreeMap::new(),
        curves: None,
    };
    let (_, parity) = publish(models.path(), &network, &description, &runtime).unwrap();
    assert!(parity.worst() <= 1e-5, "{parity:?}");
    assert_eq!(verify(models.path(), &runtime).unwrap().len(), 1);
    let forced = |network: &GatedNet, training: BTreeMap<_, _>| {
        let description = Description { training, ..description.clone() };
        let (directory, _) = publish(models.path(), network, &description, &runtime).unwrap();
        std::fs::read_to_string(directory.join("manifest.yaml")).unwrap().contains("forced: true")
    };
    assert!(forced(&network, BTreeMap::from([("forced".to_owned(), true.into())])));
    assert!(forced(&network, BTreeMap::new()), "the same graph, made again, is no longer forced");
    network.set_correction(vec![Correction::NONE; 3]).unwrap();
    assert!(!forced(&network, BTreeMap::new()), "another graph was not forced");
    let bytes = network.to_onnx().unwrap();
    assert_eq!(nets::from_onnx(&bytes).unwrap().to_onnx().unwrap(), bytes);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let bytes = |seed| fitted(seed, 64, 0.9).to_onnx().unwrap();
    assert_eq!(bytes(5), bytes(5));
    assert_ne!(bytes(5), bytes(6));
}
