/// What the model's numbers stand for; a manifest lists them as labels, in its own order.
pub const LABELS: [&str; 3] = ["request_rate", "memory_util", "cpu_util"];

/// What to expect of the next step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// Requests per second.
    pub request_rate: f64,
    /// Share of the allotted memory in use, 0 to 1.
    pub memory_util: f64,
    /// Share of the allotted CPU in use, 0 to 1.
    pub cpu_util: f64,
}

/// Reads a model's output by the labels of its manifest.
#[derive(Debug, Clone, Copy)]
pub struct Decoder {
    positions: [usize; LABELS.len()],
}

impl Decoder {
    /// A decoder for outputs in the order of `labels`; `Err` holds the label that is missing.
    pub fn resolve(labels: &[String]) -> Result<Self, &'static str> {
        let mut positions = [0; LABELS.len()];
        for (position, label) in positions.iter_mut().zip(LABELS) {
            *position = labels.iter().position(|known| known == label).ok_or(label)?;
        }
        Ok(Self { positions })
    }

    /// The forecast, or its upper bounds, in `output`; `None` when `output` is shorter than the
    /// labels. Values are raised to 0, shares lowered to 1.
    pub fn decode(&self, output: &[f32]) -> Option<Forecast> {
        let [rate, memory, cpu] = self.positions.map(|position| output.get(position).copied());
        Some(Forecast {
            request_rate: f64::from(rate?).max(0.0),
            memory_util: f64::from(memory?).clamp(0.0, 1.0),
            cpu_util: f64::from(cpu?).clamp(0.0, 1.0),
        })
    }
}
