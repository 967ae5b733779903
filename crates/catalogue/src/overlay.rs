//! Overlays: a catalogue as the difference from another.
//!
//! An overlay is a JSON Merge Patch (RFC 7396): maps are merged entry by entry, everything else
//! replaces what was there, and `null` removes it. Other than there, a `null` that removes nothing
//! stays, so that a slip in a name is found. Before that, `only` reduces what the overlay extends
//! to some providers, platforms and regions.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_yaml::{Mapping, Value};
use strata_domain::did_you_mean;

use crate::fault::Fault;

/// What is kept of the catalogue that an overlay extends. An empty list keeps all.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Only {
    providers: Vec<String>,
    platforms: Vec<String>,
    /// As `provider/region`.
    regions: Vec<String>,
}

/// Lays `patch` over `base`.
pub(crate) fn merge(base: &mut Value, patch: Value) {
    let Value::Mapping(patch) = patch else {
        *base = patch;
        return;
    };
    if !base.is_mapping() {
        *base = Value::Mapping(Mapping::new());
    }
    let Value::Mapping(base) = base else { return };
    for (key, value) in patch {
        if value.is_null() && base.contains_key(&key) {
            base.remove(&key);
        } else if let Some(entry) = base.get_mut(&key) {
            merge(entry, value);
        } else if let Value::Mapping(_) = value {
            // What removes nothing leaves nothing behind.
            let mut entry = Value::Mapping(Mapping::new());
            merge(&mut entry, value);
            base.insert(key, entry);
        } else {
            base.insert(key, value);
        }
    }
}

/// Reduces the catalogue `base` to what `only` keeps; everything that names what is gone goes too.
pub(crate) fn keep(base: &mut Value, only: &Only, faults: &mut Vec<Fault>) {
    let known = |section: &str| keys(base.get(section));
    let (platforms, regions) = (known("platforms"), known("regions"));
    let provider_of = |region: &str| region.split('/').next().unwrap_or_default().to_owned();
    let providers: BTreeSet<String> = regions.iter().map(|region| provider_of(region)).collect();
    for (name, wanted, known) in [
        ("providers", &only.providers, &providers),
        ("platforms", &only.platforms, &platforms),
        ("regions", &only.regions, &regions),
    ] {
        for (index, name_of) in wanted.iter().enumerate().filter(|(_, n)| !known.contains(*n)) {
            let hint = did_you_mean(name_of, known.iter().map(String::as_str));
            let text = format!("`{name_of}` is not in the catalogue that is extended{hint}");
            faults.push(Fault { place: format!("only.{name}[{index}]"), text });
        }
    }
    let keeps = |wanted: &[String], name: &str| {
        wanted.is_empty() || wanted.iter().any(|wanted| wanted == name)
    };
    let keeps_region =
        |key: &str| keeps(&only.regions, key) && keeps(&only.providers, &provider_of(key));
    retain(base.get_mut("regions"), |key, _| keeps_region(key));
    let left = keys(base.get("regions"));
    let mut sold_in = BTreeSet::from_iter(only.regions.iter().cloned());
    let mut selling = BTreeSet::new();
    retain(base.get_mut("platforms"), |key, platform| {
        let provider = platform.get("provider").and_then(Value::as_str).unwrap_or_default();
        let provider = provider.to_owned();
        retain(platform.get_mut("regions"), |name, _| left.contains(&format!("{provider}/{name}")));
        let sold = keys(platform.get("regions"));
        let kept = keeps(&only.platforms, key) && !sold.is_empty();
        if kept {
            sold_in.extend(sold.iter().map(|name| format!("{provider}/{name}")));
            selling.insert(provider);
        }
        kept
    });
    // A region goes with the last platform that was sold there, unless `only` names it.
    retain(base.get_mut("regions"), |key, _| sold_in.contains(key));
    retain(base.get_mut("providers"), |name, _| selling.contains(name));
    let left = keys(base.get("regions"));
    retain(base.get_mut("areas"), |_, area| {
        let regions = area.get_mut("regions").and_then(Value::as_sequence_mut);
        regions.is_none_or(|regions| {
            regions.retain(|region| region.as_str().is_none_or(|name| left.contains(name)));
            !regions.is_empty()
        })
    });
    retain(base.get_mut("regions"), |_, region| {
        let to = region.get_mut("egress").and_then(|egress| egress.get_mut("to"));
        retain(to, |name, _| left.contains(name));
        true
    });
    let measured = base.get_mut("round_trips").and_then(|trips| trips.get_mut("measured_ms"));
    retain(measured, |from, row| {
        retain(Some(row), |to, _| left.contains(to));
        left.contains(from) && row.as_mapping().is_none_or(|row| !row.is_empty())
    });
}

/// Lays `patch` over a `base` of which a part was kept. Sources of the base that no figure names
/// any more go.
pub(crate) fn merge_and_prune(base: &mut Value, patch: Value) {
    let mut of_base = keys(base.get("sources"));
    keys(patch.get("sources")).iter().for_each(|name| _ = of_base.remove(name));
    merge(base, patch);
    let mut named = BTreeSet::new();
    named_sources(base, &mut named);
    retain(base.get_mut("sources"), |name, _| named.contains(name) || !of_base.contains(name));
}

/// Collects what stands under a key `source`, at any depth.
fn named_sources(value: &Value, named: &mut BTreeSet<String>) {
    for (key, value) in value.as_mapping().into_iter().flatten() {
        match value {
            Value::String(name) if key.as_str() == Some("source") => _ = named.insert(name.clone()),
            _ => named_sources(value, named),
        }
    }
}

fn keys(section: Option<&Value>) -> BTreeSet<String> {
    let entries = section.and_then(Value::as_mapping).into_iter().flatten();
    entries.filter_map(|(key, _)| key.as_str().map(str::to_owned)).collect()
}

fn retain(section: Option<&mut Value>, mut keep: impl FnMut(&str, &mut Value) -> bool) {
    if let Some(Value::Mapping(entries)) = section {
        entries.retain(|key, value| key.as_str().is_none_or(|key| keep(key, value)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn merged(base: &str, patch: &str) -> Value {
        let mut base = serde_yaml::from_str(base).unwrap();
        merge(&mut base, serde_yaml::from_str(patch).unwrap());
        base
    }

    #[test]
    fn maps_merge_lists_replace_and_null_removes() {
        let result = merged("{a: {x: 1, y: [1, 2]}, b: 2, c: 3}", "{a: {y: [3]}, b: null, d: 4}");
        let expected: Value = serde_yaml::from_str("{a: {x: 1, y: [3]}, c: 3, d: 4}").unwrap();
        assert_eq!(result, expected);
        let null: Value = serde_yaml::from_str("{a: {b: null}}").unwrap();
        assert_eq!(merged("{}", "{a: {b: null}}"), null, "an entry may be null: a region's price");
    }
}
