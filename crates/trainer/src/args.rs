//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use strata_trainer::{
    contract::FeatureSet,
    import::Import,
    quantise::Quantise,
    train::{OperationalOptions, RunOptions, StrategicOptions, TacticalOptions},
};

/// Trains the models on the simulator with the bundled trace, checks them and publishes them.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train all three layers: tactical, then strategic on top of it, then operational.
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
    /// Train the strategic layer on top of the published tactical layer.
    Strategic {
        #[command(flatten)]
        run: RunArgs,
        #[command(flatten)]
        strategic: StrategicOptions,
    },
    /// Train the tactical layer.
    Tactical {
        #[command(flatten)]
        run: RunArgs,
        #[command(flatten)]
        tactical: TacticalOptions,
    },
    /// Train the operational layer.
    Operational {
        #[command(flatten)]
        run: RunArgs,
        #[command(flatten)]
        operational: OperationalOptions,
    },
    /// Publish version 3 of the strategic and the tactical layer, which scores the candidates of
    /// any catalogue by their expected objectives.
    Formula {
        /// The model repository to publish into.
        #[arg(long, default_value = "models")]
        out: PathBuf,
    },
    /// Publish a PyTorch checkpoint or an ONNX graph as a new version (docs/bring-your-own.md).
    Import(Import),
    /// Publish an int8 variant beside a version's graph, with its loss of accuracy
    /// (docs/models.md).
    Quantize(Quantise),
    /// Check published models: hash, manifest against graph, parity with candle, finite outputs.
    Verify {
        /// The model repository.
        #[arg(default_value = "models")]
        models: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The model repository to publish into.
    #[arg(long, default_value = "models")]
    out: PathBuf,
    /// Seed of initial weights, exploration and order of learning.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Use only that many functions of the trace, for a quick trial.
    #[arg(long)]
    functions: Option<usize>,
    /// Measure on validation functions and hours instead of held-out ones, to choose settings by.
    #[arg(long)]
    choosing: bool,
    /// Keep the latest checkpoint of each layer and version in this directory; it is saved at each
    /// validation or after each epoch.
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// Resume from the checkpoints in that directory; layers without one start from the beginning.
    #[arg(long, requires = "checkpoint")]
    resume: bool,
    /// Publish a model even if it is worse than the version in service; its manifest says so.
    #[arg(long)]
    force: bool,
    /// Train version 1, on the research framework's own features.
    #[arg(long)]
    research: bool,
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
            features: if args.research { FeatureSet::Research } else { FeatureSet::Extended },
        }
    }
}
