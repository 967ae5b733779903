//! The models of the research framework, versions 1 and 2: they choose among 3 providers, 4 areas
//! and 6 memory sizes, in a fixed order. They serve catalogues that have all of these, and ignore
//! whatever else those have.

mod action;
mod features;
mod grid;
mod mask;
mod situation;
pub mod strategic;
pub mod tactical;

pub use self::{
    action::Action,
    grid::{Area, Grid, MissingFromGrid, Provider, ResearchLocation, Tier},
    mask::Mask,
    situation::Situation,
};
