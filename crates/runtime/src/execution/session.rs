use std::sync::Once;

use ort::{
    ep::CUDA,
    logging::LogLevel,
    session::{Session, SessionInputValue, SessionOutputs, builder::GraphOptimizationLevel},
    value::{Outlet, TensorRef},
};

use super::{
    batcher::{RunBatch, RunSize},
    graph,
    options::ModelOptions,
    provider::ExecutionProvider,
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
    /// In the manifest's order.
    outputs: Vec<OutputPort>,
}

/// An input of the graph, in the graph's order.
struct InputPort {
    /// Its position in the manifest.
    position: usize,
    /// Its shape; the first dimension and that of the axis are set before every run.
    shape: Vec<i64>,
    on_axis: bool,
}

/// An output of the graph.
struct OutputPort {
    /// Its position in the graph.
    position: usize,
    on_axis: bool,
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
                let shape = &manifest.inputs[position].shape;
                let on_axis = shape.axis().is_some();
                let dims = shape.row().iter().copied().map(dim);
                let shape = [0].into_iter().chain(on_axis.then_some(0)).chain(dims).collect();
                InputPort { position, shape, on_axis }
            })
            .collect();
        let names = manifest.outputs.iter().map(|output| output.name.as_str());
        let positions = graph::positions(names, session.outputs()).into_iter();
        let outputs = positions.zip(&manifest.outputs).map(|(position, output)| OutputPort {
            position,
            on_axis: output.shape.axis().is_some(),
        });
        let outputs = outputs.collect();
        OrtSession { session, inputs, outputs }
    }
}

impl RunBatch for OrtSession {
    fn run(
        &mut self,
        size: RunSize,
        inputs: &[Vec<f32>],
        outputs: &mut [Vec<f32>],
    ) -> Result<(), String> {
        let OrtSession { session, inputs: ports, outputs: wanted } = self;
        let text = |error: ort::Error| error.to_string();
        let results = run(session, ports, size, inputs).map_err(text)?;
        for (output, port) in outputs.iter_mut().zip(wanted) {
            let (shape, values) =
                results[port.position].try_extract_tensor::<f32>().map_err(text)?;
            // Two symbolic dimensions may be swapped; the number of values would be right then.
            if port.on_axis && !shape.starts_with(&[dim(size.rows), dim(size.extent)]) {
                return Err(format!("an output is {shape:?}, not {size:?}"));
            }
            output.extend_from_slice(values);
        }
        Ok(())
    }
}

/// A dimension in the type of ONNX Runtime.
fn dim(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn run<'s>(
    session: &'s mut Session,
    ports: &mut [InputPort],
    size: RunSize,
    inputs: &[Vec<f32>],
) -> ort::Result<SessionOutputs<'s>> {
    let values = ports
        .iter_mut()
        .map(|port| {
            port.shape[0] = dim(size.rows);
            if port.on_axis {
                port.shape[1] = dim(size.extent);
            }
            let view = (port.shape.as_slice(), inputs[port.position].as_slice());
            TensorRef::from_array_view(view).map(SessionInputValue::from)
        })
        .collect::<ort::Result<Vec<_>>>()?;
    session.run(values.as_slice())
}
