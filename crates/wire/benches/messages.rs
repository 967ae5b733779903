//! Measures the encoding and decoding of the messages of a decision: `cargo bench -p strata-wire
//! --bench messages`.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use prost::Message;
use strata_wire::{oip, pb};

/// Rows of a full frame.
const ROWS: usize = 64;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    both(&mut criterion, "DecideRequest", &decide(), 1);
    let row = pb::ForecastRow { request: Some(forecast()), ..Default::default() };
    let frame = pb::ForecastFrame { frame_id: 1, rows: vec![row; ROWS] };
    both(&mut criterion, "frame of 64 forecasts", &frame, ROWS);
    let (input, values) = (tensor(), Bytes::from(vec![0; ROWS * 12 * 21 * 4]));
    let infer = oip::ModelInferRequest {
        model_name: "operational".to_owned(),
        inputs: vec![input],
        raw_input_contents: vec![values],
        ..Default::default()
    };
    both(&mut criterion, "ModelInferRequest of 64 rows, raw", &infer, ROWS);
    criterion.final_summary();
}

/// Encodes and decodes a message of `rows` rows.
fn both<M: Message + Default>(criterion: &mut Criterion, name: &str, message: &M, rows: usize) {
    let bytes = Bytes::from(message.encode_to_vec());
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(rows as u64));
    let mut buffer = Vec::with_capacity(bytes.len());
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            buffer.clear();
            black_box(message.encode(&mut buffer))
        });
    });
    group.bench_function("decode", |bencher| {
        bencher.iter(|| black_box(M::decode(bytes.clone())));
    });
    group.finish();
}

fn steps() -> Vec<pb::TelemetryStep> {
    let step = |number: i32| pb::TelemetryStep {
        request_rate: f64::from(number),
        memory_util: 0.5,
        cpu_util: 0.25,
        queue_depth: 1.0,
    };
    (0..12).map(step).collect()
}

fn calls() -> pb::CallHistory {
    pb::CallHistory {
        idle_seconds: Some(12.0),
        gap_seconds: vec![60.0; 16],
        busy: steps().pop(),
        run_seconds: Some(0.2),
        long_run_seconds: Some(0.4),
    }
}

fn placement() -> pb::Placement {
    pb::Placement {
        platform: "aws-lambda".to_owned(),
        region: "us-east-1".to_owned(),
        memory_mb: 512,
        provider: String::new(),
    }
}

fn decide() -> pb::DecideRequest {
    pb::DecideRequest {
        correlation_id: "17".to_owned(),
        function: Some(pb::Function {
            application: "checkout".to_owned(),
            function: "price".to_owned(),
        }),
        current: Some(placement()),
        workload: Some(pb::Workload {
            invocation_rate_per_minute: Some(30.0),
            duration_ms: Some(120.0),
            avg_duration_ms: Some(110.0),
            memory_mb: Some(180.0),
            calls: Some(calls()),
            ..Default::default()
        }),
        telemetry: steps(),
        ..Default::default()
    }
}

fn forecast() -> pb::ForecastRequest {
    pb::ForecastRequest {
        steps: steps(),
        observed_memory_mb: 512,
        memory_mb: 512,
        keep_alive_minutes: 7.0,
        calls: Some(calls()),
        ..Default::default()
    }
}

fn tensor() -> oip::model_infer_request::InferInputTensor {
    oip::model_infer_request::InferInputTensor {
        name: "window".to_owned(),
        datatype: "FP32".to_owned(),
        shape: vec![ROWS as i64, 12, 21],
        ..Default::default()
    }
}
