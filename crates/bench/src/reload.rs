//! Changes of versions while a load runs: load, share the traffic, roll back, unload.

use std::time::{Duration, Instant};

use anyhow::Context;
use strata_load::{Refusal, channel};
use strata_wire::{pb, pb::models_client::ModelsClient};
use tokio::time::MissedTickBehavior;
use tonic::Code;

/// Time from one load to the next. Without it, versions that load faster would be loaded more often
/// (60 to 90 times a second on two cores under load), and the figures would be worse.
const PACE: Duration = Duration::from_millis(33);

/// Changes one layer after the other until `until`: loads a version that is not loaded, gives it
/// half of the traffic, rolls back and unloads the version. Returns how many versions were loaded:
/// 0 where no layer has two versions.
///
/// # Errors
/// When a layer refuses a change.
pub(crate) async fn versions_until(layers: &[String], until: Instant) -> anyhow::Result<u64> {
    let mut loaded = 0;
    let mut ticks = tokio::time::interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let before = loaded;
        for layer in layers {
            ticks.tick().await;
            if Instant::now() >= until {
                return Ok(loaded);
            }
            let changed = change(layer).await;
            loaded += u64::from(changed.with_context(|| format!("{layer} refuses"))?);
        }
        if loaded == before {
            return Ok(loaded);
        }
    }
}

/// One change of a layer. Returns whether there was a version to load.
async fn change(layer: &str) -> anyhow::Result<bool> {
    let mut layer = ModelsClient::new(channel(layer)?);
    let list = layer.list(pb::ListModelsRequest::default()).await.map_err(Refusal::of)?;
    let versions = list.into_inner().versions;
    let serving = versions.iter().find(|version| version.traffic_percent == 100);
    let other = versions.iter().find(|version| version.loaded_at.is_none());
    let (Some(serving), Some(other)) = (serving, other) else { return Ok(false) };
    let version = other.version;
    let request = pb::LoadModelRequest { version, ..Default::default() };
    match layer.load(request).await {
        // A version that was made for another catalogue.
        Err(status) if status.code() == Code::FailedPrecondition => return Ok(false),
        loaded => loaded.map_err(Refusal::of)?,
    };
    let share = |version| pb::TrafficShare { version, percent: 50, label: String::new() };
    let shares = vec![share(serving.version), share(version)];
    let request = pb::SetTrafficRequest { shares, ..Default::default() };
    layer.set_traffic(request).await.map_err(Refusal::of)?;
    layer.rollback(pb::RollbackRequest::default()).await.map_err(Refusal::of)?;
    let request = pb::UnloadModelRequest { version, ..Default::default() };
    layer.unload(request).await.map_err(Refusal::of)?;
    Ok(true)
}
