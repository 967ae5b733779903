//! The release in force, its history, and the versions that layers must have loaded.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use futures_util::FutureExt;
use strata_chassis::Check;
use strata_domain::FaultKind;
use strata_wire::{Fault, pb};

use super::{Register, Release, ReleaseConfig};
use crate::link::Needs;

fn release(name: &str, [strategic, tactical, operational]: [u32; 3]) -> Release {
    let name = name.to_owned();
    Release::read(Some(pb::Release { name, strategic, tactical, operational })).unwrap()
}

async fn loads(_: &Release) -> Result<(), Fault> {
    Ok(())
}

async fn refuses(_: &Release) -> Result<(), Fault> {
    Err(Fault::new(FaultKind::NotFound, "no such version"))
}

fn in_force(register: &Register) -> Option<String> {
    register.in_force().map(|release| release.name().to_owned())
}

/// The versions that the strategic layer must and may load.
fn needs(register: &Register) -> (Vec<u32>, Vec<u32>) {
    let [strategic, ..] = register.needs();
    let Needs { must, may } = strategic.borrow().clone();
    (must, may)
}

#[tokio::test]
async fn a_rollback_goes_back_and_forth_also_to_no_release() {
    let register = Register::starting_with(None);
    let fault = register.roll_back(loads).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::FailedPrecondition);
    register.switch(release("a", [1, 1, 1]), loads).await.unwrap();
    register.roll_back(loads).await.unwrap();
    assert_eq!(in_force(&register), None);
    register.roll_back(loads).await.unwrap();
    assert_eq!(in_force(&register).as_deref(), Some("a"));
    register.switch(release("b", [2, 1, 1]), loads).await.unwrap();
    register.roll_back(loads).await.unwrap();
    assert_eq!(in_force(&register).as_deref(), Some("a"));
    let listed = register.listed();
    assert_eq!(listed.in_force.unwrap().name, "a");
    assert_eq!(listed.previous.unwrap().name, "b");
    let names = listed.history.into_iter().map(|c| c.release.map(|r| r.name).unwrap_or_default());
    assert_eq!(names.collect::<Vec<_>>(), ["a", "b", "a", "", "a", ""]);
}

#[tokio::test]
async fn what_is_refused_or_changes_nothing_leaves_no_trace() {
    let register = Register::starting_with(Some(release("a", [1, 1, 1])));
    let before = register.listed();
    let fault = register.switch(release("b", [7, 1, 1]), refuses).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound);
    assert_eq!((register.listed(), needs(&register)), (before.clone(), (vec![1], vec![])));
    register.switch(release("a", [1, 1, 1]), loads).await.unwrap();
    assert_eq!(register.listed(), before);
    register.clear();
    register.clear();
    assert_eq!((register.listed().history.len(), in_force(&register)), (2, None));
}

#[tokio::test]
async fn a_replica_that_connects_while_a_release_is_loaded_must_load_it_too() {
    let register = Arc::new(Register::starting_with(Some(release("a", [1, 1, 1]))));
    let seen = Arc::clone(&register);
    let loading = async move |_: &Release| {
        // The release is not in force yet, and its versions are needed already.
        assert_eq!(in_force(&seen).as_deref(), Some("a"));
        assert_eq!(needs(&seen), (vec![1, 2], vec![]));
        Ok(())
    };
    register.switch(release("b", [2, 1, 1]), loading).await.unwrap();
    // Version 1 stays for a rollback and for decisions in progress.
    assert_eq!(needs(&register), (vec![2], vec![1]));
    register.clear();
    assert_eq!(needs(&register), (vec![], vec![2]));
}

#[tokio::test]
async fn what_a_rollback_returns_to_is_kept_with_what_is_in_force() {
    let register = Register::starting_with(Some(release("a", [1, 1, 1])));
    register.switch(release("b", [3, 1, 2]), loads).await.unwrap();
    assert_eq!(register.kept(), [vec![1, 3], vec![1], vec![1, 2]]);
    register.switch(release("c", [2, 1, 2]), loads).await.unwrap();
    assert_eq!(register.kept(), [vec![2, 3], vec![1], vec![2]]);
    register.clear();
    assert_eq!(register.kept(), [vec![2], vec![1], vec![2]]);
}

