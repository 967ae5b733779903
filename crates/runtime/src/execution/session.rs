use std::sync::Once;

use ort::{
    ep::CUDA,
    logging::LogLevel,
    session::{Session, SessionInputValue, SessionOutputs, builder::GraphOptimizationLevel},
    value::{Outlet, TensorRef},
};

use super::{
    batcher::RunBatch, graph, options::ModelOptions, provider::ExecutionProvider,
    start_error::StartError,
};
use crate::{
    library::OnnxRuntime,
    repository::{Manifest, ModelFiles},
};

/// `auto` logs each provider it chooses once per process, however many models the process holds.
static CHOSE_CUDA: Once = Once::new();
static CHOSE_CPU: Once = Once::new();

/// Opens as many sessions on the graph as the options ask for, after a comparison of the graph with
/// its manifest. Returns them with the execution provider in use: the CPU or CUDA.
pub(super) fn open(
    runtime: &OnnxRuntime,
    files: &ModelFiles,
    options: &ModelOptions,
) -> Result<(Vec<OrtSession>, ExecutionProvider), StartError> {
    let (manifest, graph) = (files.manifest(), files.graph());
    let source = Source { runtime, graph };
    let (first, provider) = open_first(&source, options.execution_provider)?;
    let mismatches = graph::mismatches(manifest, &first);
    if !mismatches.is_empty() {
        return Err(StartError::Graph { model: manifest.name.clone(), mismatches });
    }
    let mut sessions = vec![OrtSession::new(first, manifest)];
    while sessions.len() < options.sessions {
        let session = source.build(provider).map_err(unusable)?;
        sessions.push(OrtSession::new(session, manifest));
    }
    Ok((sessions, provider))
}

/// What every session of a model is opened from.
struct Source<'a> {
    runtime: &'a OnnxRuntime,
    graph: &'a [u8],
}

/// Opens the first session, which decides the execution provider of all.
fn open_first(
    source: &Source<'_>,
    wanted: ExecutionProvider,
) -> Result<(Session, ExecutionProvider), StartError> {
    let open_on_cpu = || source.build(ExecutionProvider::Cpu).map_err(unusable);
    if wanted == ExecutionProvider::Cpu {
        return Ok((open_on_cpu()?, ExecutionProvider::Cpu));
    }
    let without_cuda = match source.build(ExecutionProvider::Cuda) {
        Ok(session) => {
            if wanted == ExecutionProvider::Auto {
                CHOSE_CUDA.call_once(|| log_choice(ExecutionProvider::Cuda, "cuda is available"));
            }
            return Ok((session, ExecutionProvider::Cuda));
        }
        Err(error) => error.to_string(),
    };
    // Only a graph that opens on the CPU shows that CUDA was what failed, and not the graph.
    let session = open_on_cpu()?;
    if wanted == ExecutionProvider::Cuda {
        return Err(StartError::Provider { provider: wanted, reason: without_cuda });
    }
    CHOSE_CPU.call_once(|| {
        let reason = format!("cuda is not available: {without_cuda}");
        log_choice(ExecutionProvider::Cpu, &reason);
    });
    Ok((session, ExecutionProvider::Cpu))
}

/// A machine without a GPU is no fault, so this is no warning.
fn log_choice(chosen: ExecutionProvider, reason: &str) {
    tracing::info!(execution_provider = %chosen, reason, "auto chose the execution provider");
}

fn unusable(error: ort::Error) -> StartError {
    StartError::Session(error.to_string())
}

impl Source<'_> {
    /// One session with one thread that never spins: more cores are used by more sessions.
    ///
    /// The memory arena is left on. Measured with the strategic and operational graphs, a session
    /// without it needs 0.2 MB less and is as fast; without the memory pattern one row is slower.
    fn build(&self, provider: ExecutionProvider) -> ort::Result<Session> {
        let mut builder = Session::builder(self.runtime.environment())?
            .with_log_level(LogLevel::Warning)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_inter_op_spinning(false)?;
        if provider == ExecutionProvider::Cuda {
            builder =
                builder.with_execution_providers([CUDA::default().build().error_on_failure()])?;
        }
        builder.commit_from_memory(self.graph)
    }
}

/// A session whose inputs and outputs are in the manifest's order.
pub(super) struct OrtSession {
    session: Session,
    inputs: Vec<InputPort>,
    /// Position of each of the manifest's outputs among the graph's.
    outputs: Vec<usize>,
}

/// An input of the graph, in the graph's order.
struct InputPort {
    /// Its position in the manifest.
    position: usize,
    /// Its shape; the first dimension is set before every run.
    shape: Vec<i64>,
}

impl OrtSession {
    /// Takes a session that was found to agree with the manifest.
    fn new(session: Session, manifest: &Manifest) -> OrtSession {
        let names =
            |outlet: &Outlet| manifest.inputs.iter().position(|input| input.name == outlet.name());
        let inputs = session
            .inputs()
            .iter()
            .filter_map(names)
            .map(|position| {
                let row = manifest.inputs[position].shape.row();
                let dims = row.iter().map(|dim| i64::try_from(*dim).unwrap_or(i64::MAX));
                InputPort { position, shape: std::iter::once(0).chain(dims).collect() }
            })
            .collect();
        let outputs = manifest.outputs.iter().map(|output| output.name.as_str());
        let outputs = graph::positions(outputs, session.outputs());
        OrtSession { session, inputs, outputs }
    }
}

impl RunBatch for OrtSession {
    fn run(
        &mut self,
        rows: usize,
        inputs: &[Vec<f32>],
        outputs: &mut [Vec<f32>],
    ) -> Result<(), String> {
        let OrtSession { session, inputs: ports, outputs: positions } = self;
        run(session, ports, rows, inputs)
            .and_then(|results| {
                for (output, position) in outputs.iter_mut().zip(positions) {
                    let (_, values) = results[*position].try_extract_tensor::<f32>()?;
                    output.extend_from_slice(values);
                }
                Ok(())
            })
            .map_err(|error| error.to_string())
    }
}

fn run<'s>(
    session: &'s mut Session,
    ports: &mut [InputPort],
    rows: usize,
    inputs: &[Vec<f32>],
) -> ort::Result<SessionOutputs<'s>> {
    let batch = i64::try_from(rows).unwrap_or(i64::MAX);
    let values = ports
        .iter_mut()
        .map(|port| {
            port.shape[0] = batch;
            let view = (port.shape.as_slice(), inputs[port.position].as_slice());
            TensorRef::from_array_view(view).map(SessionInputValue::from)
        })
        .collect::<ort::Result<Vec<_>>>()?;
    session.run(values.as_slice())
}
