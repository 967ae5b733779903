//! The handle and the owner thread. Instead of a session they have a runner whose runs wait until
//! the test ends them.

mod axis;
mod in_place;

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel},
    task::Poll,
    thread,
    time::Duration,
};

use super::{
    super::{
        batch::RowStatus,
        batcher::{RunBatch, RunSize},
        options::ModelOptions,
        prepared::Prepared,
        start_error::StartError,
    },
    *,
};

/// Bounds a test that fails; a test that passes never waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a gated run ends.
enum Verdict {
    Finish,
    Fail,
    Panic,
}

/// Doubles its one input of width 1. Tells the rows of each run and waits to be told how to end it.
struct Gated {
    entered: SyncSender<Vec<f32>>,
    verdicts: Receiver<Verdict>,
    /// Disconnects when the runner is dropped.
    _gone: SyncSender<()>,
}

impl RunBatch for Gated {
    fn run(
        &mut self,
        size: RunSize,
        inputs: &[Vec<f32>],
        outputs: &mut [Vec<f32>],
    ) -> Result<(), String> {
        assert_eq!((inputs[0].len(), size.extent), (size.rows, 1));
        self.entered.send(inputs[0].clone()).unwrap();
        outputs[0].extend(inputs[0].iter().map(|value| value * 2.0));
        match self.verdicts.recv_timeout(PATIENCE).unwrap() {
            Verdict::Finish => Ok(()),
            Verdict::Fail => Err("told to fail".to_owned()),
            Verdict::Panic => panic!("told to panic"),
        }
    }
}

/// The test's side of a gated runner.
struct Gate {
    entered: Receiver<Vec<f32>>,
    verdicts: SyncSender<Verdict>,
    gone: Receiver<()>,
}

impl Gate {
    /// Waits for the next run to start; tells its rows.
    fn entered(&self) -> Vec<f32> {
        self.entered.recv_timeout(PATIENCE).unwrap()
    }

    fn decide(&self, verdict: Verdict) {
        self.verdicts.send(verdict).unwrap();
    }

    /// Lets the next run through; tells its rows.
    fn pass(&self) -> Vec<f32> {
        let rows = self.entered();
        self.decide(Verdict::Finish);
        rows
    }
}

fn manifest() -> Manifest {
    Manifest::parse(&format!(
        "{{ name: gated, version: 1, graph: {{ file: g, sha256: {:064x}, opset: 17 }}, \
         inputs: [{{ name: x, shape: [batch], dtype: f32, \
                     features: [{{ name: x, unit: '1' }}] }}], \
         outputs: [{{ name: y, shape: [batch], labels: [y] }}] }}",
        0
    ))
    .unwrap()
}

fn started<R: RunBatch>(runners: Vec<R>, options: &ModelOptions) -> Result<Model, StartError> {
    Prepared::warmed_up(manifest(), ExecutionProvider::Cpu, runners, options)?.start()
}

fn gated(options: &ModelOptions) -> (Model, Gate) {
    let (entered_in, entered) = sync_channel(16);
    let (verdicts, verdicts_out) = sync_channel(16);
    let (gone_in, gone) = sync_channel(1);
    let runner = Gated { entered: entered_in, verdicts: verdicts_out, _gone: gone_in };
    let options = ModelOptions { warm_up: false, ..options.clone() };
    let model = started(vec![runner], &options).unwrap();
    (model, Gate { entered, verdicts, gone })
}

fn rows(values: &[f32]) -> Batch {
    Batch { rows: values.len(), inputs: vec![values.to_vec()], ..Batch::default() }
}

