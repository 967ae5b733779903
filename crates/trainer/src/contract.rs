//! What each layer requires of its model, whoever made it: names, shapes, labels, features.

use std::fmt;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use strata_policy::{
    operational,
    research::{Provider, strategic, tactical},
};
use strata_runtime::{Manifest, Shape};

/// One of the three layers of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DecisionLayer {
    /// Chooses the provider.
    Strategic,
    /// Chooses region and memory.
    Tactical,
    /// Forecasts the next step.
    Operational,
}

/// The features that a network takes, which decide the version it is published as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureSet {
    /// Version 1: the research framework's own features.
    Research,
    /// Version 2: more features of the catalogue, and the expectations of the domain's formulas.
    Extended,
}

impl FeatureSet {
    /// The version that is published.
    pub const fn version(self) -> u32 {
        match self {
            Self::Research => 1,
            Self::Extended => 2,
        }
    }

    /// The names of the strategic layer's features in order.
    pub const fn strategic(self) -> &'static [&'static str] {
        match self {
            Self::Research => &strategic::DEFAULT_FEATURES,
            Self::Extended => &strategic::EXTENDED_FEATURES,
        }
    }

    /// The names of the tactical layer's features in order.
    pub const fn tactical(self) -> &'static [&'static str] {
        match self {
            Self::Research => &tactical::DEFAULT_FEATURES,
            Self::Extended => &tactical::EXTENDED_FEATURES,
        }
    }

    /// How many of the strategic layer's features describe the workload. Those of its application
    /// and the expectations of each provider follow.
    pub fn workload_features(self) -> usize {
        self.strategic().iter().take_while(|name| !name.starts_with("app_")).count()
    }
}

/// An input column with its name and unit in the catalogue and the range of values fed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    /// Name in the catalogue.
    pub name: &'static str,
    /// Unit in the catalogue.
    pub unit: &'static str,
    /// Least value that a service feeds, in that unit.
    pub min: f64,
    /// Greatest value that a service feeds, in that unit.
    pub max: f64,
}

