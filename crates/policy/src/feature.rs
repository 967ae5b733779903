//! Features: named numbers in physical units, computed from facts.

/// A number a model may take. `V` is the function that computes it.
#[derive(Debug, Clone, Copy)]
pub struct Feature<V> {
    /// Name, as manifests write it.
    pub name: &'static str,
    /// Unit, as manifests write it; `1` for a pure number.
    pub unit: &'static str,
    /// Least value it takes; lower ones are raised to it.
    pub min: f64,
    /// Greatest value it takes; higher ones are lowered to it.
    pub max: f64,
    /// How it is computed, for people.
    pub formula: &'static str,
    pub(crate) value: V,
}

impl<V> Feature<V> {
    pub(crate) fn bounded(&self, value: f64) -> f32 {
        value.clamp(self.min, self.max) as f32
    }
}

/// A model asks for features that cannot be given.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SchemaError {
    /// The catalogue has no feature of that name.
    #[error("unknown feature `{name}`; known are {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// Every name in the catalogue, comma separated.
        known: String,
    },
    /// The catalogue has it in another unit.
    #[error("feature `{name}` is wanted in `{wanted}`, and is computed in `{known}`")]
    Unit {
        /// The feature.
        name: String,
        /// The unit asked for.
        wanted: String,
        /// The unit of the catalogue.
        known: &'static str,
    },
    /// The feature is known only further down the chain.
    #[error("feature `{name}` is not known before the provider is chosen")]
    TooEarly {
        /// The feature.
        name: String,
    },
}

/// Finds the features named in `wanted` (name, unit), in that order.
pub(crate) fn resolve<'w, V: Copy>(
    catalogue: impl Iterator<Item = Feature<V>> + Clone,
    wanted: impl IntoIterator<Item = (&'w str, &'w str)>,
) -> Result<Vec<Feature<V>>, SchemaError> {
    wanted
        .into_iter()
        .map(|(name, unit)| {
            let feature =
                catalogue.clone().find(|feature| feature.name == name).ok_or_else(|| {
                    let known: Vec<_> = catalogue.clone().map(|feature| feature.name).collect();
                    SchemaError::Unknown { name: name.to_owned(), known: known.join(", ") }
                })?;
            if feature.unit != unit {
                return Err(SchemaError::Unit {
                    name: name.to_owned(),
                    wanted: unit.to_owned(),
                    known: feature.unit,
                });
            }
            Ok(feature)
        })
        .collect()
}
