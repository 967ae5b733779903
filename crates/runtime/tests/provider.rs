//! Execution providers on a machine without a GPU and a library without CUDA.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod models;

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use models::{on_cpu, start};
use strata_runtime::{Batch, ExecutionProvider, ModelOptions, StartError};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// The only test of this file that starts with `auto`: the choice is logged once in a process.
#[tokio::test]
async fn auto_serves_on_the_cpu_and_says_so_once() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    for name in ["double", "dense"] {
        let model = start(name, &ModelOptions::default()).unwrap();
        assert_eq!(model.execution_provider(), ExecutionProvider::Cpu);
        let width = model.manifest().inputs[0].shape.row_len();
        let batch = Batch { rows: 1, inputs: vec![vec![1.0; width]], ..Batch::default() };
        assert!(model.infer(batch).await.is_ok());
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(" INFO ") && text.contains("execution_provider=cpu"), "{text}");
    assert!(text.contains("CUDA execution provider is not enabled"), "{text}");
}

#[test]
fn cuda_refuses_with_the_reason() {
    let options = ModelOptions { execution_provider: ExecutionProvider::Cuda, ..on_cpu() };
    let error = start("double", &options).unwrap_err();
    assert!(matches!(error, StartError::Provider { provider: ExecutionProvider::Cuda, .. }));
    let text = error.to_string();
    assert!(text.starts_with("execution provider cuda cannot be had: "), "{text}");
    assert!(text.contains("CUDA execution provider is not enabled in this build"), "{text}");
}
