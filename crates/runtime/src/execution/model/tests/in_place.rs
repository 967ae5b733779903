//! Batches that run on the thread of their caller.

use super::*;

/// Doubles its input at once, and tells on which thread.
struct Quick(SyncSender<thread::ThreadId>);

impl RunBatch for Quick {
    fn run(
        &mut self,
        _: RunSize,
        inputs: &[Vec<f32>],
        outputs: &mut [Vec<f32>],
    ) -> Result<(), String> {
        outputs[0].extend(inputs[0].iter().map(|value| value * 2.0));
        self.0.send(thread::current().id()).map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn a_row_runs_in_place_once_the_session_is_known_to_be_quick_and_sleeps() {
    let (ran, threads) = sync_channel(1);
    let options = ModelOptions { warm_up: false, ..ModelOptions::default() };
    let quick = vec![Quick(ran)];
    let model = started(quick, &options).unwrap();
    // No run time is known yet.
    assert_eq!(model.infer_in_place(rows(&[1.0])), Err(rows(&[1.0])));
    let here = thread::current().id();
    let inference = loop {
        model.infer(rows(&[1.0])).await.unwrap();
        assert_ne!(threads.recv_timeout(PATIENCE).unwrap(), here);
        // The owner thread may not be asleep again yet.
        if let Ok(inference) = model.infer_in_place(rows(&[4.0])) {
            break inference.unwrap();
        }
    };
    assert_eq!(threads.recv_timeout(PATIENCE).unwrap(), here);
    assert_eq!((inference.outputs, inference.batch_size), (vec![vec![8.0]], 1));
    assert_eq!(inference.rows, [RowStatus::Done]);
    model.drain().await;
    assert!(model.infer_in_place(rows(&[1.0])).is_err());
}

#[tokio::test]
async fn several_rows_run_in_place_once_it_is_known_what_runs_take() {
    let (ran, threads) = sync_channel(1);
    let options = ModelOptions { warm_up: false, max_batch: 4, ..ModelOptions::default() };
    let model = started(vec![Quick(ran)], &options).unwrap();
    let mut runs = 0;
    let inference = loop {
        model.infer(rows(&[1.0])).await.unwrap();
        threads.recv_timeout(PATIENCE).unwrap();
        runs += 1;
        // The queue splits or refuses a batch that is larger than a run.
        assert!(model.infer_in_place(rows(&[0.0; 5])).is_err());
        if let Ok(inference) = model.infer_in_place(rows(&[1.0, 2.0])) {
            break inference.unwrap();
        }
    };
    assert!(runs >= 32, "after {runs}");
    assert_eq!(threads.recv_timeout(PATIENCE).unwrap(), thread::current().id());
    assert_eq!((inference.outputs, inference.batch_size), (vec![vec![2.0, 4.0]], 2));
}

#[tokio::test]
async fn where_rows_wait_for_others_or_owner_threads_step_back_none_runs_in_place() {
    let pause = Duration::from_millis(1);
    let usual = ModelOptions { warm_up: false, ..ModelOptions::default() };
    let waiting = ModelOptions { max_delay: pause, ..usual.clone() };
    let stepping_back = ModelOptions { nice: 1, ..usual };
    for options in [waiting, stepping_back] {
        let (ran, _threads) = sync_channel(64);
        let model = started(vec![Quick(ran)], &options).unwrap();
        // Often enough for the owner thread to have slept at least once.
        for _ in 0..32 {
            model.infer(rows(&[1.0])).await.unwrap();
            thread::sleep(pause);
            assert!(model.infer_in_place(rows(&[1.0])).is_err(), "{options:?}");
        }
    }
}
