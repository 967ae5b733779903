/// A rule of catalogues that was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct CatalogueError {
    /// Where: `platforms[2]`, `regions[7].name`.
    pub place: String,
    /// What is wrong there.
    pub fault: String,
}

impl CatalogueError {
    pub(super) fn new(place: impl Into<String>, fault: impl Into<String>) -> Self {
        Self { place: place.into(), fault: fault.into() }
    }
}
