//! Trains version 2 of the operational layer: more features, and a bound beside the forecast.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_policy::operational::{
    CallHistory, EXTENDED_FEATURES, Encoder, LABELS, Observation, WINDOW_STEPS,
};
use strata_simulator::{Scope, Window, WindowOptions, World, last_value};

use super::{
    operational::{self, OperationalOptions},
    progress,
    run::{Run, named},
};
use crate::{
    contract::Layer,
    fit::{
        Watch,
        bound::{self, Calibration},
        gated::{self, Example},
    },
    gate::{Candidate, Gate},
    nets::{self, Columns, Correction, GatedNet},
    publish::{Description, publish},
    report::ForecastTable,
    scaling::{Column, Scaling, Transform},
};

/// Worlds that windows are drawn from: the same calls by functions of other providers and sizes.
const WORLDS: usize = 8;
/// One of so many training windows is drawn from all there are, idle ones included.
const ANY_WINDOW: usize = 2;
/// Steps between the windows from which those are drawn; odd, so that every quarter of a minute is seen.
const IDLE_STRIDE: usize = 21;
/// Steps between the windows with a call.
const STRIDE: usize = 3;
/// So many of a hundred training windows come with run times but without a history of calls, as from a caller that keeps none.
const WITHOUT_HISTORY: u32 = 10;
/// How much of what twice the last value has for nothing the bound may have, on validation: less than all of it, because other functions differ.
const SHARE_OF_TWICE_LAST: f64 = 0.9;
/// What request rate (1/s), memory and CPU use are at least taken to vary by.
const FLOORS: [f32; 3] = [0.05, 0.02, 0.02];
/// Added to the variance of each value in a function's training windows, so that functions that hardly vary do not count without bound.
const VARIANCE_FLOORS: [f64; 3] = [2e-4, 1e-3, 7e-4];
/// The power of the variance that weights are one over. Errors of all functions count alike with 1; below, functions whose value varies much
/// count more: the rate's errors are judged over all functions together, too.
const VARIANCE_POWERS: [f64; 3] = [0.75, 1.0, 1.0];
/// One of so many training windows is drawn from worlds in which functions are called more often.
const BUSIER_WINDOW: usize = 2;
/// So many times more often at most.
const MOST_TIMES: u32 = 256;

