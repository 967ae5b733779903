//! Catalogues of placements: what can be chosen and what it costs, as data that operators read,
//! check, extend and replace.
//!
//! The format is YAML ([`Document`]). An overlay changes a catalogue that it extends. Two
//! catalogues are built in: `research` and `world`. The result is a [`strata_domain::Catalogue`].

mod built_in;
mod check;
mod dates;
mod fault;
mod file;
pub mod format;
mod layers;
mod overlay;
mod resolve;

pub use built_in::{BUILT_IN, DEFAULT, RESEARCH, WORLD};
pub use fault::{CatalogueFaults, Fault};
pub use file::{Loaded, built_in, load, load_text};
pub use format::Document;

/// The JSON Schema of a catalogue, generated from its types.
///
/// An overlay has the same form, but may leave out whatever it does not change, and adds the keys
/// `extends` and `only`.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}
