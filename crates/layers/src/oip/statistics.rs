//! Statistics of the model, as Triton counts them.

use strata_wire::oip::{InferBatchStatistics, InferStatistics, ModelStatistics, StatisticDuration};

use crate::models::{Runner, Total};

/// The statistics of a version since it was loaded, over all protocols.
pub(super) fn of(runner: &Runner) -> ModelStatistics {
    let manifest = runner.model().manifest();
    let runs = runner.model().runs();
    let executions = runs.iter().map(|runs| runs.count);
    let rows = runs.iter().map(|runs| runs.count.saturating_mul(runs.rows as u64));
    let batches = runner.batches();
    let (answered, _) = batches.succeeded.read();
    let unmeasured = || Some(StatisticDuration { count: answered, ns: 0 });
    ModelStatistics {
        name: manifest.name.clone(),
        version: manifest.version.to_string(),
        last_inference: batches.last_ms(),
        inference_count: rows.sum(),
        execution_count: executions.sum(),
        inference_stats: Some(InferStatistics {
            success: duration(&batches.succeeded),
            fail: duration(&batches.failed),
            queue: duration(&batches.queue),
            compute_input: unmeasured(),
            compute_infer: duration(&batches.run),
            compute_output: unmeasured(),
        }),
        batch_stats: runs.into_iter().map(batch).collect(),
    }
}

fn batch(runs: strata_runtime::Runs) -> InferBatchStatistics {
    let unmeasured = Some(StatisticDuration { count: runs.count, ns: 0 });
    let ns = u64::try_from(runs.time.as_nanos()).unwrap_or(u64::MAX);
    InferBatchStatistics {
        batch_size: runs.rows as u64,
        compute_input: unmeasured,
        compute_infer: Some(StatisticDuration { count: runs.count, ns }),
        compute_output: unmeasured,
    }
}

fn duration(total: &Total) -> Option<StatisticDuration> {
    let (count, ns) = total.read();
    Some(StatisticDuration { count, ns })
}
