//! Rebuilds the network of a layer from a checkpoint.

use std::path::Path;

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_policy::{
    operational,
    research::{strategic, tactical},
};

use super::{checkpoint::Checkpoint, scaler::Scaler};
use crate::{
    contract::{DecisionLayer, FeatureSet},
    nets::{Network, OperationalNet, StrategicNet, TacticalNet},
    scaling::Scaling,
};

/// The first linear module of the workload's encoder: its width says how the features are grouped.
const WORKLOAD_WEIGHT: &str = "strategic_encoder.0.weight";

/// A scaler.yaml: its path, for messages, and its text.
pub(super) struct ScalerFile<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

/// A network, and name and unit of its features in order.
pub(super) type Imported = (Box<dyn Network>, Vec<(String, String)>);

/// The network of `layer` with the scaling of `file` and the checkpoint's weights.
///
/// # Errors
/// When the scaler or the checkpoint does not fit the layer's network.
pub(super) fn network(
    layer: DecisionLayer,
    file: &ScalerFile<'_>,
    checkpoint: &Checkpoint<'_>,
) -> Result<Imported> {
    let context = || format!("cannot use {}", file.path.display());
    let scaler = Scaler::parse(file.text).with_context(context)?;
    let (bounds, scaling) = scaler.scaling(layer).with_context(context)?;
    if layer != DecisionLayer::Operational {
        scaler.no_output(layer).with_context(context)?;
    }
    // The initial weights do not matter: the checkpoint overwrites all of them.
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    let network: Box<dyn Network> = match layer {
        DecisionLayer::Strategic => {
            let workload = workload(checkpoint, &scaling);
            Box::new(StrategicNet::new(scaling, workload, strategic::ACTIONS, &mut rng)?)
        }
        DecisionLayer::Tactical => {
            Box::new(TacticalNet::new(scaling, tactical::ACTIONS, &mut rng)?)
        }
        DecisionLayer::Operational => {
            let outputs = scaler.operational_outputs().with_context(context)?;
            let steps = operational::WINDOW_STEPS;
            Box::new(OperationalNet::new(scaling, steps, outputs, &mut rng)?)
        }
    };
    let parameters = checkpoint.parameters(network.parameters())?;
    network.parameters().copy_from(&parameters)?;
    let features = bounds.iter().map(|b| (b.name.to_owned(), b.unit.to_owned())).collect();
    Ok((network, features))
}

/// The number of workload features: the width of the checkpoint's encoder. When that cannot be, the
/// research framework's grouping, so that the error shows how the shapes differ from it.
fn workload(checkpoint: &Checkpoint<'_>, scaling: &Scaling) -> usize {
    let found = checkpoint.shape(WORKLOAD_WEIGHT).and_then(|shape| shape.get(1).copied());
    let most = scaling.width().saturating_sub(1);
    let usual = FeatureSet::Research.workload_features();
    found.filter(|width| (1..=most).contains(width)).unwrap_or(most.clamp(1, usual))
}
