//! The names of the layers.

/// The layers in the order of the chain.
pub const LAYERS: [&str; 3] = ["strategic", "tactical", "operational"];
