//! The cost of gathering: rows that are queued one by one, next to the same rows in one batch, on
//! the models that are served.
//!
//! `cargo bench -p strata-runtime --bench batches`; needs `make ort`.

use std::{error::Error, hint::black_box, path::Path};

use criterion::{Criterion, Throughput};
use strata_runtime::{Batch, Model, ModelOptions, OnnxRuntime, Repository};
use tokio::{runtime::Builder, task::JoinSet};

const ROWS: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let runtime = OnnxRuntime::load(None)?;
    let tokio = Builder::new_current_thread().enable_all().build()?;
    let mut criterion = Criterion::default().configure_from_args();
    for name in ["strategic", "operational"] {
        let files = Repository::open(&models)?.load(name, None)?;
        let width = files.manifest().inputs[0].shape.row_len();
        let model = Model::start(&runtime, files, &ModelOptions::default())?;
        let batch =
            |rows: usize| Batch { rows, inputs: vec![vec![0.5; rows * width]], ..Batch::default() };
        let mut group = criterion.benchmark_group(name);
        group.bench_function("1 row", |bencher| {
            bencher.iter(|| tokio.block_on(async { black_box(model.infer(batch(1)).await) }));
        });
        group.throughput(Throughput::Elements(ROWS as u64));
        group.bench_function("64 rows in one batch", |bencher| {
            bencher.iter(|| tokio.block_on(async { black_box(model.infer(batch(ROWS)).await) }));
        });
        group.bench_function("64 rows one by one, gathered", |bencher| {
            bencher.iter(|| {
                tokio.block_on(async {
                    let mut rows = JoinSet::new();
                    for _ in 0..ROWS {
                        let (model, row) = (model.clone(), batch(1));
                        rows.spawn(async move { model.infer(row).await.is_ok() });
                    }
                    black_box(rows.join_all().await)
                })
            });
        });
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
