//! Calibrates the bound of the operational network of version 2: how often it holds, and how far it
//! lies above the truth.

use anyhow::{Result, ensure};

use super::{
    epochs::FORWARD_BATCH,
    gated::{Example, column, inputs},
};
use crate::nets::{Correction, GatedNet, Parts};

/// A constant that leaves no headroom anywhere.
const NO_HEADROOM: f32 = -1e3;
/// Bisections between two constants.
const BISECTIONS: usize = 30;
/// The factors of the headroom that are tried. A smaller factor makes the headroom more uniform
/// over windows, and the constant greater.
const FACTORS: [f32; 8] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3];

/// The windows that the corrections are computed from, none of which the network was fitted to, and
/// what is asked of the bound.
#[derive(Debug, Clone, Copy)]
pub struct Calibration<'e> {
    /// Windows with a call in them.
    pub busy: &'e [Example],
    /// Windows with a call of functions that are called more often: the factor must suit those too.
    pub busier: &'e [Example],
    /// All windows, idle ones included.
    pub all: &'e [Example],
    /// Share of windows in which the truth shall not exceed the bound, 0 to 1.
    pub level: f64,
    /// For each output, how far the bound may lie above the truth: the greatest mean excess over
    /// those of `all` where the bound holds, raw units.
    pub most_excess: &'e [f64],
}

/// Sets the corrections of the bound of `net`.
///
/// For each factor, an output gets the constant with which its bound holds on a share
/// [`Calibration::level`] of the busy windows: idle ones need no provisioning. Where the bound
/// would then exceed [`Calibration::most_excess`], the constant is the greatest within that limit,
/// but never so small that the bound fails on more than `1 - level` of all windows.
///
/// Of the factors within the limit, or else of all, the calibration takes the one whose bound is
/// missed least beyond `1 - level` in the busy and the busier windows; of equals, the one with the
/// least excess.
///
/// # Errors
/// When there are no windows, or they do not fit the network.
pub fn calibrate(net: &mut GatedNet, calibration: Calibration<'_>) -> Result<()> {
    let Calibration { busy, busier, all, level, most_excess } = calibration;
    let [busy, busier, all] =
        [Outcomes::of(net, busy)?, Outcomes::of(net, busier)?, Outcomes::of(net, all)?];
    ensure!(busy.0.len() == most_excess.len(), "every output needs a limit");
    let outputs = busy.0.iter().zip(&busier.0).zip(&all.0).zip(most_excess);
    let corrections =
        outputs.map(|(((busy, busier), all), most)| correction([busy, busier, all], level, *most));
    net.set_correction(corrections.collect())
}

/// A factor with its constant, and how it does.
struct Tried {
    correction: Correction,
    /// Whether the excess is above the limit.
    is_beyond: bool,
    /// Share of busy and busier windows in which the bound is missed beyond what the level allows.
    missed: f64,
    excess: f64,
}

/// The correction of one output, from its busy, busier and all windows.
fn correction(windows: [&[Outcome]; 3], level: f64, most_excess: f64) -> Correction {
    let tried = FACTORS.map(|factor| {
        let [busy, busier, all] = windows.map(|outcomes| scaled(outcomes, factor));
        let constant = constant_within([&busy, &all], level, most_excess);
        let beyond_level =
            |windows: &[Outcome]| (share_missed(windows, constant) - (1.0 - level)).max(0.0);
        let excess = mean_excess(&all, constant);
        Tried {
            correction: Correction { factor, constant },
            is_beyond: excess > most_excess,
            missed: beyond_level(&busy) + beyond_level(&busier),
            excess,
        }
    });
    let best = tried.into_iter().min_by(|a, b| {
        a.is_beyond
            .cmp(&b.is_beyond)
            .then(a.missed.total_cmp(&b.missed))
            .then(a.excess.total_cmp(&b.excess))
    });
    best.map_or(Correction::NONE, |tried| tried.correction)
}

/// The constant for busy and all windows whose headroom is multiplied by its factor already.
fn constant_within([busy, all]: [&[Outcome]; 2], level: f64, most_excess: f64) -> f32 {
    let (mut least, mut greatest) = (constant_for(all, level), constant_for(busy, level));
    if mean_excess(all, greatest) <= most_excess || greatest <= least {
        return greatest.max(least);
    }
    for _ in 0..BISECTIONS {
        let middle = f32::midpoint(least, greatest);
        if mean_excess(all, middle) <= most_excess { least = middle } else { greatest = middle }
    }
    least
}

/// One output in one window.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    /// The truth less the forecast, raw units.
    error: f32,
    /// Headroom before the constant, in multiples of the scale.
    headroom: f32,
    /// Raw units, above zero.
    scale: f32,
}

impl Outcome {
    /// The bound with this constant less the truth, raw units.
    fn excess(&self, constant: f32) -> f64 {
        f64::from((self.headroom + constant).max(0.0) * self.scale - self.error)
    }
}

/// For each output, its outcomes in every window.
struct Outcomes(Vec<Vec<Outcome>>);

