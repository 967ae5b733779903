//! Rows of different extents. The runner adds the mask to the values, so that a test sees both.

use super::*;

/// The size and the inputs of a run.
type Run = (RunSize, Vec<Vec<f32>>);

/// Tells of each run; gives the values plus the mask, and the largest value.
struct Sum(SyncSender<Run>);

impl RunBatch for Sum {
    fn run(
        &mut self,
        size: RunSize,
        inputs: &[Vec<f32>],
        outputs: &mut [Vec<f32>],
    ) -> Result<(), String> {
        outputs[0].extend(inputs[0].iter().zip(&inputs[1]).map(|(value, mask)| value + mask));
        let rows = inputs[0].chunks(size.extent);
        outputs[1].extend(rows.map(|row| row.iter().copied().fold(f32::MIN, f32::max)));
        self.0.send((size, inputs.to_vec())).map_err(|error| error.to_string())
    }
}

fn manifest() -> Manifest {
    Manifest::parse(&format!(
        "{{ name: sum, version: 1, graph: {{ file: g, sha256: {:064x}, opset: 17 }}, \
         axis: {{ name: items, max: 4096, mask: mask }}, \
         inputs: [{{ name: x, shape: [batch, items, 1], dtype: f32, \
                     features: [{{ name: x, unit: '1' }}] }}, \
                  {{ name: mask, shape: [batch, items], dtype: f32, \
                     features: [{{ name: mask, unit: '1' }}] }}], \
         outputs: [{{ name: y, shape: [batch, items], labels: [y] }}, \
                   {{ name: largest, shape: [batch], labels: [y] }}] }}",
        0
    ))
    .unwrap()
}

fn summing(options: &ModelOptions) -> (Model, Receiver<Run>) {
    let (ran, runs) = sync_channel(64);
    let provider = ExecutionProvider::Cpu;
    let prepared = Prepared::warmed_up(manifest(), provider, vec![Sum(ran)], options).unwrap();
    (prepared.start().unwrap(), runs)
}

fn cold() -> ModelOptions {
    ModelOptions { warm_up: false, ..ModelOptions::default() }
}

/// Rows of these values, with no position masked.
fn rows(rows: &[&[f32]]) -> Batch {
    let values = rows.concat();
    let mask = vec![1.0; values.len()];
    let extents = rows.iter().map(|row| row.len()).collect();
    Batch { rows: rows.len(), inputs: vec![values, mask], extents, ..Batch::default() }
}

#[tokio::test]
async fn rows_are_padded_with_zeros_and_cut_back() {
    let (model, runs) = summing(&cold());
    let batch = Batch {
        deadlines: vec![None, Some(Instant::now()), None],
        ..rows(&[&[1.0, 2.0], &[9.0; 7], &[3.0, 4.0, 5.0]])
    };
    let answer = model.infer(batch).await.unwrap();
    let (size, inputs) = runs.recv_timeout(PATIENCE).unwrap();
    assert_eq!(size, RunSize { rows: 2, extent: 3 });
    assert_eq!(inputs[0], [1.0, 2.0, 0.0, 3.0, 4.0, 5.0]);
    assert_eq!(inputs[1], [1.0, 1.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(answer.rows, [RowStatus::Done, RowStatus::Expired, RowStatus::Done]);
    let of = |row| answer.row(row).map(<[f32]>::to_vec).collect::<Vec<_>>();
    assert_eq!(of(0), [vec![2.0, 3.0], vec![2.0]]);
    assert_eq!(of(2), [vec![4.0, 5.0, 6.0], vec![5.0]]);
    let expired = of(1);
    assert_eq!((expired[0].len(), expired[1].len()), (7, 1));
    assert!(expired.concat().iter().all(|value| value.is_nan()));
    assert!(of(3).iter().all(Vec::is_empty));
}

#[tokio::test]
async fn a_row_that_would_pad_a_run_beyond_its_bound_goes_in_the_next() {
    let (model, runs) = summing(&cold());
    // Sizes of the runs: 17 rows of 4096 positions are more than 65,536.
    for (extents, expected) in [
        (vec![4096; 17], vec![(16, 4096), (1, 4096)]),
        ([vec![1; 16], vec![4096]].concat(), vec![(16, 1), (1, 4096)]),
        ([vec![1; 15], vec![4096]].concat(), vec![(16, 4096)]),
        ([vec![4096], vec![1; 20]].concat(), vec![(16, 4096), (5, 1)]),
    ] {
        let values: Vec<Vec<f32>> = extents.iter().map(|extent| vec![1.0; *extent]).collect();
        let slices: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
        let answer = model.infer(rows(&slices)).await.unwrap();
        assert_eq!(answer.rows, vec![RowStatus::Done; extents.len()]);
        let sizes: Vec<_> = runs.try_iter().map(|(size, _)| (size.rows, size.extent)).collect();
        assert_eq!(sizes, expected);
    }
}

#[test]
fn the_warm_up_runs_one_position_and_several() {
    let (_model, runs) = summing(&ModelOptions { max_batch: 8, ..ModelOptions::default() });
    let sizes: Vec<_> = runs.try_iter().map(|(size, _)| (size.rows, size.extent)).collect();
    assert_eq!(sizes, [(1, 1), (1, 16), (2, 1), (2, 16), (8, 1), (8, 16)]);
}

#[tokio::test]
async fn only_runs_of_few_positions_are_in_place() {
    let (model, runs) = summing(&cold());
    let small = || rows(&[&[1.0, 2.0], &[3.0]]);
    let inference = loop {
        model.infer(small()).await.unwrap();
        if let Ok(inference) = model.infer_in_place(small()) {
            break inference.unwrap();
        }
        drop(runs.try_iter().last());
    };
    assert_eq!(inference.outputs, [vec![2.0, 3.0, 4.0], vec![2.0, 3.0]]);
    // 64 rows of 4096 positions would take 43,690 times as long.
    let large = vec![[1.0; 4096].as_slice(); 64];
    assert!(model.infer_in_place(rows(&large)).is_err());
    let mut odd = small();
    odd.extents[1] = 0;
    assert!(matches!(model.infer_in_place(odd), Ok(Err(InferError::Shape(_)))));
}
