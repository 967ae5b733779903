//! The training curves of models that have them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The most points of all curves of a layer.
const MAX_POINTS: usize = 200_000;

/// The curves of the newest model of a layer: (step, value) by series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curves {
    pub(crate) layer: &'static str,
    pub(crate) series: BTreeMap<String, Vec<(f64, f64)>>,
}

/// Reads `<layer>/<newest>/training.csv` (columns step, series, value) of every layer that has one.
/// Invalid lines are skipped.
pub(crate) fn read(models: &Path) -> Vec<Curves> {
    let curves = ["strategic", "tactical", "operational"].into_iter().filter_map(|layer| {
        let file = newest(&models.join(layer))?.join("training.csv");
        let mut reader = csv::Reader::from_path(file).ok()?;
        let mut series: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for (step, name, value) in
            reader.deserialize::<(f64, String, f64)>().flatten().take(MAX_POINTS)
        {
            if step.is_finite() && value.is_finite() {
                series.entry(name).or_default().push((step, value));
            }
        }
        (!series.is_empty()).then_some(Curves { layer, series })
    });
    curves.collect()
}

fn newest(layer: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(layer).ok()?.flatten();
    let versions = entries.filter_map(|entry| {
        let version: u64 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path()))
    });
    versions.max().map(|(_, path)| path)
}
