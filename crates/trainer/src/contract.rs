//! What each layer wants of its model, whoever made it: names, shapes, labels, features.

use std::fmt;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use strata_domain::Provider;
use strata_policy::{operational, strategic, tactical};
use strata_runtime::Manifest;

/// One of the three layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Layer {
    /// Chooses the provider.
    Strategic,
    /// Chooses region and memory.
    Tactical,
    /// Forecasts the next step.
    Operational,
}

/// An input column: name and unit as the catalogue has them, least and greatest value fed.
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

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Layer {
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

    /// The shape of one row of the input when there are so many features.
    pub fn row(self, features: usize) -> Vec<usize> {
        match self {
            Self::Strategic | Self::Tactical => vec![features],
            Self::Operational => vec![operational::WINDOW_STEPS, features],
        }
    }

    /// Name of each output, and what its positions mean.
    pub fn outputs(self) -> Vec<(&'static str, Vec<String>)> {
        match self {
            Self::Strategic => {
                let providers = Provider::ALL.map(|provider| provider.name().to_owned());
                vec![(strategic::OUTPUT, providers.to_vec())]
            }
            Self::Tactical => {
                let actions = (0..tactical::ACTIONS).filter_map(tactical::Action::from_index);
                let labels = actions.map(|tactical::Action { region, memory }| {
                    format!("{}/{}", region.name_at(Provider::Aws), memory.megabytes())
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

    /// An output that a model of the layer may have beside those, and what its positions mean.
    pub fn optional_output(self) -> Option<(&'static str, Vec<String>)> {
        let upper = || (operational::UPPER, operational::LABELS.map(str::to_owned).to_vec());
        (self == Self::Operational).then(upper)
    }

    /// What the positions of each output mean.
    pub fn labels(self) -> Vec<Vec<String>> {
        self.outputs().into_iter().map(|(_, labels)| labels).collect()
    }

    /// The columns a model takes when it names none.
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

    /// The columns named in `wanted` (name, unit), in that order.
    ///
    /// # Errors
    /// When the layer cannot give one of them, or has it in another unit.
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

    /// Whether a service of this layer can serve the model that `manifest` describes. Returns the
    /// columns of its input.
    ///
    /// # Errors
    /// With what differs, both sides shown.
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
        let wanted = self.row(bounds.len());
        ensure!(
            input.shape.row() == wanted,
            "a row of input `{}` must be {wanted:?}, the manifest says {:?}",
            input.name,
            input.shape.row()
        );
        let found = |name: &str| manifest.outputs.iter().find(|output| output.name == name);
        let given = self.optional_output().filter(|(name, _)| found(name).is_some());
        for (name, labels) in self.outputs().into_iter().chain(given) {
            let output = found(name);
            let output = output.with_context(|| format!("the manifest has no output `{name}`"))?;
            ensure!(
                output.shape.row() == [labels.len()],
                "output `{name}` must hold {} numbers a row, the manifest says {:?}",
                labels.len(),
                output.shape.row()
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
        Ok(bounds)
    }
}

fn bounds(features: impl Iterator<Item = (&'static str, &'static str, f64, f64)>) -> Vec<Bound> {
    features.map(|(name, unit, min, max)| Bound { name, unit, min, max }).collect()
}
