//! Versions that are loaded, given traffic, and unloaded again while others are asked.

use std::time::{Duration, Instant};

use anyhow::Context;
use strata_wire::pb;
use strata_wire::pb::models_client::ModelsClient;
use tokio::time::MissedTickBehavior;

use crate::connection;
use crate::failure::Refusal;

/// Time from one load to the next. Without, the figures would be worse the faster versions load: on two cores 60 to 90 a second under load.
const PACE: Duration = Duration::from_millis(33);

/// Loads the newest other version of one layer after the other, gives it half of the traffic, takes it back, and unloads the version, until the
/// time is over. Returns how many were loaded: none where no layer has two versions.
///
/// # Errors
/// A change that is refused.
pub(crate) async fn versions_until(layers: &[String], until: Instant) -> anyhow::Result<u64> {
    let mut loaded = 0;
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let before = loaded;
        for layer in layers {
            pace.tick().await;
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

async fn change(layer: &str) -> anyhow::Result<bool> {
    let mut layer = ModelsClient::new(connection::channel(layer)?);
    let list = layer.list(pb::ListModelsRequest::default()).await.map_err(Refusal::of)?;
    let versions = list.into_inner().versions;
    let serving = versions.iter().find(|version| version.traffic_percent == 100);
    let other = versions.iter().find(|version| version.loaded_at.is_none());
    let (Some(serving), Some(other)) = (serving, other) else { return Ok(false) };
    let version = other.version;
    let request = pb::LoadModelRequest { version, ..Default::default() };
    layer.load(request).await.map_err(Refusal::of)?;
    let share = |version| pb::TrafficShare { version, percent: 50, label: String::new() };
    let shares = vec![share(serving.version), share(version)];
    let request = pb::SetTrafficRequest { shares, ..Default::default() };
    layer.set_traffic(request).await.map_err(Refusal::of)?;
    layer.rollback(pb::RollbackRequest::default()).await.map_err(Refusal::of)?;
    let request = pb::UnloadModelRequest { version, ..Default::default() };
    layer.unload(request).await.map_err(Refusal::of)?;
    Ok(true)
}
