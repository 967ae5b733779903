//! An int8 variant of a published forecaster: made, judged beside its original, published when it costs little.

mod accuracy;
mod speed;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use strata_policy::operational::LABELS;
use strata_runtime::{
    MANIFEST_FILE, Model, ModelFiles, OnnxRuntime, Repository, Variant, sha256_hex,
};
use strata_simulator::{Scope, Trace, World, WorldOptions};

pub use accuracy::{Comparison, Figures};
pub use speed::Speed;

use crate::{
    contract::Layer,
    onnx::{self, SCHEME},
    probe, publish,
};

/// Name of the variant's file.
pub const VARIANT_FILE: &str = "model.int8.onnx";
/// By how much of all windows more the truth may be above the bound than with the original.
const BOUND_SLACK: f64 = 0.005;

/// What to quantise, and what it may cost.
#[derive(Debug, Clone, clap::Args)]
pub struct Quantise {
    /// The layer whose model it is; only the operational one has weights that gain.
    #[arg(long, default_value = "operational")]
    pub layer: Layer,
    /// Directory that models are published in.
    #[arg(long, default_value = "models")]
    pub models: PathBuf,
    /// The version [default: the newest].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub version: Option<u32>,
    /// By how much of itself the root mean squared error of any output may grow on held-out windows.
    #[arg(long, value_name = "SHARE", default_value_t = 0.02, value_parser = tolerance)]
    pub tolerance: f64,
    /// Publish even what costs more; the manifest says so.
    #[arg(long)]
    pub force: bool,
    /// Use only the first functions of the trace, for trying things out.
    #[arg(long)]
    pub functions: Option<usize>,
}

fn tolerance(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "must be a number".to_owned())?;
    let inside = (0.0..=1.0).contains(&share);
    inside.then_some(share).ok_or_else(|| "must be from 0 to 1".to_owned())
}

/// What was found; published or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The version.
    pub version: u32,
    /// The nodes that were rewritten.
    pub nodes: Vec<String>,
    /// Sizes of the original's file and of the variant's.
    pub bytes: [u64; 2],
    /// Both on held-out windows.
    pub comparisons: Vec<Comparison>,
    /// Both by batch size. Not in the manifest: it is of this machine.
    pub speeds: Vec<Speed>,
    /// What speaks against publishing.
    pub against: Vec<String>,
    /// The variant's file; `None` when it was not published.
    pub published: Option<PathBuf>,
}

impl fmt::Display for Judged {
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

/// Makes the int8 variant of a published version, runs both through ONNX Runtime on the held-out windows that trainings are judged
/// with, and puts it beside the original if the error of no output grows by more than the tolerance, or by force.
///
/// # Errors
/// When the version cannot be read, or its graph cannot be quantised (which node, and why), or an output is not finite. A variant that
/// costs too much is no error here: [`Judged::published`] is `None`, and what was published before is left as it was.
pub fn quantise(options: &Quantise, runtime: &OnnxRuntime) -> Result<Judged> {
    ensure!(
        options.layer == Layer::Operational,
        "the {} layer's model is too small to gain; only the operational layer's is quantised",
        options.layer
    );
    let repository = Repository::open(&options.models)?;
    let files = repository.load(options.layer.name(), options.version)?;
    let said = || format!("cannot quantise {} {}", options.layer, files.manifest().version);
    let bounds = options.layer.accepts(files.manifest()).with_context(said)?;
    let made = onnx::quantise(files.graph()).with_context(said)?;
    let mut manifest = files.manifest().clone();
    let variant = Variant {
        file: VARIANT_FILE.to_owned(),
        sha256: sha256_hex(&made.graph),
        bytes: made.graph.len() as u64,
        source_sha256: manifest.graph.sha256.clone(),
        scheme: SCHEME.to_owned(),
        tolerance: options.tolerance,
        forced_against: None,
        accuracy: Default::default(),
    };
    manifest.int8 = Some(variant.clone());
    let original = publish::start(files.clone(), runtime).with_context(said)?;
    let narrow = ModelFiles::int8(manifest.clone(), made.graph.clone())?;
    let narrow = publish::start(narrow, runtime).with_context(said)?;
    probe::finite(&narrow, &bounds).with_context(said)?;
    let extreme: Vec<f32> = bounds.iter().map(|bound| bound.max as f32).collect();
    let (comparisons, speeds) = judge([&original, &narrow], &extreme, options.functions)?;
    let against = against(&comparisons, options.tolerance);
    let mut judged = Judged {
        version: manifest.version,
        nodes: made.nodes,
        bytes: [files.graph().len() as u64, variant.bytes],
        comparisons,
        speeds,
        against,
        published: None,
    };
    if judged.against.is_empty() || options.force {
        let accuracy = judged.comparisons.iter().flat_map(Comparison::metrics).collect();
        let forced_against = (!judged.against.is_empty()).then(|| judged.against.join("; "));
        manifest.int8 = Some(Variant { accuracy, forced_against, ..variant });
        let directory = options.models.join(&manifest.name).join(manifest.version.to_string());
        judged.published = Some(place(&directory, &made.graph, &manifest.to_yaml()?)?);
    }
    Ok(judged)
}

/// Both models on the held-out windows of the bundled trace, and how fast they are.
fn judge(
    models: [&Model; 2],
    extreme: &[f32],
    functions: Option<usize>,
) -> Result<(Vec<Comparison>, Vec<Speed>)> {
    let trace = Trace::bundled()?;
    let trace = match functions {
        Some(count) => trace.with_only(0..count.min(trace.functions().len())),
        None => trace,
    };
    let world = World::new(trace, WorldOptions::default());
    let judge = accuracy::Judge { models, world: &world, scope: Scope::held_out(), extreme };
    let comparisons = accuracy::SETS.iter().map(|set| judge.compare(set));
    Ok((comparisons.collect::<Result<_>>()?, speed::measure(models)?))
}

/// What speaks against publishing.
fn against(comparisons: &[Comparison], tolerance: f64) -> Vec<String> {
    let mut reasons = Vec::new();
    for Comparison { name, figures: [fp32, int8], .. } in comparisons {
        for (index, label) in LABELS.iter().enumerate() {
            let (before, after) = (fp32.rmse[index], int8.rmse[index]);
            // Not the other way round: a figure that is not a number is no better.
            let held = after <= before * (1.0 + tolerance);
            if !held {
                let growth = 100.0 * (after / before - 1.0);
                let most = 100.0 * tolerance;
                reasons.push(format!(
                    "over {name} the RMSE of {label} grows by {growth:.2} %, at most {most} % is allowed"
                ));
            }
            let exceeded = [fp32, int8].map(|figures| figures.exceeded.map(|shares| shares[index]));
            if let [Some(before), Some(after)] = exceeded
                && after > before + BOUND_SLACK
            {
                let [before, after] = [before, after].map(|share| 100.0 * share);
                reasons.push(format!(
                    "over {name} the bound of {label} is exceeded in {after:.2} % instead of {before:.2} %"
                ));
            }
        }
    }
    reasons
}

/// Writes the variant and then the manifest that names it, each at once and complete. A reader between the two sees what was there
/// before: the same version gives the same variant.
fn place(directory: &Path, graph: &[u8], manifest: &str) -> Result<PathBuf> {
    let said = || format!("cannot publish into {}", directory.display());
    publish::put(directory, VARIANT_FILE, graph).with_context(said)?;
    publish::put(directory, MANIFEST_FILE, manifest.as_bytes()).with_context(said)?;
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
