//! The most that this machine can do: the three models one after the other in one process, without
//! a network, a queue or a copy.
//!
//! `chain MODELS SECONDS` takes the newest version of each model and prints figures as JSON: the
//! microseconds of one row through each model and through all three, and the rows a second through
//! all three in batches, on one thread and on two. The batch size is the best one on one thread.

#![allow(clippy::print_stdout)]

use std::{
    collections::BTreeMap,
    fmt::Display,
    hint::black_box,
    path::PathBuf,
    time::{Duration, Instant},
};

use ort::{
    environment::Environment,
    session::{Session, builder::GraphOptimizationLevel},
    value::TensorRef,
};
use strata_runtime::{ModelFiles, Repository};

const MODELS: [&str; 3] = ["strategic", "tactical", "operational"];
const BATCHES: [usize; 5] = [16, 32, 64, 128, 256];
/// The time is divided among the figures of single rows, the batch sizes and the final rates.
const PARTS: u32 = 10;

type Result<T> = std::result::Result<T, String>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let models = PathBuf::from(arguments.next().unwrap_or_else(|| "models".to_owned()));
    let seconds = arguments.next().map_or(Ok(2.0), |seconds| seconds.parse::<f64>());
    let part = Duration::try_from_secs_f64(seconds.map_err(text)?).map_err(text)? / PARTS;

    let library = std::env::var_os("STRATA_ORT_LIB");
    let library = library.map_or_else(|| PathBuf::from(".ort/libonnxruntime.so"), PathBuf::from);
    let environment = ort::init_from(library).map_err(text)?.build().map_err(text)?;
    let repository = Repository::open(models).map_err(text)?;
    let load = |name: &str| repository.load(name, None).map_err(text);
    let files =
        Models { environment, files: [load(MODELS[0])?, load(MODELS[1])?, load(MODELS[2])?] };

    let mut figures = BTreeMap::new();
    for (index, name) in MODELS.iter().enumerate() {
        let mut step = files.step(index, 1)?;
        figures.insert(format!("model_{name}_1row_us"), median_us(part, || step.run())?);
    }
    let mut chain = files.chain(1)?;
    figures.insert("chain_inprocess_1row_us".to_owned(), median_us(part, || chain.run())?);

    let (mut best, mut batch) = (0.0, 1);
    for size in BATCHES {
        let mut chain = files.chain(size)?;
        let rows = size as f64 * rate(part, || chain.run())?;
        if rows > best {
            (best, batch) = (rows, size);
        }
    }
    figures.insert("chain_inprocess_batch".to_owned(), batch as f64);
    for threads in [1, 2] {
        let rows = batch as f64 * on_threads(threads, part, || files.chain(batch))?;
        figures.insert(format!("chain_inprocess_{threads}t_rps"), rows);
    }
    println!("{}", json(&figures));
    Ok(())
}

/// A model with its input, which is the same for every run.
struct Step {
    session: Session,
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// The files of all three models, and the environment of their sessions.
struct Models {
    environment: Environment,
    files: [ModelFiles; 3],
}

impl Models {
    /// All three models, for batches of `rows` rows.
    fn chain(&self, rows: usize) -> Result<Chain> {
        (0..MODELS.len()).map(|index| self.step(index, rows)).collect::<Result<_>>().map(Chain)
    }

    fn step(&self, index: usize, rows: usize) -> Result<Step> {
        let files = &self.files[index];
        let session = self.session(files).map_err(text)?;
        let row = files.manifest().inputs[0].shape.row();
        let shape: Vec<usize> = std::iter::once(rows).chain(row.iter().copied()).collect();
        let count: usize = shape.iter().product();
        let values = (0..count).map(|index| (index * 37 % 100) as f32 / 100.0).collect();
        Ok(Step { session, shape, values })
    }

    /// As the services open theirs: one thread that does not spin.
    fn session(&self, files: &ModelFiles) -> ort::Result<Session> {
        Session::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_inter_op_spinning(false)?
            .commit_from_memory(files.graph())
    }
}

impl Step {
    fn run(&mut self) -> Result<()> {
        let input = TensorRef::from_array_view((self.shape.as_slice(), self.values.as_slice()));
        let input = input.map_err(text)?;
        black_box(self.session.run(ort::inputs![input]).map_err(text)?);
        Ok(())
    }
}

/// All three models, one after the other.
struct Chain(Vec<Step>);

impl Chain {
    fn run(&mut self) -> Result<()> {
        self.0.iter_mut().try_for_each(Step::run)
    }
}

/// How often a second `work` completes; the warm-up is not counted.
fn rate(time: Duration, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    for _ in 0..3 {
        work()?;
    }
    let started = Instant::now();
    let mut done = 0_u32;
    while started.elapsed() < time {
        work()?;
        done += 1;
    }
    Ok(f64::from(done) / started.elapsed().as_secs_f64())
}

/// The median time of `work` in microseconds; the warm-up is not counted.
fn median_us(time: Duration, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    for _ in 0..3 {
        work()?;
    }
    let until = Instant::now() + time;
    let mut times = Vec::new();
    while times.is_empty() || Instant::now() < until {
        let started = Instant::now();
        work()?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2].as_secs_f64() * 1e6)
}

/// How often a second all threads together complete a chain; each thread has its own.
fn on_threads(
    threads: usize,
    time: Duration,
    chain: impl Fn() -> Result<Chain> + Sync,
) -> Result<f64> {
    std::thread::scope(|scope| {
        let run = || {
            let mut chain = chain()?;
            rate(time, || chain.run())
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let rates = running
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a thread ended".to_owned())?);
        rates.sum()
    })
}

fn text(error: impl Display) -> String {
    error.to_string()
}

fn json(figures: &BTreeMap<String, f64>) -> String {
    let fields: Vec<_> = figures.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
    format!("{{{}}}", fields.join(", "))
}
