//! Makes an int8 variant of a published forecaster, compares it with the original and publishes it
//! if it loses little accuracy.

mod accuracy;
mod speed;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use strata_policy::operational::LABELS;
use strata_runtime::{
    MANIFEST_FILE, Manifest, Model, ModelFiles, OnnxRuntime, Repository, Variant, sha256_hex,
};
use strata_simulator::Scope;

pub use accuracy::{Comparison, Figures};
pub use speed::Speed;

use crate::{
    contract::DecisionLayer,
    files,
    onnx::{self, SCHEME},
    publish,
    simulation::bundled_world,
};

/// Name of the variant's file.
pub const VARIANT_FILE: &str = "model.int8.onnx";
/// Share of all windows by which the truth may exceed the bound more often than with the original.
const BOUND_SLACK: f64 = 0.005;

/// The model to quantise, and the accuracy that it may lose.
#[derive(Debug, Clone, clap::Args)]
pub struct Quantise {
    /// The layer of the model; only the operational layer's model gains from 8-bit weights.
    #[arg(long, default_value = "operational")]
    pub layer: DecisionLayer,
    /// The model repository.
    #[arg(long, default_value = "models")]
    pub models: PathBuf,
    /// The version to quantise [default: the newest one].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub version: Option<u32>,
    /// The share by which the root mean squared error of any output may grow on held-out windows.
    #[arg(long, value_name = "SHARE", default_value_t = 0.02, value_parser = tolerance)]
    pub tolerance: f64,
    /// Publish a variant that loses more, too; the manifest says so.
    #[arg(long)]
    pub force: bool,
    /// Compare on only that many functions of the trace, for a quick trial.
    #[arg(long)]
    pub functions: Option<usize>,
}

fn tolerance(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    let inside = (0.0..=1.0).contains(&share);
    inside.then_some(share).ok_or_else(|| "must be from 0 to 1".to_owned())
}

/// The variant compared with its original; published or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantisation {
    /// The version that was quantised.
    pub version: u32,
    /// The nodes that were rewritten.
    pub nodes: Vec<String>,
    /// File sizes of the original and of the variant.
    pub bytes: [u64; 2],
    /// Accuracy of both on held-out windows.
    pub comparisons: Vec<Comparison>,
    /// Speed of both by batch size. Not part of the manifest, because it depends on the machine.
    pub speeds: Vec<Speed>,
    /// The reasons against publishing.
    pub against: Vec<String>,
    /// The file of the variant; `None` when it was not published.
    pub published: Option<PathBuf>,
}

impl fmt::Display for Quantisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = self.bytes;
        let nodes = self.nodes.join(", ");
        writeln!(f, "version {}, int8 in {nodes}: {from} bytes -> {to}", self.version)?;
        for comparison in &self.comparisons {
            write!(f, "\n{comparison}")?;
        }
        writeln!(f, "\ntime of a row, fp32 and int8:")?;
        for speed in &self.speeds {
            writeln!(f, "  {speed}")?;
        }
        match &self.published {
            Some(file) => write!(f, "\npublished {}", file.display())?,
            None => f.write_str("\nnot published")?,
        }
        self.against.iter().try_for_each(|reason| write!(f, "\n  against it: {reason}"))
    }
}

/// Makes the int8 variant of a published version and runs both through ONNX Runtime on the held-out
/// windows that training is measured on. Publishes the variant beside the original if the error of
/// no output grows by more than the tolerance, or if forced.
///
/// # Errors
/// When the version cannot be read, a node of its graph cannot be quantised (the message names it),
/// or an output is not finite. A variant that loses too much is no error:
/// [`Quantisation::published`] is `None` then, and what was published before stays.
pub fn quantise(options: &Quantise, runtime: &OnnxRuntime) -> Result<Quantisation> {
    ensure!(
        options.layer == DecisionLayer::Operational,
        "the {} layer's model is too small to gain; only the operational layer's is quantised",
        options.layer
    );
    let repository = Repository::open(&options.models)?;
    let files = repository.load(options.layer.name(), options.version)?;
    let version = files.manifest().version;
    let (graph, mut made) = compare(options, &files, runtime)
        .with_context(|| format!("cannot quantise {} {version}", options.layer))?;
    if made.against.is_empty() || options.force {
        let mut manifest = files.manifest().clone();
        let forced_against = (!made.against.is_empty()).then(|| made.against.join("; "));
        let accuracy = made.comparisons.iter().flat_map(Comparison::metrics).collect();
        let variant = variant(&manifest, &graph, options.tolerance);
        manifest.int8 = Some(Variant { accuracy, forced_against, ..variant });
        let directory = options.models.join(&manifest.name).join(version.to_string());
        made.published = Some(place(&directory, &graph, &manifest.to_yaml()?)?);
    }
    Ok(made)
}

