//! The catalogues that are part of the program.

/// The name of the catalogue of the research framework: 3 providers, 4 regions, 6 memory sizes.
pub const RESEARCH: &str = "research";
/// The name of the catalogue of what people deploy on now.
pub const WORLD: &str = "world";
/// The catalogue of services that are given no other.
pub const DEFAULT: &str = WORLD;
/// The names of the built-in catalogues.
pub const BUILT_IN: [&str; 2] = [RESEARCH, WORLD];

/// Grids of Electricity Maps, under a licence of their own: merged under both catalogues.
const GRIDS: &str = include_str!("../data/electricity-maps/grids.yaml");
const RESEARCH_YAML: &str = include_str!("../data/research.yaml");
const WORLD_YAML: &str = include_str!("../data/world.yaml");

/// The texts of a built-in catalogue, each to be laid over the one before.
pub(crate) fn texts(name: &str) -> Option<[&'static str; 2]> {
    match name {
        RESEARCH => Some([GRIDS, RESEARCH_YAML]),
        WORLD => Some([GRIDS, WORLD_YAML]),
        _ => None,
    }
}
