use std::{collections::BTreeMap, sync::Arc};

use strata_runtime::Manifest;
use strata_wire::{Fault, pb};

use super::{
    catalog::{Catalog, Condition, unreadable},
    snapshot::Snapshot,
    tally::Outcomes,
    version::Version,
};
use crate::adapter::Adapter;

impl<A: Adapter> Catalog<A> {
    /// Every version in the repository and every loaded version, newest first.
    ///
    /// # Errors
    /// `Internal` when the repository cannot be read.
    pub(crate) async fn list(self: &Arc<Self>) -> Result<Vec<pb::ModelVersion>, Fault> {
        let found = self
            .blocking(|this| {
                let numbers = this.loader.available::<A>()?;
                let manifest = |number| {
                    let manifest = this.loader.repository.manifest(A::NAME, number);
                    (number, manifest.ok().as_ref().map(told_by).unwrap_or_default())
                };
                Ok(numbers.into_iter().map(manifest).collect::<BTreeMap<_, _>>())
            })
            .await?;
        let mut listed = found.map_err(|error| unreadable(&error))?;
        let conditions = {
            let mut conditions = self.conditions();
            // Forgets the failures of versions that are no longer in the repository.
            conditions.retain(|number, condition| {
                listed.contains_key(number) || !matches!(condition, Condition::Failed { .. })
            });
            conditions.clone()
        };
        let snapshot = self.snapshot();
        for (number, version) in snapshot.loaded() {
            listed.insert(*number, loaded(version, &snapshot));
        }
        for (number, condition) in conditions {
            // The version was loaded between the two reads, so it is ready.
            if snapshot.loaded().contains_key(&number) {
                continue;
            }
            let entry = listed.entry(number).or_default();
            let (state, error) = match condition {
                Condition::Loading => (pb::ModelState::Loading, String::new()),
                Condition::Unloading => (pb::ModelState::Unloading, String::new()),
                Condition::Failed { reason, .. } => (pb::ModelState::Failed, reason),
            };
            (entry.state, entry.error) = (state.into(), error);
        }
        let named =
            |(version, entry)| pb::ModelVersion { model: A::NAME.to_owned(), version, ..entry };
        Ok(listed.into_iter().rev().map(named).collect())
    }
}

/// The entry of a version that is not loaded, from its manifest.
fn told_by(manifest: &Manifest) -> pb::ModelVersion {
    pb::ModelVersion {
        state: pb::ModelState::Available.into(),
        sha256: manifest.graph.sha256.clone(),
        metrics: manifest.metrics.clone().into_iter().collect(),
        ..Default::default()
    }
}

fn loaded<A>(version: &Version<A>, snapshot: &Snapshot<A>) -> pb::ModelVersion {
    let traffic = snapshot.traffic();
    let active = traffic.is_shadow(version.number);
    let outcomes = version.shadow.read();
    pb::ModelVersion {
        state: pb::ModelState::Ready.into(),
        traffic_percent: traffic.percent(version.number),
        loaded_at: Some(version.loaded_at.into()),
        execution_provider: version.runner.model().execution_provider().to_string(),
        precision: version.precision.to_string(),
        labels: traffic.label(version.number).map(str::to_owned).into_iter().collect(),
        rows: version.rows(),
        shadow: (active || outcomes.is_some())
            .then(|| shadow_report(active, outcomes.unwrap_or_default())),
        ..told_by(version.manifest())
    }
}

fn shadow_report(active: bool, outcomes: Outcomes) -> pb::ShadowReport {
    let rows = outcomes.agreed + outcomes.differed;
    pb::ShadowReport {
        active,
        rows,
        agreed: outcomes.agreed,
        skipped: outcomes.skipped,
        mean_score_difference: if rows == 0 { 0.0 } else { outcomes.difference / rows as f64 },
    }
}
