//! The list of faults of one document, and the checks that many places need.

use std::{collections::BTreeSet, ops::RangeInclusive};

use strata_domain::did_you_mean;

use crate::{fault::Fault, format::Document};

pub(super) struct Checker<'a> {
    pub(super) document: &'a Document,
    faults: &'a mut Vec<Fault>,
    warnings: &'a mut Vec<Fault>,
    used_sources: BTreeSet<&'a str>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(
        document: &'a Document,
        faults: &'a mut Vec<Fault>,
        warnings: &'a mut Vec<Fault>,
    ) -> Self {
        Self { document, faults, warnings, used_sources: BTreeSet::new() }
    }

    pub(super) fn fault(&mut self, place: impl Into<String>, text: String) {
        self.faults.push(Fault { place: place.into(), text });
    }

    pub(super) fn warning(&mut self, place: impl Into<String>, text: String) {
        self.warnings.push(Fault { place: place.into(), text });
    }

    /// A number must lie within a range.
    pub(super) fn within(&mut self, place: &str, value: f64, range: RangeInclusive<f64>) {
        if !range.contains(&value) {
            let (least, most) = (range.start(), range.end());
            self.fault(place, format!("must be {least} to {most}, is {value}"));
        }
    }

    /// A number must be above 0 and at most `most`.
    pub(super) fn positive(&mut self, place: &str, value: f64, most: f64) {
        if !(value > 0.0 && value <= most) {
            self.fault(place, format!("must be above 0 and at most {most}, is {value}"));
        }
    }

    /// A name must be one of those known.
    pub(super) fn reference<'k>(
        &mut self,
        place: impl Into<String>,
        (kind, name): (&str, &str),
        known: impl Iterator<Item = &'k str> + Clone,
    ) {
        if !known.clone().any(|known| known == name) {
            let hint = did_you_mean(name, known);
            self.fault(place, format!("there is no {kind} `{name}`{hint}"));
        }
    }

    /// A source must be one of the document's.
    pub(super) fn source(&mut self, place: &str, name: &'a str) {
        self.used_sources.insert(name);
        let known = self.document.sources.keys().map(String::as_str);
        self.reference(format!("{place}.source"), ("source", name), known);
    }

    /// A region must be one of the document's.
    pub(super) fn region(&mut self, place: impl Into<String>, key: &str) {
        let known = self.document.regions.keys().map(String::as_str);
        self.reference(place, ("region", key), known);
    }

    pub(super) fn warn_of_unused_sources(&mut self) {
        for name in self.document.sources.keys() {
            if !self.used_sources.contains(name.as_str()) && !self.is_of_unused_grid(name) {
                self.warning(format!("sources.{name}"), "no figure names it".to_owned());
            }
        }
    }

    /// Grids are a table of their own, which a catalogue need not use up.
    fn is_of_unused_grid(&self, source: &str) -> bool {
        self.document.grids.values().any(|grid| grid.source == source)
    }
}
