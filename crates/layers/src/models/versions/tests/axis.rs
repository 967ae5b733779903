//! A model whose rows have different extents.

use super::*;
use crate::adapter::tests::scorer::Scorer;

/// Versions 1 and 2 of the model `scores`; version 1 answers.
fn layer() -> Layer<Scorer> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/tests/data/scores/1");
    let dir = tempfile::tempdir().unwrap();
    for number in [1, 2] {
        let to = dir.path().join(format!("scores/{number}"));
        fs::create_dir_all(&to).unwrap();
        fs::copy(from.join("model.onnx"), to.join("model.onnx")).unwrap();
        let manifest = fs::read_to_string(from.join("manifest.yaml")).unwrap();
        let manifest = manifest.replace("version: 1", &format!("version: {number}"));
        fs::write(to.join("manifest.yaml"), manifest).unwrap();
    }
    Layer::start_in(dir, &Start { version: Some(1), policy: &Policy::Latest(1) })
}

async fn answers(layer: &Layer<Scorer>, masks: &[u32]) -> Vec<Option<pb::SelectResponse>> {
    let asked = masks.iter().map(|mask| {
        let function_key = Some(u64::from(*mask));
        let request = pb::SelectRequest { function_key, ..Default::default() };
        let row = Row { request: Some(request), trace: TracePlace::default(), budget_us: 0 };
        Asked::from_row(row, Instant::now())
    });
    let answers = layer.service.answer(asked.collect(), 0).await;
    answers.into_iter().map(Result::ok).collect()
}

#[tokio::test]
async fn a_row_of_a_frame_gets_its_own_positions_and_shadows_compare_them() {
    let layer = layer();
    layer.catalog.load(Some(2)).await.unwrap();
    layer.share(&[(1, 100)], &[2]).await.unwrap();
    // The second row is bad: it has no candidate.
    let masks = [0b11, 0, 0b1_0101, 0b1];
    let together = answers(&layer, &masks).await;
    assert!(together[1].is_none());
    for (mask, answer) in masks.into_iter().zip(&together).filter(|(mask, _)| *mask > 0) {
        let answer = answer.as_ref().unwrap();
        let inference = answer.inference.as_ref().unwrap();
        assert_eq!((inference.batch_size, inference.version), (3, 1));
        let masked = answer.q_values.iter().map(|value| *value == f32::NEG_INFINITY);
        let wanted = (0..=mask.ilog2()).map(|bit| mask >> bit & 1 == 0);
        assert_eq!(masked.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
        let alone = answers(&layer, &[mask]).await.remove(0).unwrap();
        assert_eq!(alone.q_values, answer.q_values);
    }
    let report = loop {
        let report = layer.listed(2).await.shadow.unwrap();
        if report.rows + report.skipped == 6 {
            break report;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((report.agreed, report.rows, report.mean_score_difference), (6, 6, 0.0));
}
