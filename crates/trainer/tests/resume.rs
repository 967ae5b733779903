//! Runs that resume from checkpoints publish the same bytes as runs that were never interrupted.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;
use strata_trainer::{
    contract::FeatureSet,
    train::{self, OperationalOptions, Run, RunOptions, StrategicOptions, TacticalOptions},
};

#[derive(Parser)]
struct Budgets {
    #[command(flatten)]
    tactical: TacticalOptions,
    #[command(flatten)]
    strategic: StrategicOptions,
    #[command(flatten)]
    operational: OperationalOptions,
}

fn budgets(more: &str) -> Budgets {
    let line = format!(
        "budgets --ppo-decisions 3200 --ppo-horizon 5 --ppo-epochs 1 --dqn-decisions 400 \
         --dqn-batch 16 --dqn-train-every 8 --dqn-replay 100 --lstm-windows 300 --lstm-epochs 3 \
         {more}"
    );
    Budgets::parse_from(line.split_whitespace())
}

fn run(models: &Path, checkpoints: Option<PathBuf>, resume: bool) -> Run {
    Run::new(RunOptions {
        models: models.to_owned(),
        seed: 3,
        functions: Some(30),
        choosing: false,
        force: true,
        checkpoints,
        resume,
        features: FeatureSet::Extended,
    })
    .unwrap()
}

fn train_all(run: &Run) {
    let budgets = budgets("");
    train::tactical(run, &budgets.tactical).unwrap();
    train::strategic(run, &budgets.strategic).unwrap();
    train::operational(run, &budgets.operational).unwrap();
}

/// Every published file by its path.
fn published(models: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for version in ["tactical/2", "strategic/2", "operational/2"] {
        for file in ["model.onnx", "manifest.yaml", "training.csv"] {
            let name = format!("{version}/{file}");
            files.insert(name.clone(), fs::read(models.join(name)).unwrap());
        }
    }
    files
}

#[test]
fn a_resumed_run_publishes_the_same_bytes_and_other_options_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    train_all(&run(&at("plain"), None, false));
    train_all(&run(&at("kept"), Some(at("checkpoints")), false));
    // The last checkpoints are from before the end of each fit: this run repeats the rest.
    train_all(&run(&at("resumed"), Some(at("checkpoints")), true));
    let plain = published(&at("plain"));
    for (name, bytes) in &plain {
        assert!(published(&at("kept"))[name] == *bytes, "keeping checkpoints changes {name}");
        assert!(published(&at("resumed"))[name] == *bytes, "resuming changes {name}");
    }

    let resumed = run(&at("other"), Some(at("checkpoints")), true);
    let other = budgets("--ppo-gamma 0.25");
    let refusal = format!("{:#}", train::tactical(&resumed, &other.tactical).unwrap_err());
    assert!(refusal.contains("gamma 0.3 instead of 0.25"), "{refusal}");
    assert!(!at("other").exists(), "something was published");

    let kept = at("checkpoints/tactical/2");
    let state = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().path());
    let states: Vec<_> =
        state.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).collect();
    assert_eq!(states.len(), 1, "old states are left: {states:?}");
    fs::write(&states[0], b"damaged").unwrap();
    let refusal = train::tactical(&resumed, &budgets("").tactical).unwrap_err();
    assert!(format!("{refusal:#}").contains("hash"), "{refusal:#}");
}
