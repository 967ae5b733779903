//! A model whose slow part is done: opened, checked and warmed up.

use std::sync::{Arc, Mutex};
use std::thread;

use tokio::sync::watch;

use super::{Model, Presence, Shared};
use crate::batcher::{self, Batcher, RowLayout, RunBatch, SharedBatcher};
use crate::files::ModelFiles;
use crate::graph::Mismatch;
use crate::library::OnnxRuntime;
use crate::manifest::Manifest;
use crate::options::ModelOptions;
use crate::priority::step_back;
use crate::provider::ExecutionProvider;
use crate::queue::Queue;
use crate::runs::RunCounters;
use crate::session;

/// Why a model could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting is out of range.
    #[error("model options: {0}")]
    Options(String),
    /// The execution provider that was asked for cannot be had.
    #[error(
        "execution provider {provider} cannot be had: {reason}; use auto or cpu to run without"
    )]
    Provider {
        /// The one asked for.
        provider: ExecutionProvider,
        /// What ONNX Runtime said.
        reason: String,
    },
    /// ONNX Runtime refused the graph.
    #[error("ONNX Runtime cannot load the graph: {0}")]
    Session(String),
    /// The graph is not the one that the manifest describes.
    #[error("model `{model}`: {}", joined(mismatches))]
    Graph {
        /// The model's name.
        model: String,
        /// Every difference found.
        mismatches: Vec<Mismatch>,
    },
    /// The graph ran, but not as it should.
    #[error("model `{model}` failed its warm-up at batch size {rows}: {reason}")]
    WarmUp {
        /// The model's name.
        model: String,
        /// The batch size that failed.
        rows: usize,
        /// What went wrong.
        reason: String,
    },
    /// A thread could not be started.
    #[error("cannot start a thread for the model")]
    Thread(#[source] std::io::Error),
}

/// A model without its threads. They inherit the priority of the thread that starts them, which is not always to be that of the thread that
/// opens and warms up.
pub struct Prepared {
    manifest: Manifest,
    provider: ExecutionProvider,
    layout: RowLayout,
    runs: Arc<RunCounters>,
    batchers: Vec<Arc<SharedBatcher>>,
    options: ModelOptions,
}

impl Prepared {
    /// Opens the sessions, compares the graph with the manifest and warms up. It blocks for as long as that takes (milliseconds for a small
    /// model).
    ///
    /// # Errors
    /// [`StartError`]; nothing is left then.
    pub fn open(
        runtime: &OnnxRuntime,
        files: ModelFiles,
        options: &ModelOptions,
    ) -> Result<Self, StartError> {
        options.fault().map_or(Ok(()), |fault| Err(StartError::Options(fault)))?;
        let (sessions, provider) = session::open(runtime, &files, options)?;
        Self::warmed_up(files.into_manifest(), provider, sessions, options)
    }

    /// One batcher for each runner, after a warm-up.
    pub(super) fn warmed_up<R: RunBatch>(
        manifest: Manifest,
        provider: ExecutionProvider,
        runners: Vec<R>,
        options: &ModelOptions,
    ) -> Result<Self, StartError> {
        let layout = RowLayout {
            inputs: manifest.inputs.iter().map(|input| input.shape.row_len()).collect(),
            outputs: manifest.outputs.iter().map(|output| output.shape.row_len()).collect(),
        };
        let runs = Arc::new(RunCounters::new(options.max_batch));
        let mut batchers = Vec::with_capacity(runners.len());
        for runner in runners {
            let mut batcher = Batcher::new(runner, layout.clone(), Arc::clone(&runs));
            if options.warm_up {
                warm_up(&mut batcher, options.max_batch).map_err(|(rows, reason)| {
                    StartError::WarmUp { model: manifest.name.clone(), rows, reason }
                })?;
            }
            batchers.push(Arc::new(Mutex::new(batcher)) as Arc<SharedBatcher>);
        }
        let options = options.clone();
        Ok(Self { manifest, provider, layout, runs, batchers, options })
    }

    /// Starts a thread for each session; it hardly takes time.
    ///
    /// # Errors
    /// When the system has no thread left; those that were started end again.
    pub fn start(self) -> Result<Model, StartError> {
        let Self { manifest, provider, layout, runs, batchers, options } = self;
        let queue = Arc::new(Queue::new(&options, Arc::clone(&runs)));
        let (alive, threads) = watch::channel(0);
        let alive = Arc::new(alive);
        // Made before the threads: should one not start, dropping it ends those that did.
        let shared = Shared {
            manifest,
            provider,
            layout,
            queue: Arc::clone(&queue),
            runs,
            batchers: batchers.iter().map(Arc::downgrade).collect(),
            threads,
        };
        let nice = options.nice;
        for (index, batcher) in batchers.into_iter().enumerate() {
            let name = format!("{}-{index}", shared.manifest.name);
            let presence = Presence::enter(&queue, &alive);
            thread::Builder::new()
                .name(name)
                .spawn(move || {
                    // Before the presence ends: who waits for that wants the session gone, too.
                    let batcher = batcher;
                    step_back(nice);
                    batcher::serve(&*batcher, &presence.queue);
                })
                .map_err(StartError::Thread)?;
        }
        Ok(Model { shared: Arc::new(shared) })
    }
}

/// Runs the batch sizes at which a graph allocates differently; tells the size that failed.
fn warm_up<R: RunBatch>(batcher: &mut Batcher<R>, max_batch: usize) -> Result<(), (usize, String)> {
    for rows in [1, 2, max_batch] {
        if rows <= max_batch {
            batcher.try_ones(rows).map_err(|reason| (rows, reason))?;
        }
    }
    Ok(())
}

fn joined(mismatches: &[Mismatch]) -> String {
    mismatches.iter().map(Mismatch::to_string).collect::<Vec<_>>().join("; ")
}
