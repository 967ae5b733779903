//! `trainer`: fits or imports, proves and publishes the three models.

#![forbid(unsafe_code)]

use std::{io::Write, process::ExitCode};

use anyhow::{Result, ensure};
use clap::Parser;

mod args;
mod single_thread;

use strata_runtime::OnnxRuntime;
use strata_trainer::{import, publish, quantise, train};

use self::args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    single_thread::run(|| match execute(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is there to be told when standard error is closed.
            let _ = writeln!(std::io::stderr(), "trainer: {error:#}");
            ExitCode::FAILURE
        }
    })
}

fn execute(args: Args) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match args.command {
        Command::All { run, mut tactical, mut strategic, mut operational } => {
            (tactical.research, strategic.research) = (run.research, run.research);
            operational.research = run.research;
            let run = train::Run::new(run.into())?;
            writeln!(out, "{}", train::tactical(&run, &tactical)?)?;
            for table in train::strategic(&run, &strategic)? {
                writeln!(out, "{table}")?;
            }
            for table in train::operational(&run, &operational)? {
                writeln!(out, "{table}")?;
            }
        }
        Command::Tactical { run, mut tactical } => {
            tactical.research = run.research;
            writeln!(out, "{}", train::tactical(&train::Run::new(run.into())?, &tactical)?)?;
        }
        Command::Strategic { run, mut strategic } => {
            strategic.research = run.research;
            for table in train::strategic(&train::Run::new(run.into())?, &strategic)? {
                writeln!(out, "{table}")?;
            }
        }
        Command::Operational { run, mut operational } => {
            operational.research = run.research;
            for table in train::operational(&train::Run::new(run.into())?, &operational)? {
                writeln!(out, "{table}")?;
            }
        }
        Command::Verify { models } => {
            for verified in publish::verify(&models, &OnnxRuntime::load(None)?)? {
                writeln!(out, "{verified}")?;
            }
        }
        Command::Quantize(options) => {
            let judged = quantise::quantise(&options, &OnnxRuntime::load(None)?)?;
            writeln!(out, "{judged}")?;
            ensure!(
                judged.published.is_some(),
                "not published: {}. Allow more with --tolerance, or publish anyway with --force",
                judged.against.join("; ")
            );
        }
        Command::Import(options) => {
            let directory = import::import(&options, &OnnxRuntime::load(None)?)?;
            writeln!(out, "{}", directory.display())?;
        }
    }
    Ok(())
}
