//! Real sessions on the tiny models.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod models;

use std::time::{Duration, Instant};

use models::{on_cpu, start};
use strata_runtime::{
    Batch, ExecutionProvider, InferError, Manifest, Model, ModelFiles, ModelOptions, RowStatus,
};

fn batch(rows: usize, inputs: Vec<Vec<f32>>) -> Batch {
    Batch { rows, inputs, ..Batch::default() }
}

/// Values that repeat after more rows than any test has.
fn spread(values: usize) -> Vec<f32> {
    (0..values).map(|i| ((i * 7919) % 10007) as f32 / 5000.0 - 1.0).collect()
}

#[tokio::test]
async fn a_graph_is_run() {
    let model = start("double", &on_cpu()).unwrap();
    assert_eq!(model.manifest().name, "double");
    assert_eq!(model.execution_provider(), ExecutionProvider::Cpu);
    let answer = model.infer(batch(2, vec![vec![1.0, 2.0, 3.0, -4.0, 0.5, 0.0]])).await.unwrap();
    assert_eq!(answer.outputs, [[2.0, 4.0, 6.0, -8.0, 1.0, 0.0]]);
    assert_eq!(answer.rows, [RowStatus::Done; 2]);
    assert!(answer.run > Duration::ZERO);
}

#[test]
fn a_caller_without_an_async_runtime_is_served() {
    let model = start("double", &on_cpu()).unwrap();
    let answer = model.infer_blocking(batch(1, vec![vec![1.0, 2.0, 3.0]])).unwrap();
    assert_eq!(answer.outputs, [[2.0, 4.0, 6.0]]);
}

#[tokio::test]
async fn inputs_and_outputs_keep_the_order_of_the_manifest() {
    let model = start("pair", &on_cpu()).unwrap();
    let inputs = vec![vec![10.0, 20.0], vec![1.0, 3.0, 5.0, 9.0]];
    let answer = model.infer(batch(2, inputs.clone())).await.unwrap();
    assert_eq!(answer.outputs, [vec![2.0, 7.0], vec![11.0, 13.0, 25.0, 29.0]]);

    // The manifest has the reverse of the graph's order: callers follow the manifest.
    let files = models::files("pair");
    let mut manifest = files.manifest().clone();
    manifest.inputs.reverse();
    manifest.outputs.reverse();
    let files = ModelFiles::new(manifest, files.graph().to_vec()).unwrap();
    let model = Model::start(&models::runtime(), files, &on_cpu()).unwrap();
    let inputs = inputs.into_iter().rev().collect();
    let answer = model.infer(batch(2, inputs)).await.unwrap();
    assert_eq!(answer.outputs, [vec![11.0, 13.0, 25.0, 29.0], vec![2.0, 7.0]]);
}

#[tokio::test]
async fn a_row_gives_the_same_alone_and_in_any_batch() {
    for (name, width) in [("dense", 14), ("lstm", 60)] {
        let model = start(name, &on_cpu()).unwrap();
        let values = spread(64 * width);
        let mut alone = Vec::new();
        for row in values.chunks(width) {
            let answer = model.infer(batch(1, vec![row.to_vec()])).await.unwrap();
            alone.extend_from_slice(&answer.outputs[0]);
        }
        assert!(alone.windows(4).all(|near| near[0] != near[3]), "{name}: rows all alike");
        for rows in [2, 3, 7, 64] {
            let answer = model.infer(batch(rows, vec![values[..rows * width].to_vec()])).await;
            let answer = answer.unwrap();
            assert_eq!(answer.batch_size, rows);
            for (index, (one, many)) in alone.iter().zip(&answer.outputs[0]).enumerate() {
                assert!((one - many).abs() <= 1e-6, "{name} {rows} {index}: {one} {many}");
            }
        }
    }
}

#[tokio::test]
async fn two_hundred_rows_run_in_batches_of_sixty_four() {
    let model = start("double", &on_cpu()).unwrap();
    let values = spread(600);
    let answer = model.infer(batch(200, vec![values.clone()])).await.unwrap();
    let doubled: Vec<f32> = values.iter().map(|value| value * 2.0).collect();
    assert_eq!((answer.outputs, answer.batch_size), (vec![doubled], 64));
    assert_eq!(answer.rows, [RowStatus::Done; 200]);
}

#[tokio::test]
async fn a_row_whose_result_is_no_number_is_told() {
    let model = start("log", &on_cpu()).unwrap();
    let answer = model.infer(batch(3, vec![vec![1.0, -1.0, 1.0]])).await.unwrap();
    assert_eq!(answer.rows, [RowStatus::Done, RowStatus::NonFinite, RowStatus::Done]);
}

#[tokio::test]
async fn a_row_that_the_graph_refuses_fails_alone() {
    let model = start("table", &on_cpu()).unwrap();
    // Sent together, so that some share a run with the bad one.
    let values = [0.0, 1.0, 99.0, 2.0, 3.0];
    let sent: Vec<_> = values.map(|value| model.infer(batch(1, vec![vec![value]]))).into();
    for (value, answer) in values.into_iter().zip(sent) {
        match answer.await {
            Ok(answer) => assert_eq!(answer.outputs, [[value * 2.0, value * 2.0 + 1.0]]),
            Err(InferError::Run(text)) => {
                assert_eq!(value, 99.0);
                assert!(text.contains("indices"), "{text}");
            }
            Err(other) => panic!("{value}: {other}"),
        }
    }
}

#[tokio::test]
async fn several_sessions_share_the_work() {
    let options = ModelOptions { sessions: 3, max_batch: 4, ..on_cpu() };
    let model = start("double", &options).unwrap();
    let values = spread(600);
    let sent: Vec<_> =
        values.chunks(3).map(|row| (row, model.infer(batch(1, vec![row.to_vec()])))).collect();
    for (row, answer) in sent {
        let answer = answer.await.unwrap();
        assert_eq!(answer.outputs[0], row.iter().map(|value| value * 2.0).collect::<Vec<_>>());
        assert!(answer.batch_size <= 4);
    }
    model.drain().await;
    let late = model.infer(batch(1, vec![vec![0.0; 3]])).await;
    assert_eq!(late, Err(InferError::Stopped));
}

#[cfg(target_os = "linux")]
#[test]
fn threads_end_with_the_model() {
    fn threads() -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| {
            // A task may end between the listing and the reading.
            std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
        });
        names.filter(|name| name.starts_with("leaky-")).count()
    }
    /// The system lists tasks a little late or early while others come and go. The bound is only
    /// for a test that fails.
    fn becomes(wanted: usize) -> bool {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if threads() == wanted {
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }
    // Under a name of its own: other tests of this process run models, too.
    let files = models::files("double");
    let manifest = Manifest { name: "leaky".to_owned(), ..files.manifest().clone() };
    let files = ModelFiles::new(manifest, files.graph().to_vec()).unwrap();
    let options = ModelOptions { sessions: 3, ..on_cpu() };
    for _ in 0..5 {
        let model = Model::start(&models::runtime(), files.clone(), &options).unwrap();
        assert!(becomes(3), "{} threads of the model's name", threads());
        drop(model);
        assert!(becomes(0), "{} threads are left", threads());
    }
}