impl Outcomes {
    fn of(net: &GatedNet, examples: &[Example]) -> Result<Self> {
        ensure!(!examples.is_empty(), "there are no windows to calibrate the bound with");
        let mut outputs = vec![Vec::with_capacity(examples.len()); net.correction().len()];
        for chunk in examples.chunks(FORWARD_BATCH) {
            let chunk: Vec<&Example> = chunk.iter().collect();
            let Parts { forecast, headroom, scale } = net.parts(&inputs(net, &chunk)?)?;
            let error = (column(&chunk, |e| &e.truth)? - forecast)?.to_vec2::<f32>()?;
            let (headroom, scale) = (headroom.to_vec2::<f32>()?, scale.to_vec2::<f32>()?);
            for ((error, headroom), scale) in error.into_iter().zip(headroom).zip(scale) {
                let row = error.into_iter().zip(headroom).zip(scale);
                for (output, ((error, headroom), scale)) in outputs.iter_mut().zip(row) {
                    output.push(Outcome { error, headroom, scale });
                }
            }
        }
        Ok(Self(outputs))
    }
}

/// The outcomes with their headroom multiplied by `factor`.
fn scaled(outcomes: &[Outcome], factor: f32) -> Vec<Outcome> {
    let of = |outcome: &Outcome| Outcome { headroom: factor * outcome.headroom, ..*outcome };
    outcomes.iter().map(of).collect()
}

/// Share of the windows in which the truth exceeds the bound with this constant.
fn share_missed(outcomes: &[Outcome], constant: f32) -> f64 {
    let missed = outcomes.iter().filter(|outcome| outcome.excess(constant) < 0.0).count();
    missed as f64 / outcomes.len().max(1) as f64
}

/// The constant with which the bound holds on at least a share `level` of the windows: the
/// ceil((n + 1) level)-th smallest lack of headroom. Where the truth does not exceed the forecast,
/// no headroom is needed, because the bound is never below the forecast.
fn constant_for(outcomes: &[Outcome], level: f64) -> f32 {
    let lacks = outcomes.iter().map(|outcome| {
        let lack = outcome.error / outcome.scale - outcome.headroom;
        if outcome.error > 0.0 { lack } else { NO_HEADROOM }
    });
    let mut lacks: Vec<f32> = lacks.collect();
    lacks.sort_unstable_by(f32::total_cmp);
    let rank = ((lacks.len() + 1) as f64 * level).ceil() as usize;
    lacks[rank.clamp(1, lacks.len()) - 1]
}

/// The mean of the bound less the truth over the windows where the bound holds, raw units.
fn mean_excess(outcomes: &[Outcome], constant: f32) -> f64 {
    let excesses = outcomes.iter().map(|outcome| outcome.excess(constant));
    let (count, sum) = excesses
        .filter(|excess| *excess >= 0.0)
        .fold((0.0, 0.0), |(count, sum), excess| (count + 1.0, sum + excess));
    if count > 0.0 { sum / count } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: f64 = 0.96;

    /// Half of the busy windows have a headroom of 0.1, half of 1.0. The truth is above the
    /// forecast by `needed` of that headroom.
    fn busy(needed: fn(f32) -> f32) -> Vec<Outcome> {
        let headrooms = [0.1, 1.0].into_iter().cycle().take(100);
        headrooms
            .map(|headroom| Outcome { error: needed(headroom), headroom, scale: 1.0 })
            .collect()
    }

    /// The same, and as many idle windows without a call, for which no headroom was learnt.
    fn all(busy: &[Outcome]) -> Vec<Outcome> {
        let idle = Outcome { error: 0.0, headroom: -5.0, scale: 1.0 };
        busy.iter().copied().chain(std::iter::repeat_n(idle, busy.len())).collect()
    }

    fn missed_and_excess(busy: &[Outcome], most: f64) -> (f64, f64, Correction) {
        let all = all(busy);
        let chosen = correction([busy, busy, &all], LEVEL, most);
        let [busy, all] = [busy, &all].map(|outcomes| scaled(outcomes, chosen.factor));
        (share_missed(&busy, chosen.constant), mean_excess(&all, chosen.constant), chosen)
    }

    #[test]
    fn headroom_that_differs_without_need_is_made_alike() {
        let (missed, excess, chosen) = missed_and_excess(&busy(|_| 0.3), 0.2);
        assert_eq!((missed, chosen.factor), (0.0, 0.3), "{chosen:?}");
        assert!(excess < 0.1, "{excess}");
    }

    #[test]
    fn headroom_that_differs_as_it_should_is_left_as_it_is() {
        let (missed, excess, chosen) = missed_and_excess(&busy(|headroom| headroom), 0.2);
        assert_eq!((missed, chosen), (0.0, Correction::NONE));
        assert_eq!(excess, 0.0);
    }

    #[test]
    fn what_may_be_for_nothing_limits_the_constant_down_to_the_level_of_all_windows() {
        let busy = busy(|headroom| headroom);
        // Ninety-nine of a hundred windows are idle: all of the busy ones may be missed.
        let idle = Outcome { error: -0.5, headroom: 0.0, scale: 1.0 };
        let all: Vec<Outcome> = busy.iter().copied().chain(vec![idle; 9900]).collect();
        let chosen = correction([&busy, &busy, &all], LEVEL, 0.4);
        let all = scaled(&all, chosen.factor);
        assert!(share_missed(&all, chosen.constant) <= 1.0 - LEVEL, "{chosen:?}");
        assert!(mean_excess(&all, chosen.constant) > 0.4 && chosen.constant < 0.0, "{chosen:?}");
    }
}