/// Trains and publishes; returns the scores as [`super::operational`] does.
pub(super) fn train(run: &Run, options: &OperationalOptions) -> Result<[ForecastTable; 2]> {
    let seed = run.options.seed;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let encoder = Encoder::of_names(&EXTENDED_FEATURES)?;
    let train = draw(run, options.windows(), &mut rng);
    let train: Vec<Example> = train.iter().flat_map(|alike| examples(&encoder, alike)).collect();
    let validation = windows(&run.world, Scope::validation(), STRIDE, false);
    let validation = examples(&encoder, &validation);
    let mut net = GatedNet::new(scaling(&encoder, &train)?, WINDOW_STEPS, &columns()?, &mut rng)?;
    let settings = gated::Options { schedule: options.schedule(seed), level: options.bound_level };
    let bar = progress::bar("operational")?;
    let checkpoints = run.checkpoints((Layer::Operational, super::EXTENDED), &net, &settings)?;
    let mut watch =
        Watch::showing(&bar).kept(checkpoints.map(|kept| kept.with("windows", options.windows())));
    let fitted = gated::fit(&net, [&train, &validation], &settings, &mut watch)?;
    calibrate(run, &encoder, &mut net, options.bound_level)?;
    let mut bounds = Vec::new();
    let tables = [("busy", true), ("all", false)].map(|(name, skip_idle)| {
        let windows = windows(&run.world, run.judged_on(), 1, skip_idle);
        let outputs = gated::outputs(&net, &examples(&encoder, &windows))?;
        let [points, upper] = <[_; 2]>::try_from(outputs)
            .map_err(|outputs| anyhow::anyhow!("{} outputs instead of 2", outputs.len()))?;
        bounds.push(under_rates(&windows, &upper));
        operational::score(name, points, &windows)
    });
    let [busy, all] = tables;
    let tables = [busy?, all?];
    let mut gate = Gate::default();
    for table in &tables {
        gate.require(table.ensure_beats("moving average"));
    }
    let candidate = Candidate {
        layer: Layer::Operational,
        version: super::EXTENDED,
        figure: "mean R2 of the three values over all windows",
        value: tables[1].mean_r2("strata")?,
    };
    gate.compare(&run.options.models, candidate, |before| {
        let net = nets::from_onnx(before.graph())?;
        let encoder = Encoder::of_names(&before.features())?;
        let windows = windows(&run.world, run.judged_on(), 1, false);
        let outputs = gated::outputs(net.as_ref(), &examples(&encoder, &windows))?;
        let points = outputs.into_iter().next().context("the network has no output")?;
        operational::score("all", points, &windows)?.mean_r2("strata")
    });
    let mut metrics = operational::metrics(&tables);
    for (which, rates) in ["", "all_"].iter().zip(bounds) {
        for (label, rate) in LABELS.iter().zip(rates) {
            metrics.insert(format!("{which}upper_exceeded_{label}"), rate);
        }
    }
    let (_, upper) =
        Layer::Operational.optional_output().context("the bound is in the contract")?;
    let mut labels = Layer::Operational.labels();
    labels.push(upper);
    let mut training = BTreeMap::from([
        ("windows".to_owned(), (train.len() as i64).into()),
        ("most_times_busier".to_owned(), i64::from(MOST_TIMES).into()),
        ("epochs".to_owned(), (fitted.validation.len() as i64).into()),
        ("best_epoch".to_owned(), (fitted.best as i64 + 1).into()),
        ("batch".to_owned(), (settings.schedule.batch.get() as i64).into()),
        ("learning_rate".to_owned(), settings.schedule.learning_rate.into()),
        ("optimiser".to_owned(), "Adam, cosine decay to a twentieth".into()),
        (
            "loss".to_owned(),
            "squared error over the function's variance, of the rate over its power 0.75; quantile loss for the bound".into(),
        ),
        ("bound_level".to_owned(), settings.level.into()),
    ]);
    for (label, correction) in LABELS.iter().zip(net.correction()) {
        let Correction { factor, constant } = *correction;
        training.insert(format!("bound_factor_{label}"), f64::from(factor).into());
        training.insert(format!("bound_constant_{label}"), f64::from(constant).into());
    }
    let mut description = Description {
        version: super::EXTENDED,
        features: named(encoder.features()),
        labels,
        data: run.data(),
        training,
        metrics,
        curves: Some(watch.curves().clone()),
    };
    gate.pass(run.options.force, &mut description.training)?;
    publish(&run.options.models, &net, &description, &run.runtime)?;
    Ok(tables)
}

/// Corrects the bound by other windows of the validation scope than those that chose the weights.
fn calibrate(run: &Run, encoder: &Encoder, net: &mut GatedNet, level: f64) -> Result<()> {
    let of = |world: &World, skip_idle: bool| -> Vec<Window> {
        let options = WindowOptions { stride: STRIDE, offset: 1, skip_idle };
        world.windows(Scope::validation(), options).collect()
    };
    let (busy, all) = (of(&run.world, true), of(&run.world, false));
    let busier = of(&busier(&run.world, WORLDS as u64), true);
    let most_over = [0, 1, 2].map(|output| SHARE_OF_TWICE_LAST * over_of_twice_last(&all, output));
    let calibration = Calibration {
        busy: &examples(encoder, &busy),
        busier: &examples(encoder, &busier),
        all: &examples(encoder, &all),
        level,
        most_over: &most_over,
    };
    bound::calibrate(net, calibration)
}

/// The world with functions that are called more often.
fn busier(world: &World, variation: u64) -> World {
    World::new(world.trace().busier(variation, MOST_TIMES), world.options())
}

/// By how much twice the last value is above what came, in the mean over the windows where it is not below it.
fn over_of_twice_last(windows: &[Window], output: usize) -> f64 {
    let above = windows.iter().map(|w| f64::from(2.0 * last_value(w)[output] - w.y[output]));
    let above: Vec<f64> = above.filter(|above| *above >= 0.0).collect();
    above.iter().sum::<f64>() / above.len().max(1) as f64
}

/// Every `stride`-th window of a scope; without those that have no call if `skip_idle`.
pub(super) fn windows(world: &World, scope: Scope, stride: usize, skip_idle: bool) -> Vec<Window> {
    let options = WindowOptions { stride, skip_idle, ..WindowOptions::default() };
    world.windows(scope, options).collect()
}

