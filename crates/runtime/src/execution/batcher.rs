use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    batch::{InferError, Inference, RowSlices, RowStatus},
    layout::{RowLayout, RowStarts},
    queue::Job,
    runs::RunCounters,
};

/// Most positions in one run of a model with an axis, padding included; a row of any extent runs
/// alone. With 12 features per position, the largest input of a run then has 3 MiB.
pub(super) const MAX_RUN_POSITIONS: usize = 1 << 16;

/// The dimensions of a run that are not fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunSize {
    pub(super) rows: usize,
    /// Positions of every row on the axis, padding included; 1 for a model without an axis.
    pub(super) extent: usize,
}

/// Something that runs a graph: a session, or a stand-in for one in a test.
pub(super) trait RunBatch: Send + 'static {
    /// Runs the graph. `inputs` are row-major in the manifest's order; `outputs` come empty and
    /// leave holding one row-major buffer each.
    fn run(
        &mut self,
        size: RunSize,
        inputs: &[Vec<f32>],
        outputs: &mut [Vec<f32>],
    ) -> Result<(), String>;
}

/// Something that answers jobs: a [`Batcher`], whatever it runs.
pub(super) trait Answer: Send {
    /// Runs these jobs, answers each, and leaves `jobs` empty.
    fn answer(&mut self, jobs: &mut Vec<Job>);
}

/// Gathers the rows of several jobs, runs them together, and answers every job with its own rows.
/// Its buffers are used again for every run.
pub(super) struct Batcher<R> {
    runner: R,
    layout: Arc<RowLayout>,
    runs: Arc<RunCounters>,
    inputs: Vec<Vec<f32>>,
    outputs: Vec<Vec<f32>>,
    /// Where each row of the current run came from, in order: job, row of the job.
    slots: Vec<(usize, usize)>,
    /// The largest extent of the rows of the current run, and the sum of all.
    extent: usize,
    positions: usize,
}

impl<R: RunBatch> Batcher<R> {
    /// A batcher that counts its runs in `runs` and runs at most `runs.max_batch()` rows at once.
    pub(super) fn new(runner: R, layout: Arc<RowLayout>, runs: Arc<RunCounters>) -> Batcher<R> {
        let inputs = vec![Vec::new(); layout.inputs.len()];
        let outputs = vec![Vec::new(); layout.outputs.len()];
        let slots = Vec::new();
        Batcher { runner, layout, runs, inputs, outputs, slots, extent: 1, positions: 0 }
    }

    /// Runs the graph on rows of ones, for the warm-up: every output must be finite.
    pub(super) fn try_ones(&mut self, size: RunSize) -> Result<(), String> {
        for (buffer, width) in self.inputs.iter_mut().zip(&self.layout.inputs) {
            buffer.clear();
            buffer.resize(size.rows * width.of_row(size.extent), 1.0);
        }
        self.run(size)?;
        match self.outputs.iter().position(|output| !all_finite(output)) {
            Some(index) => Err(format!("output {index} of a row of ones is not finite")),
            None => Ok(()),
        }
    }

    fn answer_all(&mut self, jobs: impl Iterator<Item = Job>) {
        let mut work: Vec<Work> = jobs.map(|job| Work::new(job, &self.layout)).collect();
        if let Err(failure) = self.run_all(&mut work) {
            if work.len() == 1 {
                work.iter_mut().for_each(|only| only.failure = Some(failure.clone()));
            } else {
                // The rows of one job may have failed the run for all: each job runs alone, once.
                for alone in &mut work {
                    alone.failure = self.run_all(std::slice::from_mut(alone)).err();
                }
            }
        }
        work.into_iter().for_each(Work::finish);
    }

    /// Runs all rows of all jobs, at most `max_batch` at a time.
    fn run_all(&mut self, work: &mut [Work]) -> Result<(), String> {
        let mut next = (0, 0);
        loop {
            let started = Instant::now();
            next = self.choose(work, next, started);
            if self.slots.is_empty() {
                return Ok(());
            }
            self.gather(work);
            self.run(RunSize { rows: self.slots.len(), extent: self.extent })?;
            let time = started.elapsed();
            self.runs.add(self.slots.len(), self.positions, time);
            self.scatter(work, started, time);
        }
    }

    /// Chooses the next rows that are still worth running, from `next` (job, row) on. Returns where
    /// to continue.
    fn choose(&mut self, work: &[Work], next: (usize, usize), now: Instant) -> (usize, usize) {
        self.slots.clear();
        (self.extent, self.positions) = (1, 0);
        let (mut index, mut row) = next;
        while let Some(entry) = work.get(index) {
            if entry.job.answer.is_closed() {
                (index, row) = (index + 1, 0);
                continue;
            }
            while row < entry.job.batch.rows {
                if self.slots.len() == self.runs.max_batch() {
                    return (index, row);
                }
                if !entry.expired(row, now) {
                    let own = entry.result.slices.starts.positions(row).len();
                    let extent = self.extent.max(own);
                    let rows = self.slots.len() + 1;
                    if rows > 1 && rows * extent > MAX_RUN_POSITIONS {
                        return (index, row);
                    }
                    self.slots.push((index, row));
                    (self.extent, self.positions) = (extent, self.positions + own);
                }
                row += 1;
            }
            (index, row) = (index + 1, 0);
        }
        (index, row)
    }

