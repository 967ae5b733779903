//! A real session on a model that scores candidates: rows of different extents.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod models;

use models::{on_cpu, start};
use strata_runtime::{
    Axis, Batch, InferError, Inference, Model, ModelFiles, ModelOptions, RowStatus, Shape,
    StartError,
};

/// One row of the model `scores`.
#[derive(Clone)]
struct Row {
    state: [f32; 3],
    candidates: Vec<f32>,
    mask: Vec<f32>,
}

/// A row of `extent` candidates, all allowed; rows of different seeds differ.
fn row(seed: usize, extent: usize) -> Row {
    let value = |index: usize| ((seed * 977 + index * 7919) % 1009) as f32 / 500.0 - 1.0;
    Row {
        state: [value(1), value(2), value(3)],
        candidates: (0..2 * extent).map(|index| value(10 + index)).collect(),
        mask: vec![1.0; extent],
    }
}

fn batch(rows: &[Row]) -> Batch {
    Batch {
        rows: rows.len(),
        inputs: vec![
            rows.iter().flat_map(|row| row.state).collect(),
            rows.iter().flat_map(|row| row.candidates.clone()).collect(),
            rows.iter().flat_map(|row| row.mask.clone()).collect(),
        ],
        extents: rows.iter().map(|row| row.mask.len()).collect(),
        deadlines: Vec::new(),
    }
}

/// The bits of each output of a row.
fn bits(inference: &Inference, row: usize) -> Vec<Vec<u32>> {
    let outputs = inference.row(row);
    outputs.map(|values| values.iter().map(|value| value.to_bits()).collect()).collect()
}

#[tokio::test]
async fn rows_of_different_extents_share_a_run_and_give_the_bits_of_a_run_alone() {
    let model = start("scores", &on_cpu()).unwrap();
    for extents in [vec![2, 5], vec![5, 2], vec![1, 4096, 3], vec![7; 4]] {
        let rows: Vec<_> = extents.iter().enumerate().map(|(i, extent)| row(i, *extent)).collect();
        let together = model.infer(batch(&rows)).await.unwrap();
        assert_eq!((together.batch_size, together.outputs.len()), (rows.len(), 2));
        assert_eq!(together.rows, vec![RowStatus::Done; rows.len()]);
        assert_eq!(together.outputs[0].len(), extents.iter().sum::<usize>());
        assert_eq!(together.outputs[1].len(), rows.len());
        for (index, row) in rows.iter().enumerate() {
            let alone = model.infer(batch(std::slice::from_ref(row))).await.unwrap();
            assert_eq!(alone.batch_size, 1);
            assert_eq!(bits(&together, index), bits(&alone, 0), "row {index} of {extents:?}");
            assert_eq!(together.row(index).next().unwrap().len(), extents[index]);
        }
    }
    assert!(model.runs().iter().any(|runs| runs.rows == 3));
}

#[tokio::test]
async fn a_masked_position_counts_for_nothing_and_may_have_any_value() {
    let model = start("scores", &on_cpu()).unwrap();
    let all = row(1, 5);
    let scores = model.infer(batch(std::slice::from_ref(&all))).await.unwrap().outputs;
    let best = (0..5).max_by(|a, b| scores[0][*a].total_cmp(&scores[0][*b])).unwrap();
    let mut masked = all.clone();
    masked.mask[best] = 0.0;
    // Beside a longer row, so that the masked row is padded as well.
    let answer = model.infer(batch(&[masked, row(2, 9)])).await.unwrap();
    assert_eq!(answer.rows, [RowStatus::Done; 2]);
    let [q_values, value] = answer.row(0).collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!(q_values[best], f32::NEG_INFINITY);
    let others = (0..5).filter(|index| *index != best);
    let second = others.inspect(|index| assert_eq!(q_values[*index], scores[0][*index]));
    assert_eq!(value, [second.map(|index| scores[0][index]).fold(f32::NEG_INFINITY, f32::max)]);
    assert!(value[0] < scores[1][0]);

    // An output without the axis has no masked positions, and one of real ones must be finite.
    let none = Row { mask: vec![0.0; 5], ..all.clone() };
    let mut odd = all.clone();
    odd.candidates[0] = f32::NAN;
    let answer = model.infer(batch(&[none, odd.clone(), all])).await.unwrap();
    let (done, non_finite) = (RowStatus::Done, RowStatus::NonFinite);
    assert_eq!(answer.rows, [non_finite, non_finite, done]);
    odd.mask[0] = 0.0;
    assert_eq!(model.infer(batch(&[odd])).await.unwrap().rows, [done]);
}

