use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    batch::{InferError, Inference, RowStatus},
    queue::Job,
    runs::RunCounters,
};

/// Something that runs a graph on `rows` rows: a session, or a stand-in for one in a test.
pub(super) trait RunBatch: Send + 'static {
    /// Runs the graph. `inputs` are row-major in the manifest's order; `outputs` come empty and
    /// leave holding one row-major buffer each.
    fn run(
        &mut self,
        rows: usize,
        inputs: &[Vec<f32>],
        outputs: &mut [Vec<f32>],
    ) -> Result<(), String>;
}

/// Something that answers jobs: a [`Batcher`], whatever it runs.
pub(super) trait Answer: Send {
    /// Runs these jobs, answers each, and leaves `jobs` empty.
    fn answer(&mut self, jobs: &mut Vec<Job>);
}

/// Values per row of every input and output, in the manifest's order.
#[derive(Clone, Debug)]
pub(super) struct RowLayout {
    pub(super) inputs: Vec<usize>,
    pub(super) outputs: Vec<usize>,
}

/// Gathers the rows of several jobs, runs them together, and answers every job with its own rows.
/// Its buffers are used again for every run.
pub(super) struct Batcher<R> {
    runner: R,
    layout: RowLayout,
    runs: Arc<RunCounters>,
    inputs: Vec<Vec<f32>>,
    outputs: Vec<Vec<f32>>,
    /// Where each row of the current run came from, in order: job, row of the job.
    slots: Vec<(usize, usize)>,
}

impl<R: RunBatch> Batcher<R> {
    /// A batcher that counts its runs in `runs` and runs at most `runs.max_batch()` rows at once.
    pub(super) fn new(runner: R, layout: RowLayout, runs: Arc<RunCounters>) -> Batcher<R> {
        let inputs = vec![Vec::new(); layout.inputs.len()];
        let outputs = vec![Vec::new(); layout.outputs.len()];
        Batcher { runner, layout, runs, inputs, outputs, slots: Vec::new() }
    }

    /// Runs the graph on rows of ones, for the warm-up: every output must be finite.
    pub(super) fn try_ones(&mut self, rows: usize) -> Result<(), String> {
        for (buffer, width) in self.inputs.iter_mut().zip(&self.layout.inputs) {
            buffer.clear();
            buffer.resize(rows * width, 1.0);
        }
        self.run(rows)?;
        match self.outputs.iter().position(|output| !output.iter().all(|v| v.is_finite())) {
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
            next = self.gather(work, next, started);
            if self.slots.is_empty() {
                return Ok(());
            }
            self.run(self.slots.len())?;
            let time = started.elapsed();
            self.runs.add(self.slots.len(), time);
            self.scatter(work, started, time);
        }
    }

    /// Copies the next rows that are still worth running into the input buffers, from `next` (job,
    /// row) on. Returns where to continue.
    fn gather(&mut self, work: &[Work], next: (usize, usize), now: Instant) -> (usize, usize) {
        self.slots.clear();
        self.inputs.iter_mut().for_each(Vec::clear);
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
                    self.slots.push((index, row));
                    let buffers = self.inputs.iter_mut().zip(&entry.job.batch.inputs);
                    for ((buffer, input), width) in buffers.zip(&self.layout.inputs) {
                        buffer.extend_from_slice(&input[row * width..(row + 1) * width]);
                    }
                }
                row += 1;
            }
            (index, row) = (index + 1, 0);
        }
        (index, row)
    }

    /// One run on what the input buffers hold. A panic inside becomes an error.
    fn run(&mut self, rows: usize) -> Result<(), String> {
        self.outputs.iter_mut().for_each(Vec::clear);
        let (runner, inputs, outputs) = (&mut self.runner, &self.inputs, &mut self.outputs);
        // A panic leaves nothing half-done: every buffer is cleared before it is used again.
        catch_unwind(AssertUnwindSafe(|| runner.run(rows, inputs, outputs)))
            .unwrap_or_else(|_| Err("it panicked".to_owned()))?;
        for (index, (output, width)) in self.outputs.iter().zip(&self.layout.outputs).enumerate() {
            if output.len() != rows * width {
                return Err(format!(
                    "output {index} holds {} values for {rows} rows of {width}",
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
            let mut finite = true;
            let buffers = entry.result.outputs.iter_mut().zip(&self.outputs);
            for ((to, from), width) in buffers.zip(&self.layout.outputs) {
                let values = &from[slot * width..(slot + 1) * width];
                finite &= values.iter().all(|value| value.is_finite());
                to[row * width..(row + 1) * width].copy_from_slice(values);
            }
            entry.result.rows[row] = if finite { RowStatus::Done } else { RowStatus::NonFinite };
        }
    }
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
    fn new(job: Job, layout: &RowLayout) -> Work {
        let rows = job.batch.rows;
        let result = Inference {
            // NaN until a run writes values: a row that was not run cannot pass for a result.
            outputs: layout.outputs.iter().map(|width| vec![f32::NAN; rows * width]).collect(),
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
