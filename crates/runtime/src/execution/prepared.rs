//! A model whose slow part is done: opened, checked and warmed up.

use std::sync::{Arc, Mutex};

use super::{
    batcher::{Batcher, RunBatch, RunSize},
    layout::RowLayout,
    model::{Model, Shared},
    options::ModelOptions,
    owner::{Owners, SharedBatcher},
    provider::ExecutionProvider,
    queue::Queue,
    runs::RunCounters,
    session,
    start_error::StartError,
};
use crate::{
    library::OnnxRuntime,
    repository::{Manifest, ModelFiles},
};

/// Positions of each row in the warm-up of a model with an axis, beside one. Few, because a graph
/// may need time and memory that grow with their square.
const WARM_UP_EXTENT: usize = 16;

/// A model without its threads.
///
/// Threads inherit the priority of the thread that starts them. A model is prepared and started in
/// two steps so that a thread of low priority can prepare it and another one can start it.
pub struct Prepared {
    manifest: Manifest,
    provider: ExecutionProvider,
    layout: Arc<RowLayout>,
    runs: Arc<RunCounters>,
    batchers: Vec<Arc<SharedBatcher>>,
    options: ModelOptions,
}

impl Model {
    /// Opens the sessions, compares the graph with the manifest, warms up and starts the threads.
    /// It blocks for as long as that takes (milliseconds for a small model).
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub fn start(
        runtime: &OnnxRuntime,
        files: ModelFiles,
        options: &ModelOptions,
    ) -> Result<Model, StartError> {
        Prepared::open(runtime, files, options)?.start()
    }
}

impl Prepared {
    /// Opens the sessions, compares the graph with the manifest and warms up. It blocks for as long
    /// as that takes (milliseconds for a small model).
    ///
    /// # Errors
    /// [`StartError`]; nothing is left open then.
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
        let layout = Arc::new(RowLayout::of(&manifest));
        let extent = layout.axis.map_or(1, |axis| axis.max.min(WARM_UP_EXTENT));
        let runs = Arc::new(RunCounters::new(options.max_batch));
        let mut batchers = Vec::with_capacity(runners.len());
        for runner in runners {
            let mut batcher = Batcher::new(runner, Arc::clone(&layout), Arc::clone(&runs));
            if options.warm_up {
                let largest = RunSize { rows: options.max_batch, extent };
                warm_up(&mut batcher, largest).map_err(|(rows, reason)| StartError::WarmUp {
                    model: manifest.name.clone(),
                    rows,
                    reason,
                })?;
            }
            batchers.push(Arc::new(Mutex::new(batcher)) as Arc<SharedBatcher>);
        }
        let options = options.clone();
        Ok(Self { manifest, provider, layout, runs, batchers, options })
    }

    /// Starts a thread for each session, which takes microseconds.
    ///
    /// # Errors
    /// [`StartError::Thread`] when the system has no thread left; those that were started end then.
    pub fn start(self) -> Result<Model, StartError> {
        let Self { manifest, provider, layout, runs, batchers, options } = self;
        let queue = Arc::new(Queue::new(&options, Arc::clone(&runs)));
        let owners = Owners::new(Arc::clone(&queue), options.nice);
        let name = manifest.name.clone();
        // Made before the threads: if one cannot be started, dropping it ends those that were.
        let shared = Shared {
            manifest,
            provider,
            layout,
            queue,
            runs,
            batchers: batchers.iter().map(Arc::downgrade).collect(),
            threads: owners.alive(),
        };
        for (index, batcher) in batchers.into_iter().enumerate() {
            owners.spawn(format!("{name}-{index}"), batcher).map_err(StartError::Thread)?;
        }
        Ok(Model::new(shared))
    }
}

/// Runs the batch sizes at which a graph allocates differently, on an axis with one position and
/// with several. An error holds the number of rows that failed.
fn warm_up<R: RunBatch>(batcher: &mut Batcher<R>, largest: RunSize) -> Result<(), (usize, String)> {
    for rows in [1, 2, largest.rows].into_iter().filter(|rows| *rows <= largest.rows) {
        batcher.try_ones(RunSize { rows, extent: 1 }).map_err(|reason| (rows, reason))?;
        if largest.extent > 1 {
            let size = RunSize { rows, extent: largest.extent };
            let on_axis = |reason| format!("with {} positions a row, {reason}", size.extent);
            batcher.try_ones(size).map_err(|reason| (rows, on_axis(reason)))?;
        }
    }
    Ok(())
}