#[tokio::test]
async fn batches_that_do_not_fit_the_axis_are_refused() {
    let model = start("scores", &on_cpu()).unwrap();
    let good = || batch(&[row(1, 2), row(2, 5)]);
    type Bend = fn(&mut Batch);
    let bends: [(&str, Bend); 7] = [
        ("2 rows need as many extents on `candidates`, not 0", |b| b.extents.clear()),
        ("2 rows need as many extents on `candidates`, not 3", |b| b.extents.push(1)),
        ("a row has 0 positions on `candidates`, it must have 1 to 4096", |b| b.extents[0] = 0),
        ("a row has 4097 positions on", |b| b.extents[1] = 4097),
        ("input `candidates` needs 8 positions of 2 values, it has 14", |b| b.extents[1] = 6),
        ("input `mask` needs 7 positions of 1 values, it has 6", |b| b.inputs[2].truncate(6)),
        ("the mask `mask` holds 0.5, it must hold 0 and 1 only", |b| b.inputs[2][3] = 0.5),
    ];
    for (message, bend) in bends {
        let mut bad = good();
        bend(&mut bad);
        match model.infer(bad).await {
            Err(InferError::Shape(text)) => assert!(text.contains(message), "{text}"),
            other => panic!("{message}: {other:?}"),
        }
    }
    assert!(model.infer(good()).await.is_ok());
    let fixed = start("double", &on_cpu()).unwrap();
    let bad = Batch { rows: 1, inputs: vec![vec![0.0; 3]], extents: vec![1], ..Batch::default() };
    let text = fixed.infer(bad).await.unwrap_err().to_string();
    assert!(text.contains("the model has no axis"), "{text}");
}

#[tokio::test]
async fn a_run_takes_rows_while_their_padding_is_bounded() {
    let model = start("scores", &ModelOptions { max_batch: 64, ..on_cpu() }).unwrap();
    // 16 rows of 4096 positions fill a run; the others would be padded to as many.
    let rows: Vec<_> = (0..20).map(|index| row(index, if index == 3 { 4096 } else { 2 })).collect();
    let answer = model.infer(batch(&rows)).await.unwrap();
    assert_eq!((answer.batch_size, answer.rows), (16, vec![RowStatus::Done; 20]));
    let runs: Vec<_> = model.runs().iter().map(|runs| (runs.rows, runs.count)).collect();
    assert_eq!(runs, [(4, 1), (16, 1)]);
}

/// Starts a model whose manifest was altered in memory.
fn refused(name: &str, alter: impl FnOnce(&mut strata_runtime::Manifest)) -> String {
    let files = models::files(name);
    let mut manifest = files.manifest().clone();
    alter(&mut manifest);
    let files = ModelFiles::new(manifest, files.graph().to_vec()).unwrap();
    let error = Model::start(&models::runtime(), files, &on_cpu()).unwrap_err();
    assert!(matches!(error, StartError::Graph { .. }), "{error}");
    error.to_string()
}

#[test]
fn a_dimension_that_only_one_side_calls_fixed_shows_both() {
    let text = refused("double", |manifest| {
        let (name, mask) = ("candidates".to_owned(), "x".to_owned());
        manifest.axis = Some(Axis { name, max: 8, mask });
        manifest.inputs[0].shape = Shape::on_axis("candidates", []);
        manifest.inputs[0].features.truncate(1);
    });
    let (wanted, found) = ("manifest says f32 [batch, candidates]", "graph says f32 [batch, 3]");
    assert!(text.contains(wanted) && text.contains(found), "{text}");
    let text = refused("scores", |manifest| {
        manifest.outputs[0].shape = Shape::new([1]);
    });
    let (wanted, found) = ("manifest says f32 [batch, 1]", "graph says f32 [batch, candidates]");
    assert!(text.contains(wanted) && text.contains(found), "{text}");
}

#[test]
fn an_output_with_the_axis_before_the_batch_fails_the_warm_up() {
    let error = start("turned", &on_cpu()).unwrap_err();
    assert!(matches!(error, StartError::WarmUp { rows: 1, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("with 8 positions a row, an output is") && text.contains("[8, 1]"));
}
