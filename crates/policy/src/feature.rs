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

impl<V: Copy> Feature<V> {
    /// The same feature, computed by what `wrap` makes of the function.
    pub(crate) fn map<W>(&self, wrap: impl Fn(V) -> W) -> Feature<W> {
        let Self { name, unit, min, max, formula, value } = *self;
        Feature { name, unit, min, max, formula, value: wrap(value) }
    }

    fn bounded(&self, value: f64) -> f32 {
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

/// The features that one model takes, in the order of its input.
#[derive(Debug, Clone)]
pub(crate) struct Columns<V>(Vec<Feature<V>>);

impl<V: Copy> Columns<V> {
    /// The features of `catalogue` that `wanted` names (name, unit), in that order.
    pub(crate) fn resolve<'w>(
        catalogue: impl Iterator<Item = Feature<V>> + Clone,
        wanted: impl IntoIterator<Item = (&'w str, &'w str)>,
    ) -> Result<Self, SchemaError> {
        let in_unit = |(name, unit): (&str, &str)| {
            let feature = find(&catalogue, name)?;
            if feature.unit == unit {
                Ok(feature)
            } else {
                Err(SchemaError::Unit {
                    name: name.to_owned(),
                    wanted: unit.to_owned(),
                    known: feature.unit,
                })
            }
        };
        wanted.into_iter().map(in_unit).collect::<Result<_, _>>().map(Self)
    }

    /// The features of `catalogue` with these names, whatever their units.
    pub(crate) fn of_names(
        catalogue: impl Iterator<Item = Feature<V>> + Clone,
        names: &[&str],
    ) -> Result<Self, SchemaError> {
        names.iter().map(|name| find(&catalogue, name)).collect::<Result<_, _>>().map(Self)
    }

    /// Name, unit, least and greatest value of each.
    pub(crate) fn described(&self) -> impl Iterator<Item = (&'static str, &'static str, f64, f64)> {
        self.0.iter().map(|feature| (feature.name, feature.unit, feature.min, feature.max))
    }

    /// What computes each.
    pub(crate) fn values(&self) -> impl Iterator<Item = V> {
        self.0.iter().map(|feature| feature.value)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Appends the value of each feature to `row`, raised or lowered to its bounds.
    pub(crate) fn append(&self, row: &mut Vec<f32>, value: impl Fn(V) -> f64) {
        row.extend(self.0.iter().map(|feature| feature.bounded(value(feature.value))));
    }
}

fn find<V>(
    catalogue: &(impl Iterator<Item = Feature<V>> + Clone),
    name: &str,
) -> Result<Feature<V>, SchemaError> {
    catalogue.clone().find(|feature| feature.name == name).ok_or_else(|| {
        let known: Vec<_> = catalogue.clone().map(|feature| feature.name).collect();
        SchemaError::Unknown { name: name.to_owned(), known: known.join(", ") }
    })
}