/// `count` windows of training functions and hours, in groups within which a function is called alike.
fn draw(run: &Run, count: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<Vec<Window>> {
    let worlds: Vec<&World> = run.variations.iter().take(WORLDS).collect();
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
            // Run times a coordinator always knows.
            let CallHistory { run_seconds, long_run_seconds, .. } = window.calls;
            window.calls = CallHistory { run_seconds, long_run_seconds, ..CallHistory::default() };
        }
    }
    drawn
}

/// Count, sum and sum of squares of each value.
type Moments = [(f64, f64, f64); 3];

/// The rows of `windows`, weighed by the variance of each function's values among them, of the function on one provider: the worlds that windows
/// are drawn from put it on different ones.
fn examples(encoder: &Encoder, windows: &[Window]) -> Vec<Example> {
    let mut moments: BTreeMap<(usize, usize), Moments> = BTreeMap::new();
    for window in windows {
        let sums = moments.entry((window.function, window.provider.index())).or_default();
        for ((count, sum, squares), value) in sums.iter_mut().zip(window.y.map(f64::from)) {
            *count += 1.0;
            *sum += value;
            *squares += value * value;
        }
    }
    let weight = |function: (usize, usize), output: usize| {
        let variance = moments.get(&function).map_or(0.0, |sums| {
            let (count, sum, squares) = sums[output];
            (squares / count - (sum / count).powi(2)).max(0.0)
        });
        let (floor, power) = (VARIANCE_FLOORS[output], VARIANCE_POWERS[output]);
        // Where nothing varies the power makes no difference.
        (1.0 / (floor.powf(1.0 - power) * (variance + floor).powf(power))) as f32
    };
    let example = |window: &Window| {
        let steps = window.steps();
        let observation =
            Observation { window: &steps, calls: window.calls, provider: window.provider };
        let mut row = Vec::with_capacity(encoder.width());
        encoder.encode(&observation, &mut row);
        let weights =
            [0, 1, 2].map(|output| weight((window.function, window.provider.index()), output));
        Example { row, truth: window.y.to_vec(), weights: weights.to_vec() }
    };
    windows.iter().map(example).collect()
}

/// Shares and probabilities as they are; everything else on a logarithmic scale up to the greatest of the training windows.
fn scaling(encoder: &Encoder, train: &[Example]) -> Result<Scaling> {
    let width = encoder.features().count();
    let greatest = |index: usize| {
        let values = train.iter().flat_map(|e| e.row.iter().skip(index).step_by(width));
        values.copied().fold(1.0, f32::max)
    };
    let columns = encoder.features().enumerate().map(|(index, (_, unit, min, max))| {
        let (min, max) = (min as f32, max as f32);
        match unit {
            "1/s" => Column::between(Transform::Log1p { gain: 10.0 }, 0.0, greatest(index)),
            "s" if min >= 0.0 => {
                Column::between(Transform::Log1p { gain: 1.0 }, 0.0, greatest(index))
            }
            "1" if max > 10.0 => {
                Column::between(Transform::Log1p { gain: 1.0 }, 0.0, greatest(index))
            }
            _ => Column::between(Transform::Linear, min, max),
        }
    });
    Scaling::new(columns.collect())
}

fn columns() -> Result<Columns> {
    let position = |name: &str| {
        let found = EXTENDED_FEATURES.iter().position(|known| *known == name);
        found.with_context(|| format!("version 2 has no feature `{name}`"))
    };
    let of = |prefix: &str| -> Result<Vec<usize>> {
        LABELS.iter().map(|label| position(&format!("{prefix}{label}"))).collect()
    };
    Ok(Columns {
        observed: of("")?,
        busy: of("busy_")?,
        expected: of("expected_")?,
        floor: FLOORS.to_vec(),
    })
}

/// Share of windows whose truth is above the bound, for each output.
fn under_rates(windows: &[Window], bounds: &[Vec<f32>]) -> [f64; 3] {
    [0, 1, 2].map(|output| {
        let above = windows.iter().zip(bounds);
        let above = above.filter(|(window, upper)| window.y[output] > upper[output]);
        above.count() as f64 / windows.len().max(1) as f64
    })
}