#[tokio::test]
async fn a_decision_keeps_what_it_began_with() {
    let register = Register::starting_with(Some(release("a", [1, 1, 1])));
    let begun = register.in_force().unwrap();
    register.switch(release("b", [2, 2, 2]), loads).await.unwrap();
    assert_eq!((begun.name(), begun.versions()), ("a", [1, 1, 1]));
}

#[tokio::test]
async fn so_many_changes_wait_and_no_more() {
    let register = Arc::new(Register::starting_with(None));
    let (go, gone) = tokio::sync::watch::channel(false);
    let waiting: Vec<_> = (1..=16)
        .map(|version| {
            let (register, mut gone) = (Arc::clone(&register), gone.clone());
            let hangs = async move |_: &Release| {
                gone.wait_for(|gone| *gone).await.unwrap();
                Ok(())
            };
            tokio::spawn(async move { register.switch(release("r", [version, 1, 1]), hangs).await })
        })
        .collect();
    tokio::task::yield_now().await;
    // The switch is refused without waiting.
    let refused = register.switch(release("s", [1, 1, 1]), loads).now_or_never();
    let refused = refused.unwrap().unwrap_err();
    assert_eq!(refused.kind, FaultKind::ResourceExhausted);
    assert!(refused.message.contains("16 changes") && refused.retry_after.is_some());
    let refused = register.roll_back(loads).now_or_never().unwrap().unwrap_err();
    assert_eq!(refused.kind, FaultKind::ResourceExhausted);
    // `clear` waits for no other change.
    register.clear();
    go.send(true).unwrap();
    for change in waiting {
        change.await.unwrap().unwrap();
    }
    register.switch(release("s", [1, 1, 1]), loads).await.unwrap();
    assert_eq!(in_force(&register).as_deref(), Some("s"));
}

#[tokio::test]
async fn the_history_is_bounded() {
    let register = Register::starting_with(None);
    for version in 1..=100 {
        register.switch(release("r", [version, 1, 1]), loads).await.unwrap();
    }
    let history = register.listed().history;
    assert_eq!(history.len(), 32);
    assert_eq!(history[0].release.as_ref().unwrap().strategic, 100);
}

#[test]
fn a_release_has_a_plain_name_and_three_versions() {
    let wrong = |release: Option<pb::Release>| {
        let fields = Release::read(release).unwrap_err().violations.into_iter();
        fields.map(|violation| violation.field).collect::<Vec<_>>()
    };
    assert_eq!(wrong(None), ["release"]);
    let all = ["release.name", "release.strategic", "release.tactical", "release.operational"];
    assert_eq!(wrong(Some(pb::Release::default())), all);
    for name in ["with space", "new\nline", "ü", &"x".repeat(65)] {
        let name = name.to_owned();
        let release = pb::Release { name, strategic: 1, tactical: 1, operational: 1 };
        assert_eq!(wrong(Some(release)), ["release.name"]);
    }
}

#[test]
fn a_release_of_the_settings_is_whole_or_not_there() {
    assert!(ReleaseConfig::default().check().is_ok());
    assert_eq!(ReleaseConfig::default().release(), None);
    let named = ReleaseConfig { name: "r1".to_owned(), ..Default::default() };
    let reason = named.check().unwrap_err().to_string();
    assert!(reason.contains("strategic") && reason.contains("all four"), "{reason}");
    let unnamed = ReleaseConfig { tactical: Some(2), ..Default::default() };
    assert!(unnamed.check().is_err());
    let [strategic, tactical, operational] = [Some(2), Some(1), Some(3)];
    let whole = ReleaseConfig { strategic, tactical, operational, ..named };
    assert!(whole.check().is_ok());
    assert_eq!(whole.release(), Some(release("r1", [2, 1, 3])));
}
