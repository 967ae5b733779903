//! The program `trainer`: fits or imports, proves and publishes the three models.

#![forbid(unsafe_code)]

mod args;
mod single_thread;

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Result, ensure};
use clap::Parser;
use strata_runtime::OnnxRuntime;
use strata_trainer::{
    formula::{self, PlacingLayer},
    import, publish,
    quantise::{self, Quantise},
    train::{self, Run},
};

use self::args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    single_thread::run(|| match execute(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, there is no place to report that.
            let _ = writeln!(io::stderr(), "trainer: {error:#}");
            ExitCode::FAILURE
        }
    })
}

fn execute(args: Args) -> Result<()> {
    match args.command {
        Command::All { run, tactical, strategic, operational } => {
            let run = Run::new(run.into())?;
            print([train::tactical(&run, &tactical)?])?;
            print(train::strategic(&run, &strategic)?)?;
            print(train::operational(&run, &operational)?)
        }
        Command::Tactical { run, tactical } => {
            print([train::tactical(&Run::new(run.into())?, &tactical)?])
        }
        Command::Strategic { run, strategic } => {
            print(train::strategic(&Run::new(run.into())?, &strategic)?)
        }
        Command::Operational { run, operational } => {
            print(train::operational(&Run::new(run.into())?, &operational)?)
        }
        Command::Formula { out } => {
            let runtime = OnnxRuntime::load(None)?;
            let publish = |layer| formula::publish(&out, layer, &runtime);
            let made: Vec<_> = PlacingLayer::ALL.into_iter().map(publish).collect::<Result<_>>()?;
            print(made.iter().map(|directory| directory.display()))
        }
        Command::Verify { models } => print(publish::verify(&models, &OnnxRuntime::load(None)?)?),
        Command::Quantize(options) => quantise(&options),
        Command::Import(options) => {
            let directory = import::import(&options, &OnnxRuntime::load(None)?)?;
            print([directory.display()])
        }
    }
}

fn quantise(options: &Quantise) -> Result<()> {
    let made = quantise::quantise(options, &OnnxRuntime::load(None)?)?;
    print([&made])?;
    ensure!(
        made.published.is_some(),
        "not published: {}. Allow more with --tolerance, or publish anyway with --force",
        made.against.join("; ")
    );
    Ok(())
}

/// Prints one item per line on standard output.
fn print(items: impl IntoIterator<Item = impl Display>) -> Result<()> {
    let mut out = io::stdout().lock();
    Ok(items.into_iter().try_for_each(|item| writeln!(out, "{item}"))?)
}