impl fmt::Display for DecisionLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl DecisionLayer {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Strategic, Self::Tactical, Self::Operational];

    /// The name of the layer, of its model and of its graph.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strategic => "strategic",
            Self::Tactical => "tactical",
            Self::Operational => "operational",
        }
    }

    /// The layer of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layer| layer.name() == name)
    }

    /// The name of the model's one input.
    pub fn input(self) -> &'static str {
        match self {
            Self::Strategic => strategic::INPUT,
            Self::Tactical => tactical::INPUT,
            Self::Operational => operational::INPUT,
        }
    }

    /// The shape of one row of the input with that many features.
    pub fn row(self, features: usize) -> Vec<usize> {
        match self {
            Self::Strategic | Self::Tactical => vec![features],
            Self::Operational => vec![operational::WINDOW_STEPS, features],
        }
    }

    /// The name of each output, and the labels of its positions.
    pub fn outputs(self) -> Vec<(&'static str, Vec<String>)> {
        match self {
            Self::Strategic => {
                let providers = Provider::ALL.map(|provider| provider.name().to_owned());
                vec![(strategic::OUTPUT, providers.to_vec())]
            }
            Self::Tactical => {
                let actions = (0..tactical::ACTIONS).filter_map(tactical::Action::from_index);
                let labels = actions.map(|tactical::Action { area, tier }| {
                    format!("{}/{}", area.label(), tier.megabytes())
                });
                vec![
                    (tactical::LOGITS, labels.collect()),
                    (tactical::VALUE, vec!["value".to_owned()]),
                ]
            }
            Self::Operational => {
                vec![(operational::OUTPUT, operational::LABELS.map(str::to_owned).to_vec())]
            }
        }
    }

    /// An output that a model of the layer may have in addition, and the labels of its positions.
    pub fn optional_output(self) -> Option<(&'static str, Vec<String>)> {
        let upper = || (operational::UPPER, operational::LABELS.map(str::to_owned).to_vec());
        (self == Self::Operational).then(upper)
    }

    /// The labels of each output's positions.
    pub fn labels(self) -> Vec<Vec<String>> {
        self.outputs().into_iter().map(|(_, labels)| labels).collect()
    }

    /// The columns that a model takes when it names none.
    ///
    /// # Errors
    /// Never for the catalogue as it is.
    pub fn default_features(self) -> Result<Vec<Bound>> {
        Ok(match self {
            Self::Strategic => {
                bounds(strategic::Encoder::of_names(&strategic::DEFAULT_FEATURES)?.features())
            }
            Self::Tactical => {
                bounds(tactical::Encoder::of_names(&tactical::DEFAULT_FEATURES)?.features())
            }
            Self::Operational => {
                bounds(operational::Encoder::of_names(&operational::DEFAULT_FEATURES)?.features())
            }
        })
    }

    /// The columns for `wanted` (name, unit), in that order.
    ///
    /// # Errors
    /// When the layer does not have one of them, or has it in another unit.
    pub fn features<'w>(
        self,
        wanted: impl IntoIterator<Item = (&'w str, &'w str)>,
    ) -> Result<Vec<Bound>> {
        let found = match self {
            Self::Strategic => bounds(strategic::Encoder::resolve(wanted)?.features()),
            Self::Tactical => bounds(tactical::Encoder::resolve(wanted)?.features()),
            Self::Operational => bounds(operational::Encoder::resolve(wanted)?.features()),
        };
        ensure!(!found.is_empty(), "the {self} layer's model needs at least one feature");
        Ok(found)
    }

    /// Checks that a service of this layer can serve the model that `manifest` describes. Returns
    /// the columns of its input.
    ///
    /// # Errors
    /// With the first difference, both sides shown.
    pub fn accepts(self, manifest: &Manifest) -> Result<Vec<Bound>> {
        let names: Vec<_> = manifest.inputs.iter().map(|input| input.name.as_str()).collect();
        ensure!(
            names == [self.input()],
            "the {self} layer feeds the one input `{}`, the manifest has {names:?}",
            self.input()
        );
        let input = manifest.inputs.first().context("the manifest has no input")?;
        let bounds = self
            .features(input.features.iter().map(|f| (f.name.as_str(), f.unit.as_str())))
            .with_context(|| format!("input `{}`", input.name))?;
        let wanted = Shape::new(self.row(bounds.len()));
        ensure!(
            input.shape == wanted,
            "input `{}` must be {wanted}, the manifest says {}",
            input.name,
            input.shape
        );
        self.accepts_outputs(manifest)?;
        Ok(bounds)
    }

    /// Checks the names, shapes and labels of the outputs.
    fn accepts_outputs(self, manifest: &Manifest) -> Result<()> {
        let found = |name: &str| manifest.outputs.iter().find(|output| output.name == name);
        let given = self.optional_output().filter(|(name, _)| found(name).is_some());
        for (name, labels) in self.outputs().into_iter().chain(given) {
            let output = found(name);
            let output = output.with_context(|| format!("the manifest has no output `{name}`"))?;
            ensure!(
                output.shape == Shape::new([labels.len()]),
                "output `{name}` must hold {} numbers a row, the manifest says {}",
                labels.len(),
                output.shape
            );
            let mut sorted = [labels, output.labels.clone()];
            sorted.iter_mut().for_each(|labels| labels.sort_unstable());
            ensure!(
                sorted[0] == sorted[1] || self != Self::Operational,
                "output `{name}` must have the labels {:?}, the manifest has {:?}",
                sorted[0],
                sorted[1]
            );
        }
        Ok(())
    }
}

fn bounds(features: impl Iterator<Item = (&'static str, &'static str, f64, f64)>) -> Vec<Bound> {
    features.map(|(name, unit, min, max)| Bound { name, unit, min, max }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_research_features_of_a_workload_are_ten() {
        assert_eq!(FeatureSet::Research.workload_features(), 10);
        assert_eq!(FeatureSet::Extended.workload_features(), 26);
    }
}
