//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use strata_trainer::{
    import::Import,
    quantise::Quantise,
    train::{OperationalOptions, RunOptions, StrategicOptions, TacticalOptions},
};

/// Fits the models on the simulator over the bundled trace, proves them and publishes them.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// All three layers: tactical, then strategic on top of it, then operational.
    All {
        #[command(flatten)]
        run: RunArgs,
        #[command(flatten)]
        tactical: TacticalOptions,
        #[command(flatten)]
        strategic: StrategicOptions,
        #[command(flatten)]
        operational: OperationalOptions,
    },
    /// The strategic layer, on top of the published tactical one.
    Strategic {
        #[command(flatten)]
        run: RunArgs,
        #[command(flatten)]
        strategic: StrategicOptions,
    },
    /// The tactical layer.
    Tactical {
        #[command(flatten)]
        run: RunArgs,
        #[command(flatten)]
        tactical: TacticalOptions,
    },
    /// The operational layer.
    Operational {
        #[command(flatten)]
        run: RunArgs,
        #[command(flatten)]
        operational: OperationalOptions,
    },
    /// Publishes a PyTorch checkpoint or an ONNX graph as a new version; see
    /// docs/bring-your-own.md.
    Import(Import),
    /// Publishes an int8 variant beside a version's graph, with what it costs in accuracy; see
    /// docs/models.md.
    Quantize(Quantise),
    /// Checks published models: hash, manifest against graph, parity with candle, finite outputs.
    Verify {
        /// Directory of the models.
        #[arg(default_value = "models")]
        models: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Directory that models are published in.
    #[arg(long, default_value = "models")]
    out: PathBuf,
    /// Seed of weights, exploration and order of learning.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Use only the first functions of the trace, for trying things out.
    #[arg(long)]
    functions: Option<usize>,
    /// Measure on validation functions and hours instead of held-out ones: for choosing settings.
    #[arg(long)]
    choosing: bool,
    /// Keep checkpoints in this directory: at each judgement, or after each epoch, the latest of each layer and version.
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// Go on from the checkpoints in that directory; layers without one begin anew.
    #[arg(long, requires = "checkpoint")]
    resume: bool,
    /// Publish even what is worse than the version in service; the manifest says so.
    #[arg(long)]
    force: bool,
    /// Train version 1, on the research framework's own features.
    #[arg(long)]
    pub(crate) research: bool,
}

impl From<RunArgs> for RunOptions {
    fn from(args: RunArgs) -> Self {
        Self {
            models: args.out,
            seed: args.seed,
            functions: args.functions,
            choosing: args.choosing,
            force: args.force,
            checkpoints: args.checkpoint,
            resume: args.resume,
        }
    }
}
