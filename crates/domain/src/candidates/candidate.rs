//! What is known of a placement that a function may be given.

/// What is known of one candidate for one function.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Candidate {
    /// The expected objective, at most 1.
    pub expected_objective: f64,
    /// USD of one invocation.
    pub cost_usd: f64,
    /// Mean latency in ms.
    pub latency_ms: f64,
    /// gCO2e of one invocation.
    pub carbon_g: f64,
    /// Probability that an invocation starts cold.
    pub cold_start_probability: f64,
    /// Probability that an invocation takes longer than is promised.
    pub late_share: f64,
    /// Memory of the size over the memory that the function uses.
    pub memory_head_room: f64,
    /// Round trip from the callers in ms.
    pub round_trip_ms: f64,
    /// Intensity of the grid in gCO2e/kWh.
    pub grid_intensity: f64,
    /// Whether the function runs there now, in that size.
    pub is_current: bool,
    /// Whether it runs on the platform now.
    pub on_current_platform: bool,
    /// Whether it runs in the region now.
    pub in_current_region: bool,
}

impl Candidate {
    /// How many numbers describe a candidate.
    pub const WIDTH: usize = 12;

    /// The numbers that describe it, in the order of its fields; a flag is 1 or 0.
    pub fn values(&self) -> [f32; Self::WIDTH] {
        let flag = |value: bool| f32::from(u8::from(value));
        [
            self.expected_objective as f32,
            self.cost_usd as f32,
            self.latency_ms as f32,
            self.carbon_g as f32,
            self.cold_start_probability as f32,
            self.late_share as f32,
            self.memory_head_room as f32,
            self.round_trip_ms as f32,
            self.grid_intensity as f32,
            flag(self.is_current),
            flag(self.on_current_platform),
            flag(self.in_current_region),
        ]
    }
}
