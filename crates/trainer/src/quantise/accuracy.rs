//! Compares two graphs on the same held-out windows.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context, Result, ensure};
use strata_policy::operational::{Encoder, LABELS, OUTPUT, Observation, UPPER};
use strata_runtime::{Batch, Model, RowStatus};
use strata_simulator::{FORECAST_VALUES, Scope, Scorer, Window, WindowOptions, World};

/// Rows of a batch: the most that a service gathers by default. The size matters, because the
/// inputs of quantised weights are scaled over all rows of a batch.
const ROWS: usize = 64;

/// A selection of windows, and what else is in their batches.
pub(super) struct Set {
    name: &'static str,
    prefix: &'static str,
    skip_idle: bool,
    /// Each batch contains one extreme row, which is not scored.
    beside_extreme: bool,
}

/// The windows of the manifest's metrics, and the worst effect that a row of another caller can
/// have on a row of the same batch.
pub(super) const SETS: [Set; 3] = [
    Set { name: "busy windows", prefix: "", skip_idle: true, beside_extreme: false },
    Set { name: "all windows", prefix: "all_", skip_idle: false, beside_extreme: false },
    Set {
        name: "busy windows beside an extreme row",
        prefix: "beside_extreme_",
        skip_idle: true,
        beside_extreme: true,
    },
];

/// The accuracy of a graph for request rate (1/s), memory use and CPU use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Root of the mean squared error.
    pub rmse: [f64; FORECAST_VALUES],
    /// Coefficient of determination within functions.
    pub r2: [f64; FORECAST_VALUES],
    /// Share of windows whose truth exceeds the bound, if the model has one.
    pub exceeded: Option<[f64; FORECAST_VALUES]>,
}

/// The original and the variant on the same windows.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The selection of windows, in words.
    pub name: &'static str,
    /// Prefix of its metrics' names.
    pub prefix: &'static str,
    /// Windows compared.
    pub windows: usize,
    /// Figures of the original and of the variant.
    pub figures: [Figures; 2],
    /// The largest difference between the two in a forecast or a bound, in the units of the output.
    pub difference: [f64; FORECAST_VALUES],
}

impl Comparison {
    /// The metrics for the manifest.
    pub(super) fn metrics(&self) -> BTreeMap<String, f64> {
        let mut metrics = BTreeMap::new();
        let prefix = self.prefix;
        metrics.insert(format!("{prefix}windows"), self.windows as f64);
        for (index, label) in LABELS.iter().enumerate() {
            for (graph, figures) in ["fp32", "int8"].iter().zip(&self.figures) {
                let Figures { rmse, r2, exceeded } = figures;
                let mut put = |what: &str, value: f64| {
                    metrics.insert(format!("{prefix}{graph}_{what}_{label}"), value);
                };
                put("rmse", rmse[index]);
                put("r2", r2[index]);
                if let Some(shares) = exceeded {
                    put("upper_exceeded", shares[index]);
                }
            }
            let name = format!("{prefix}largest_difference_{label}");
            metrics.insert(name, self.difference[index]);
        }
        metrics
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [fp32, int8] = &self.figures;
        writeln!(f, "{} {}, fp32 -> int8:", self.windows, self.name)?;
        for (index, label) in LABELS.iter().enumerate() {
            let [before, after] = [fp32, int8].map(|figures| figures.rmse[index]);
            let growth = 100.0 * (after / before - 1.0);
            write!(f, "  {label}: RMSE {before:.5} -> {after:.5} ({growth:+.3} %), ")?;
            write!(f, "R2 {:.4} -> {:.4}, ", fp32.r2[index], int8.r2[index])?;
            if let (Some(before), Some(after)) = (fp32.exceeded, int8.exceeded) {
                let [before, after] = [before, after].map(|shares| 100.0 * shares[index]);
                write!(f, "above the bound {before:.2} % -> {after:.2} %, ")?;
            }
            writeln!(f, "largest difference {:.4}", self.difference[index])?;
        }
        Ok(())
    }
}

/// The graphs, and the windows that they are compared on.
pub(super) struct Comparer<'a> {
    pub(super) models: [&'a Model; 2],
    pub(super) world: &'a World,
    pub(super) scope: Scope,
    /// One step of the greatest values that a service feeds.
    pub(super) extreme: &'a [f32],
}

/// The score of one graph so far.
#[derive(Default)]
struct Tally {
    scorer: Scorer,
    exceeded: [usize; FORECAST_VALUES],
}

impl Tally {
    fn add(&mut self, windows: &[Window], forecasts: &Forecasts) -> Result<()> {
        for (index, window) in windows.iter().enumerate() {
            let forecast = forecasts.points.get(index).context("a row has no forecast")?;
            self.scorer.add(window, *forecast);
            let upper = forecasts.upper.as_ref().and_then(|upper| upper.get(index));
            for (output, upper) in upper.into_iter().flatten().enumerate() {
                self.exceeded[output] += usize::from(window.y[output] > *upper);
            }
        }
        Ok(())
    }