    /// Copies the chosen rows into the input buffers. On the axis, each is padded with zeros to the
    /// largest of them: a mask of zeros tells the graph what is padding.
    fn gather(&mut self, work: &[Work]) {
        self.inputs.iter_mut().for_each(Vec::clear);
        for (slot, &(index, row)) in self.slots.iter().enumerate() {
            let Work { job, result, .. } = &work[index];
            let buffers = self.inputs.iter_mut().zip(&job.batch.inputs);
            for ((buffer, input), width) in buffers.zip(&self.layout.inputs) {
                buffer.extend_from_slice(&input[width.of_one(row, &result.slices.starts)]);
                if width.on_axis {
                    buffer.resize((slot + 1) * width.of_row(self.extent), 0.0);
                }
            }
        }
    }

    /// One run on what the input buffers hold. A panic inside becomes an error.
    fn run(&mut self, size: RunSize) -> Result<(), String> {
        self.outputs.iter_mut().for_each(Vec::clear);
        let (runner, inputs, outputs) = (&mut self.runner, &self.inputs, &mut self.outputs);
        // A panic leaves nothing half-done: every buffer is cleared before it is used again.
        catch_unwind(AssertUnwindSafe(|| runner.run(size, inputs, outputs)))
            .unwrap_or_else(|_| Err("it panicked".to_owned()))?;
        for (index, (output, width)) in self.outputs.iter().zip(&self.layout.outputs).enumerate() {
            let (rows, each) = (size.rows, width.of_row(size.extent));
            if output.len() != rows * each {
                return Err(format!(
                    "output {index} holds {} values for {rows} rows of {each}",
                    output.len()
                ));
            }
        }
        Ok(())
    }

    /// Copies the outputs of the run back to the jobs that its rows came from.
    fn scatter(&self, work: &mut [Work], started: Instant, run: Duration) {
        let mut current = None;
        for (slot, &(index, row)) in self.slots.iter().enumerate() {
            let entry = &mut work[index];
            if current != Some(index) {
                current = Some(index);
                entry.result.run += run;
                if entry.result.batch_size == 0 {
                    entry.result.batch_size = self.slots.len();
                    entry.result.queue = started.saturating_duration_since(entry.job.enqueued);
                }
            }
            self.copy_back(entry, slot, row);
        }
    }

    /// Copies what the run gave for a slot to its row, without the padding.
    fn copy_back(&self, entry: &mut Work, slot: usize, row: usize) {
        let Work { job, result, .. } = entry;
        let starts = &result.slices.starts;
        let mask = self.layout.axis.map(|axis| &job.batch.inputs[axis.mask][starts.positions(row)]);
        let mut finite = true;
        let buffers = result.outputs.iter_mut().zip(&self.outputs);
        for ((to, from), width) in buffers.zip(&self.layout.outputs) {
            let to = &mut to[width.of_one(row, starts)];
            let start = slot * width.of_row(self.extent);
            to.copy_from_slice(&from[start..start + to.len()]);
            finite &= match mask.filter(|_| width.on_axis) {
                None => all_finite(to),
                Some(mask) => all_finite(to) || finite_where_unmasked(to, mask),
            };
        }
        result.rows[row] = if finite { RowStatus::Done } else { RowStatus::NonFinite };
    }
}

fn all_finite(values: &[f32]) -> bool {
    values.iter().all(|value| value.is_finite())
}

/// Whether the values are finite at the positions that the mask does not leave out.
fn finite_where_unmasked(values: &[f32], mask: &[f32]) -> bool {
    let width = values.len() / mask.len().max(1);
    let positions = values.chunks(width.max(1)).zip(mask);
    positions.filter(|(_, mask)| **mask != 0.0).all(|(position, _)| all_finite(position))
}

impl<R: RunBatch> Answer for Batcher<R> {
    fn answer(&mut self, jobs: &mut Vec<Job>) {
        self.answer_all(jobs.drain(..));
    }
}

/// A job being answered.
struct Work {
    job: Job,
    result: Inference,
    failure: Option<String>,
}

impl Work {
    fn new(job: Job, layout: &Arc<RowLayout>) -> Work {
        let rows = job.batch.rows;
        let starts = RowStarts::new(&job.batch.extents);
        let outputs = layout.outputs.iter().map(|width| width.of_all(rows, &starts));
        let result = Inference {
            // NaN until a run writes values: a row that was not run cannot pass for a result.
            outputs: outputs.map(|values| vec![f32::NAN; values]).collect(),
            slices: RowSlices { layout: Arc::clone(layout), starts },
            rows: vec![RowStatus::Expired; rows],
            queue: Duration::ZERO,
            run: Duration::ZERO,
            batch_size: 0,
        };
        Work { job, result, failure: None }
    }

    fn expired(&self, row: usize, now: Instant) -> bool {
        let deadline = self.job.batch.deadlines.get(row).copied().flatten();
        deadline.is_some_and(|deadline| deadline <= now)
    }

    fn finish(mut self) {
        if self.result.batch_size == 0 {
            self.result.queue = self.job.enqueued.elapsed();
        }
        let answer = match self.failure {
            Some(failure) => Err(InferError::Run(failure)),
            None => Ok(self.result),
        };
        // The caller may be gone.
        let _ = self.job.answer.send(answer);
    }
}
