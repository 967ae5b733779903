use super::{graph::Mismatch, provider::ExecutionProvider};

/// Why a model could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting is out of range.
    #[error("model options: {0}")]
    Options(String),
    /// The execution provider that was asked for is not available.
    #[error(
        "execution provider {provider} cannot be had: {reason}; use auto or cpu to run without"
    )]
    Provider {
        /// The one asked for.
        provider: ExecutionProvider,
        /// ONNX Runtime's message.
        reason: String,
    },
    /// ONNX Runtime refused the graph.
    #[error("ONNX Runtime cannot load the graph: {0}")]
    Session(String),
    /// The graph is not the one that the manifest describes.
    #[error("model `{model}`: {}", joined(mismatches))]
    Graph {
        /// The model's name.
        model: String,
        /// Every difference found.
        mismatches: Vec<Mismatch>,
    },
    /// The graph failed, or its outputs are not as they should be.
    #[error("model `{model}` failed its warm-up at batch size {rows}: {reason}")]
    WarmUp {
        /// The model's name.
        model: String,
        /// The batch size that failed.
        rows: usize,
        /// What went wrong.
        reason: String,
    },
    /// A thread could not be started.
    #[error("cannot start a thread for the model")]
    Thread(#[source] std::io::Error),
}

fn joined(mismatches: &[Mismatch]) -> String {
    mismatches.iter().map(Mismatch::to_string).collect::<Vec<_>>().join("; ")
}