    fn figures(&self, windows: usize, bounded: bool) -> Result<Figures> {
        let score = self.scorer.score().context("there is no held-out window to compare with")?;
        let share = |count: usize| count as f64 / windows.max(1) as f64;
        let exceeded = bounded.then(|| self.exceeded.map(share));
        Ok(Figures { rmse: score.rmse, r2: score.r2, exceeded })
    }
}

impl Comparer<'_> {
    /// Runs the windows of a set through both graphs.
    ///
    /// # Errors
    /// When there is no window, or a graph cannot run one.
    pub(super) fn compare(&self, set: &Set) -> Result<Comparison> {
        let input = self.models[0].manifest().inputs.first().context("the model has no input")?;
        let names: Vec<_> = input.features.iter().map(|feature| feature.name.as_str()).collect();
        let encoder = Encoder::of_names(&names)?;
        let extreme = self.extreme.repeat(input.shape.row_len() / self.extreme.len().max(1));
        let options = WindowOptions { skip_idle: set.skip_idle, ..WindowOptions::default() };
        let mut windows = self.world.windows(self.scope, options);
        let room = if set.beside_extreme { ROWS - 1 } else { ROWS };
        let mut tallies = [Tally::default(), Tally::default()];
        let (mut difference, mut count, mut bounded) = ([0f64; FORECAST_VALUES], 0, false);
        loop {
            let batch: Vec<Window> = windows.by_ref().take(room).collect();
            if batch.is_empty() {
                break;
            }
            let mut rows = encode(&encoder, &batch);
            if set.beside_extreme {
                rows.extend(&extreme);
            }
            let [fp32, int8] = self.models.map(|model| Forecasts::run(model, &rows));
            let both = [fp32?, int8?];
            for (tally, forecasts) in tallies.iter_mut().zip(&both) {
                tally.add(&batch, forecasts)?;
            }
            both[0].differ(&both[1], batch.len(), &mut difference);
            bounded = both[0].upper.is_some();
            count += batch.len();
        }
        let [fp32, int8] = tallies.map(|tally| tally.figures(count, bounded));
        let (name, prefix) = (set.name, set.prefix);
        Ok(Comparison { name, prefix, windows: count, figures: [fp32?, int8?], difference })
    }
}

fn encode(encoder: &Encoder, windows: &[Window]) -> Vec<f32> {
    let mut rows = Vec::new();
    for window in windows {
        let steps = window.steps();
        let observation = Observation {
            window: &steps,
            calls: window.calls,
            keep_alive_minutes: window.keep_alive_minutes,
        };
        encoder.encode(&observation, &mut rows);
    }
    rows
}

/// The outputs of a graph for the rows of a batch, in the order of the labels.
struct Forecasts {
    points: Vec<[f32; FORECAST_VALUES]>,
    upper: Option<Vec<[f32; FORECAST_VALUES]>>,
}

impl Forecasts {
    fn run(model: &Model, rows: &[f32]) -> Result<Self> {
        let inputs = model.manifest().inputs.iter().map(|input| input.shape.row_len());
        let count = rows.len() / inputs.sum::<usize>().max(1);
        let batch = Batch { rows: count, inputs: vec![rows.to_vec()], ..Batch::default() };
        let inference = model.infer_blocking(batch).context("the graph cannot run")?;
        ensure!(
            inference.rows.iter().all(|row| *row == RowStatus::Done),
            "an output of a held-out window is not finite"
        );
        let outputs = &inference.outputs;
        let points = named(model, OUTPUT, outputs)?.context("the model has no forecast")?;
        Ok(Self { points, upper: named(model, UPPER, outputs)? })
    }

    /// Raises `difference` to the largest difference from another graph over the first `rows` rows.
    fn differ(&self, other: &Self, rows: usize, difference: &mut [f64; FORECAST_VALUES]) {
        let pairs = |a: &[[f32; FORECAST_VALUES]],
                     b: &[[f32; FORECAST_VALUES]],
                     difference: &mut [f64; FORECAST_VALUES]| {
            for (a, b) in a.iter().zip(b).take(rows) {
                for (output, most) in difference.iter_mut().enumerate() {
                    *most = most.max((f64::from(a[output]) - f64::from(b[output])).abs());
                }
            }
        };
        pairs(&self.points, &other.points, difference);
        if let (Some(a), Some(b)) = (&self.upper, &other.upper) {
            pairs(a, b, difference);
        }
    }
}

/// The rows of output `name` in the order of the labels; `None` when the model has no such output.
fn named(
    model: &Model,
    name: &str,
    outputs: &[Vec<f32>],
) -> Result<Option<Vec<[f32; FORECAST_VALUES]>>> {
    let described = &model.manifest().outputs;
    let Some(index) = described.iter().position(|output| output.name == name) else {
        return Ok(None);
    };
    let labels = &described[index].labels;
    let mut positions = [0; FORECAST_VALUES];
    for (position, label) in positions.iter_mut().zip(LABELS) {
        let found = labels.iter().position(|known| known == label);
        *position = found.with_context(|| format!("output `{name}` has no {label}"))?;
    }
    let values = outputs.get(index).context("the graph gave too few outputs")?;
    let rows = values.chunks_exact(labels.len()).map(|row| positions.map(|position| row[position]));
    Ok(Some(rows.collect()))
}
