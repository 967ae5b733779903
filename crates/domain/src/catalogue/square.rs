/// A table of numbers from each region to each region.
#[derive(Debug, Clone)]
pub(super) struct Square {
    width: usize,
    values: Vec<f64>,
}

impl Square {
    /// `values` are row-major: all of the first region's first.
    pub(super) fn new(width: usize, values: &[f64]) -> Self {
        Self { width, values: values.to_vec() }
    }

    pub(super) fn at(&self, from: usize, to: usize) -> f64 {
        self.values[from * self.width + to]
    }
}
