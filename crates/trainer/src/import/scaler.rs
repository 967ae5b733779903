//! `scaler.yaml` and `features.yaml`: the columns of a model that somebody else trained.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::{
    contract::{Bound, DecisionLayer},
    nets::OutputRange,
    scaling::{Column, Scaling, Transform},
};

/// `scaler.yaml`: the features in order with the scaling that the model was trained with, and for
/// the operational layer the range of the rate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scaler {
    features: Vec<ScaledFeature>,
    #[serde(default)]
    output: Option<OutputScale>,
}

/// x' = (x - center) / scale, as in RobustScaler and StandardScaler of scikit-learn.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScaledFeature {
    name: String,
    unit: String,
    center: f64,
    scale: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputScale {
    /// ln(1 + the greatest rate in 1/s): an output of 1 stands for that rate.
    request_rate_log_span: f64,
}

/// `features.yaml`: the features in order. Scaling is part of the graph.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Features {
    features: Vec<NamedFeature>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedFeature {
    name: String,
    unit: String,
}

/// The columns that `features.yaml` names.
///
/// # Errors
/// When the text has another form, or the layer does not have a feature.
pub(super) fn features(text: &str, layer: DecisionLayer) -> Result<Vec<Bound>> {
    let Features { features } = serde_yaml::from_str(text)?;
    layer.features(features.iter().map(|f| (f.name.as_str(), f.unit.as_str())))
}

impl Scaler {
    /// Parses the text of a scaler.yaml.
    ///
    /// # Errors
    /// When the text has another form.
    pub(super) fn parse(text: &str) -> Result<Self> {
        Ok(serde_yaml::from_str(text)?)
    }

    /// The columns and their scaling. The clip bounds are those of the catalogue, so no value that
    /// a service feeds is clipped.
    ///
    /// # Errors
    /// When the layer does not have a feature, a scale is not above zero or a number is not finite.
    pub(super) fn scaling(&self, layer: DecisionLayer) -> Result<(Vec<Bound>, Scaling)> {
        let wanted = self.features.iter().map(|f| (f.name.as_str(), f.unit.as_str()));
        let bounds = layer.features(wanted)?;
        let columns = self.features.iter().zip(&bounds).map(|(feature, bound)| {
            let ScaledFeature { name, center, scale, .. } = feature;
            ensure!(
                scale.is_finite() && *scale > 0.0 && center.is_finite(),
                "feature `{name}`: center {center} and scale {scale} must be finite, and the scale \
                 above 0 (scikit-learn uses 1 for a column that never varies)"
            );
            let scaled = |raw: f64| ((raw - center) / scale) as f32;
            let (lower, upper) = (scaled(bound.min), scaled(bound.max));
            let column = Column {
                transform: Transform::Linear,
                shift: *center as f32,
                scale: *scale as f32,
                lower,
                upper,
            };
            let all = [column.shift, column.scale, lower, upper];
            ensure!(
                all.iter().all(|v| v.is_finite()) && column.scale > 0.0 && lower <= upper,
                "feature `{name}`: center {center} and scale {scale} leave the range of f32"
            );
            Ok(column)
        });
        let scaling = Scaling::new(columns.collect::<Result<_>>()?)?;
        Ok((bounds, scaling))
    }

    /// The range of each output of the operational layer.
    ///
    /// # Errors
    /// When it is missing or out of range.
    pub(super) fn operational_outputs(&self) -> Result<Vec<OutputRange>> {
        let output = self.output.as_ref().context(
            "the operational layer needs `output: { request_rate_log_span: ... }`: ln(1 + the \
             greatest rate per second) that the network's 1 stands for",
        )?;
        let span = output.request_rate_log_span;
        // ln(1 + 1e30) is 69: far above any rate, and its exponential is still finite.
        ensure!(
            span > 0.0 && span <= 69.0,
            "output.request_rate_log_span is {span}, it must be above 0 and at most 69"
        );
        let rate = OutputRange::Log1p { log_span: span as f32 };
        Ok(vec![rate, OutputRange::Fraction, OutputRange::Fraction])
    }

    /// Checks that there is no output scale: only the operational layer has one.
    ///
    /// # Errors
    /// When there is one.
    pub(super) fn no_output(&self, layer: DecisionLayer) -> Result<()> {
        ensure!(self.output.is_none(), "the {layer} layer has no output scale; remove `output`");
        Ok(())
    }
}