#[tokio::test]
async fn what_waits_during_a_run_is_gathered_into_the_next() {
    let (model, gate) = gated(&ModelOptions::default());
    let first = model.infer(rows(&[1.0]));
    gate.entered();
    let second = model.infer(rows(&[2.0, 3.0]));
    let third = model.infer(rows(&[4.0]));
    assert_eq!(model.queued_rows(), 3);
    gate.decide(Verdict::Finish);
    assert_eq!(gate.pass(), [2.0, 3.0, 4.0]);

    let first = first.await.unwrap();
    assert_eq!((first.outputs, first.batch_size), (vec![vec![2.0]], 1));
    let second = second.await.unwrap();
    assert_eq!((second.outputs, second.batch_size), (vec![vec![4.0, 6.0]], 3));
    assert_eq!(second.rows, [RowStatus::Done; 2]);
    let third = third.await.unwrap();
    assert_eq!((third.outputs, third.batch_size), (vec![vec![8.0]], 3));
    assert!(third.queue > Duration::ZERO && third.run > Duration::ZERO);
    assert_eq!(model.queued_rows(), 0);
}

#[tokio::test]
async fn a_run_never_holds_more_than_max_batch_rows() {
    let (model, gate) = gated(&ModelOptions { max_batch: 3, ..ModelOptions::default() });
    let first = model.infer(rows(&[0.0]));
    gate.entered();
    let pair = model.infer(rows(&[1.0, 2.0]));
    let other = model.infer(rows(&[3.0, 4.0]));
    let large = model.infer(rows(&[5.0, 6.0, 7.0, 8.0]));
    gate.decide(Verdict::Finish);
    let runs: Vec<_> = (0..4).map(|_| gate.pass()).collect();
    assert_eq!(runs, [vec![1.0, 2.0], vec![3.0, 4.0], vec![5.0, 6.0, 7.0], vec![8.0]]);
    assert!(first.await.is_ok() && pair.await.is_ok() && other.await.is_ok());
    let large = large.await.unwrap();
    assert_eq!((large.outputs, large.batch_size), (vec![vec![10.0, 12.0, 14.0, 16.0]], 3));
    assert_eq!(model.max_batch(), 3);
    let counted: Vec<_> = model.runs().iter().map(|runs| (runs.rows, runs.count)).collect();
    assert_eq!(counted, [(1, 2), (2, 2), (3, 1)]);
    assert!(model.runs().iter().all(|runs| runs.time > Duration::ZERO));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_recovers() {
    let (model, gate) = gated(&ModelOptions { queue_rows: 3, ..ModelOptions::default() });
    let running = model.infer(rows(&[1.0]));
    gate.entered();
    let waiting = model.infer(rows(&[2.0, 3.0]));
    let refused = model.infer(rows(&[4.0, 5.0])).await;
    assert_eq!(refused, Err(InferError::QueueFull { limit: 3 }));
    let fits = model.infer(rows(&[6.0]));
    let larger = model.infer(rows(&[0.0; 4])).await;
    assert_eq!(larger, Err(InferError::TooManyRows { rows: 4, limit: 3 }));
    gate.decide(Verdict::Finish);
    assert_eq!(gate.pass(), [2.0, 3.0, 6.0]);
    assert!(running.await.is_ok() && waiting.await.is_ok() && fits.await.is_ok());
    let again = model.infer(rows(&[4.0, 5.0]));
    gate.pass();
    assert!(again.await.is_ok());
}

#[tokio::test]
async fn expired_rows_are_not_run() {
    let (model, gate) = gated(&ModelOptions::default());
    let (past, future) = (Instant::now(), Instant::now() + Duration::from_secs(3600));
    let batch = Batch { deadlines: vec![Some(past), None, Some(future)], ..rows(&[1.0, 2.0, 3.0]) };
    let answer = model.infer(batch);
    assert_eq!(gate.pass(), [2.0, 3.0]);
    let answer = answer.await.unwrap();
    assert_eq!(answer.rows, [RowStatus::Expired, RowStatus::Done, RowStatus::Done]);
    assert!(answer.outputs[0][0].is_nan());
    assert_eq!((&answer.outputs[0][1..], answer.batch_size), (&[4.0, 6.0][..], 2));

    let batch = Batch { deadlines: vec![Some(past)], ..rows(&[1.0]) };
    let answer = model.infer(batch).await.unwrap();
    assert_eq!((answer.rows, answer.batch_size), (vec![RowStatus::Expired], 0));
    assert!(gate.entered.try_recv().is_err(), "a batch of expired rows was run");
}

#[tokio::test]
async fn a_caller_who_left_is_skipped() {
    let (model, gate) = gated(&ModelOptions::default());
    let running = model.infer(rows(&[1.0]));
    gate.entered();
    drop(model.infer(rows(&[2.0])));
    let stayed = model.infer(rows(&[3.0]));
    gate.decide(Verdict::Finish);
    assert_eq!(gate.pass(), [3.0]);
    assert!(running.await.is_ok());
    assert_eq!(stayed.await.unwrap().outputs, [[6.0]]);
}

#[tokio::test]
async fn a_row_that_is_not_finite_is_marked_and_others_are_not() {
    let (model, gate) = gated(&ModelOptions::default());
    let answer = model.infer(rows(&[1.0, f32::INFINITY, f32::NAN, 2.0]));
    gate.pass();
    let (done, odd) = (RowStatus::Done, RowStatus::NonFinite);
    assert_eq!(answer.await.unwrap().rows, [done, odd, odd, done]);
}

#[tokio::test]
async fn a_failed_run_is_the_fault_of_one_batch_only() {
    let (model, gate) = gated(&ModelOptions::default());
    let first = model.infer(rows(&[1.0]));
    gate.entered();
    let good = model.infer(rows(&[2.0]));
    let bad = model.infer(rows(&[3.0]));
    gate.decide(Verdict::Finish);
    assert_eq!(gate.entered(), [2.0, 3.0]);
    gate.decide(Verdict::Fail);
    assert_eq!(gate.pass(), [2.0]);
    assert_eq!(gate.entered(), [3.0]);
    gate.decide(Verdict::Fail);
    assert!(first.await.is_ok());
    assert_eq!(good.await.unwrap().outputs, [[4.0]]);
    assert_eq!(bad.await, Err(InferError::Run("told to fail".to_owned())));
}

#[tokio::test]
async fn a_panic_in_a_run_is_an_answer_and_the_thread_survives() {
    let (model, gate) = gated(&ModelOptions::default());
    let answer = model.infer(rows(&[1.0]));
    gate.entered();
    gate.decide(Verdict::Panic);
    assert_eq!(answer.await, Err(InferError::Run("it panicked".to_owned())));
    let next = model.infer(rows(&[2.0]));
    gate.pass();
    assert_eq!(next.await.unwrap().outputs, [[4.0]]);
}

#[tokio::test]
async fn a_thread_that_dies_leaves_no_caller_waiting() {
    let (model, gate) = gated(&ModelOptions::default());
    let running = model.infer(rows(&[1.0]));
    gate.entered();
    // The handle checks sizes, so only a defect of this crate could queue such a job.
    let (answer, broken) = oneshot::channel();
    let batch = Batch { rows: 1, inputs: vec![Vec::new()], ..Batch::default() };
    model.shared.queue.push(Job { batch, caller: 0, enqueued: Instant::now(), answer }).unwrap();
    let waiting = model.infer(rows(&[0.0; 64]));
    gate.decide(Verdict::Finish);
    assert!(running.await.is_ok());
    assert!(broken.await.is_err());
    assert_eq!(waiting.await, Err(InferError::Stopped));
    assert_eq!(model.infer(rows(&[1.0])).await, Err(InferError::Stopped));
    model.drain().await;
}

#[tokio::test]
async fn draining_answers_what_was_accepted_then_ends_the_threads() {
    let (model, gate) = gated(&ModelOptions::default());
    let running = model.infer(rows(&[1.0]));
    gate.entered();
    let waiting = model.infer(rows(&[2.0]));
    model.stop();
    assert_eq!(model.clone().infer(rows(&[3.0])).await, Err(InferError::Stopped));
    gate.decide(Verdict::Finish);
    gate.decide(Verdict::Finish);
    model.drain().await;
    assert_eq!(gate.gone.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(running.await.unwrap().outputs, [[2.0]]);
    assert_eq!(waiting.await.unwrap().outputs, [[4.0]]);
}

#[tokio::test]
async fn the_last_handle_ends_the_thread() {
    let (model, gate) = gated(&ModelOptions::default());
    let clone = model.clone();
    drop(model);
    let answer = clone.infer(rows(&[1.0]));
    let mut ended = Box::pin(clone.ended());
    drop(clone);
    // The batch that was accepted still runs.
    let polled = std::future::poll_fn(|context| Poll::Ready(ended.as_mut().poll(context)));
    assert!(polled.await.is_pending());
    gate.pass();
    assert_eq!(answer.await.unwrap().outputs, [[2.0]]);
    ended.await;
    assert_eq!(gate.gone.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
}

#[tokio::test]
async fn sizes_that_do_not_fit_are_refused_with_both_numbers() {
    let (model, _gate) = gated(&ModelOptions::default());
    let shape = |batch| {
        let answer = model.infer(batch);
        async { answer.await.unwrap_err().to_string() }
    };
    assert!(shape(Batch::default()).await.contains("no rows"));
    let batch = Batch { inputs: Vec::new(), ..rows(&[1.0]) };
    assert!(shape(batch).await.contains("1 inputs, the batch 0"));
    let batch = Batch { rows: 2, ..rows(&[1.0]) };
    assert!(shape(batch).await.contains("`x` needs 2 rows of 1 values, it has 1"));
    let batch = Batch { deadlines: vec![None; 3], ..rows(&[1.0]) };
    assert!(shape(batch).await.contains("1 rows need as many deadlines or none, not 3"));
}

#[test]
fn a_warm_up_that_fails_stops_the_start() {
    struct Odd(usize);
    impl RunBatch for Odd {
        fn run(
            &mut self,
            size: RunSize,
            _: &[Vec<f32>],
            out: &mut [Vec<f32>],
        ) -> Result<(), String> {
            out[0].resize(size.rows, if size.rows == self.0 { f32::NAN } else { 0.0 });
            Ok(())
        }
    }
    for rows in [1, 2, 64] {
        let options = ModelOptions::default();
        let error = started(vec![Odd(rows)], &options).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("batch size {rows}: output 0")), "{text}");
    }
}

#[tokio::test]
async fn a_graph_that_gives_fewer_rows_than_it_got_is_an_error() {
    struct Short;
    impl RunBatch for Short {
        fn run(&mut self, _: RunSize, _: &[Vec<f32>], out: &mut [Vec<f32>]) -> Result<(), String> {
            out[0].push(1.0);
            Ok(())
        }
    }
    let options = ModelOptions { warm_up: false, ..ModelOptions::default() };
    let model = started(vec![Short], &options).unwrap();
    let text = "output 0 holds 1 values for 2 rows of 1".to_owned();
    assert_eq!(model.infer(rows(&[1.0, 2.0])).await, Err(InferError::Run(text)));
    assert!(model.infer(rows(&[1.0])).await.is_ok());
}

/// Tells the priority of the thread that runs it.
struct Priority;

impl RunBatch for Priority {
    fn run(&mut self, _: RunSize, _: &[Vec<f32>], outputs: &mut [Vec<f32>]) -> Result<(), String> {
        let nice = rustix::process::getpriority_process(None).map_err(|e| e.to_string())?;
        outputs[0].push(nice as f32);
        Ok(())
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn only_the_owner_threads_step_back() {
    let here = rustix::process::getpriority_process(None).unwrap();
    for nice in [0_u8, 3] {
        let options = ModelOptions { warm_up: false, nice, ..ModelOptions::default() };
        let model = started(vec![Priority], &options).unwrap();
        let told = model.infer(rows(&[1.0])).await.unwrap().outputs[0][0];
        assert_eq!(told, (here + i32::from(nice)).min(19) as f32);
    }
    assert_eq!(rustix::process::getpriority_process(None).unwrap(), here);
}