/// Quantises a model and compares the result with it. Returns the graph of the variant too.
fn compare(
    options: &Quantise,
    files: &ModelFiles,
    runtime: &OnnxRuntime,
) -> Result<(Vec<u8>, Quantisation)> {
    let mut manifest = files.manifest().clone();
    let bounds = options.layer.accepts(&manifest)?;
    let onnx::Quantised { graph, nodes } = onnx::quantise(files.graph())?;
    manifest.int8 = Some(variant(&manifest, &graph, options.tolerance));
    let version = manifest.version;
    let original = publish::start(files.clone(), runtime)?;
    let narrow = publish::start(ModelFiles::int8(manifest, graph.clone())?, runtime)?;
    publish::finite(&narrow, &bounds)?;
    let extreme: Vec<f32> = bounds.iter().map(|bound| bound.max as f32).collect();
    let models = [&original, &narrow];
    let comparisons = compare_accuracy(models, &extreme, options.functions)?;
    let made = Quantisation {
        version,
        nodes,
        bytes: [files.graph().len() as u64, graph.len() as u64],
        against: against(&comparisons, options.tolerance),
        comparisons,
        speeds: speed::measure(models)?,
        published: None,
    };
    Ok((graph, made))
}

/// The manifest's entry for the variant `graph`, without its accuracy.
fn variant(manifest: &Manifest, graph: &[u8], tolerance: f64) -> Variant {
    Variant {
        file: VARIANT_FILE.to_owned(),
        sha256: sha256_hex(graph),
        bytes: graph.len() as u64,
        source_sha256: manifest.graph.sha256.clone(),
        scheme: SCHEME.to_owned(),
        tolerance,
        forced_against: None,
        accuracy: Default::default(),
    }
}

/// Compares both models on the held-out windows of the bundled trace.
fn compare_accuracy(
    models: [&Model; 2],
    extreme: &[f32],
    functions: Option<usize>,
) -> Result<Vec<Comparison>> {
    let world = bundled_world(functions)?;
    let comparer = accuracy::Comparer { models, world: &world, scope: Scope::held_out(), extreme };
    accuracy::SETS.iter().map(|set| comparer.compare(set)).collect()
}

/// The reasons against publishing.
fn against(comparisons: &[Comparison], tolerance: f64) -> Vec<String> {
    let mut reasons = Vec::new();
    for Comparison { name, figures: [fp32, int8], .. } in comparisons {
        for (index, label) in LABELS.iter().enumerate() {
            let (before, after) = (fp32.rmse[index], int8.rmse[index]);
            // Written so that a figure that is not a number fails.
            let held = after <= before * (1.0 + tolerance);
            if !held {
                let growth = 100.0 * (after / before - 1.0);
                let most = 100.0 * tolerance;
                reasons.push(format!(
                    "over {name} the RMSE of {label} grows by {growth:.2} %, at most {most} % is \
                     allowed"
                ));
            }
            let exceeded = [fp32, int8].map(|figures| figures.exceeded.map(|shares| shares[index]));
            if let [Some(before), Some(after)] = exceeded
                && after > before + BOUND_SLACK
            {
                let [before, after] = [before, after].map(|share| 100.0 * share);
                reasons.push(format!(
                    "over {name} the bound of {label} is exceeded in {after:.2} % instead of \
                     {before:.2} %"
                ));
            }
        }
    }
    reasons
}

/// Writes the variant and then the manifest that names it, each atomically. A reader between the
/// two steps sees the previous state, because the same version gives the same variant.
fn place(directory: &Path, graph: &[u8], manifest: &str) -> Result<PathBuf> {
    let context = || format!("cannot publish into {}", directory.display());
    files::put(directory, VARIANT_FILE, graph).with_context(context)?;
    files::put(directory, MANIFEST_FILE, manifest.as_bytes()).with_context(context)?;
    Ok(directory.join(VARIANT_FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(rmse: [f64; 2], exceeded: [f64; 2]) -> Comparison {
        let figures = [0, 1].map(|side| Figures {
            rmse: [rmse[side], 1.0, 1.0],
            r2: [0.5; 3],
            exceeded: Some([exceeded[side], 0.0, 0.0]),
        });
        Comparison { name: "windows", prefix: "", windows: 1, figures, difference: [0.0; 3] }
    }

    #[test]
    fn an_error_that_grows_too_much_or_a_bound_that_holds_less_speaks_against_it() {
        let reasons = |rmse, exceeded| against(&[comparison(rmse, exceeded)], 0.02).join("; ");
        assert_eq!(reasons([1.0, 1.02], [0.04, 0.045]), "");
        assert_eq!(reasons([0.0, 0.0], [0.0, 0.0]), "");
        assert!(reasons([1.0, 1.03], [0.04, 0.04]).contains("request_rate grows by 3.00 %"));
        assert!(reasons([1.0, f64::NAN], [0.04, 0.04]).contains("RMSE"));
        assert!(reasons([1.0, 1.0], [0.04, 0.05]).contains("5.00 % instead of 4.00 %"));
    }

    #[test]
    fn a_tolerance_is_a_share() {
        assert_eq!(tolerance("0.02"), Ok(0.02));
        assert!(tolerance("-1").is_err() && tolerance("2").is_err() && tolerance("nan").is_err());
    }
}
