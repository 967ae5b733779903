//! What corrects the bound of the operational network of version 2: how often it holds, and how much of it is for nothing.

use anyhow::{Result, ensure};

use super::{
    epochs::FORWARD_BATCH,
    gated::{Example, column, inputs},
};
use crate::nets::{Correction, GatedNet, Parts};

/// A constant that leaves no headroom anywhere.
const NOTHING: f32 = -1e3;
/// Halvings of the way between two constants.
const HALVINGS: usize = 30;
/// Tried as factors of the headroom. A smaller one makes it more alike from window to window, and the constant greater.
const FACTORS: [f32; 8] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3];

/// What the corrections are made of: windows that the network was not fitted to.
#[derive(Debug, Clone, Copy)]
pub struct Calibration<'e> {
    /// Windows with a call in them.
    pub busy: &'e [Example],
    /// The same of functions that are called more often: the factor must do for those, too.
    pub busier: &'e [Example],
    /// All windows, idle ones included.
    pub all: &'e [Example],
    /// Share of windows whose truth the bound is not to be below, 0 to 1.
    pub level: f64,
    /// By how much the bound of each output may be above the truth, in the mean over those of `all` where it is not below it, raw units.
    pub most_over: &'e [f64],
}

/// Sets the corrections of the bound of `net`.
///
/// With a factor, each output gets the constant with which its bound holds on a share [`Calibration::level`] of the busy windows: there is
/// something to do in those. Where that would be above the truth by more than [`Calibration::most_over`], the constant is as great as that allows,
/// but never so small that the bound would not hold on that share of all windows. Of the factors with which it is within that limit, or else of
/// all, the one is taken with which the bound is missed in the fewest busy and busier windows, as far as they are more than the level leaves; of such, the
/// one with the least for nothing.
///
/// # Errors
/// When there are no windows, or they do not fit the network.
pub fn calibrate(net: &mut GatedNet, calibration: Calibration<'_>) -> Result<()> {
    let Calibration { busy, busier, all, level, most_over } = calibration;
    let [busy, busier, all] =
        [Outcomes::of(net, busy)?, Outcomes::of(net, busier)?, Outcomes::of(net, all)?];
    ensure!(busy.0.len() == most_over.len(), "every output needs a limit");
    let outputs = busy.0.iter().zip(&busier.0).zip(&all.0).zip(most_over);
    let corrections =
        outputs.map(|(((busy, busier), all), most)| correction([busy, busier, all], level, *most));
    net.set_correction(corrections.collect())
}

/// Of one output, from busy, busier and all windows.
fn correction(windows: [&[Outcome]; 3], level: f64, most: f64) -> Correction {
    let tried = FACTORS.map(|factor| {
        let [busy, busier, all] = windows.map(|outcomes| spread(outcomes, factor));
        let constant = within([&busy, &all], level, most);
        let lacking = |windows: &[Outcome]| (missed(windows, constant) - (1.0 - level)).max(0.0);
        let over = over(&all, constant);
        let correction = Correction { factor, constant };
        (over > most, [lacking(&busy) + lacking(&busier), over], correction)
    });
    let best = tried.into_iter().min_by(|a, b| {
        a.0.cmp(&b.0).then(a.1[0].total_cmp(&b.1[0])).then(a.1[1].total_cmp(&b.1[1]))
    });
    best.map_or(Correction::NONE, |(.., correction)| correction)
}

/// The constant for busy and all windows whose headroom has its factor already.
fn within([busy, all]: [&[Outcome]; 2], level: f64, most: f64) -> f32 {
    let (mut least, mut greatest) = (constant(all, level), constant(busy, level));
    if over(all, greatest) <= most || greatest <= least {
        return greatest.max(least);
    }
    for _ in 0..HALVINGS {
        let middle = f32::midpoint(least, greatest);
        if over(all, middle) <= most { least = middle } else { greatest = middle }
    }
    least
}

/// What came of one output in one window.
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
    /// By how much the bound is above the truth with this constant.
    fn above(&self, constant: f32) -> f64 {
        f64::from((self.headroom + constant).max(0.0) * self.scale - self.error)
    }
}

/// Of each output, those of every window.
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

fn spread(outcomes: &[Outcome], factor: f32) -> Vec<Outcome> {
    let of = |outcome: &Outcome| Outcome { headroom: factor * outcome.headroom, ..*outcome };
    outcomes.iter().map(of).collect()
}

/// Share of the windows in which the truth is above the bound with this constant.
fn missed(outcomes: &[Outcome], constant: f32) -> f64 {
    let above = outcomes.iter().filter(|outcome| outcome.above(constant) < 0.0).count();
    above as f64 / outcomes.len().max(1) as f64
}

/// The constant that, added to the headroom, makes the bound hold on a share `level` of the windows at least: the ceil((n + 1) level)-th
/// smallest of what the headroom lacks. Where the truth is not above the forecast nothing is lacking, whatever the headroom: the bound
/// is never below the forecast.
fn constant(outcomes: &[Outcome], level: f64) -> f32 {
    let lacks = outcomes.iter().map(|outcome| {
        let lack = outcome.error / outcome.scale - outcome.headroom;
        if outcome.error > 0.0 { lack } else { NOTHING }
    });
    let mut lacks: Vec<f32> = lacks.collect();
    lacks.sort_unstable_by(f32::total_cmp);
    let rank = ((lacks.len() + 1) as f64 * level).ceil() as usize;
    lacks[rank.clamp(1, lacks.len()) - 1]
}

/// By how much the bound is above the truth with this constant, in the mean over the windows where it is not below it.
fn over(outcomes: &[Outcome], constant: f32) -> f64 {
    let above = outcomes.iter().map(|outcome| outcome.above(constant));
    let (count, sum) = above
        .filter(|above| *above >= 0.0)
        .fold((0.0, 0.0), |(count, sum), above| (count + 1.0, sum + above));
    if count > 0.0 { sum / count } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: f64 = 0.96;

    /// Half of the busy windows have a headroom of 0.1, half of 1.0; what comes is above the forecast by `needed` of that headroom.
    fn busy(needed: fn(f32) -> f32) -> Vec<Outcome> {
        let headrooms = [0.1, 1.0].into_iter().cycle().take(100);
        headrooms
            .map(|headroom| Outcome { error: needed(headroom), headroom, scale: 1.0 })
            .collect()
    }

    /// The same, and as many idle ones, in which nothing comes and no headroom was learnt.
    fn all(busy: &[Outcome]) -> Vec<Outcome> {
        let idle = Outcome { error: 0.0, headroom: -5.0, scale: 1.0 };
        busy.iter().copied().chain(std::iter::repeat_n(idle, busy.len())).collect()
    }

    fn missed_and_over(busy: &[Outcome], most: f64) -> (f64, f64, Correction) {
        let all = all(busy);
        let chosen = correction([busy, busy, &all], LEVEL, most);
        let [busy, all] = [busy, &all].map(|outcomes| spread(outcomes, chosen.factor));
        (missed(&busy, chosen.constant), over(&all, chosen.constant), chosen)
    }

    #[test]
    fn headroom_that_differs_without_need_is_made_alike() {
        let (missed, over, chosen) = missed_and_over(&busy(|_| 0.3), 0.2);
        assert_eq!((missed, chosen.factor), (0.0, 0.3), "{chosen:?}");
        assert!(over < 0.1, "{over}");
    }

    #[test]
    fn headroom_that_differs_as_it_should_is_left_as_it_is() {
        let (missed, over, chosen) = missed_and_over(&busy(|headroom| headroom), 0.2);
        assert_eq!((missed, chosen), (0.0, Correction::NONE));
        assert_eq!(over, 0.0);
    }

    #[test]
    fn what_may_be_for_nothing_limits_the_constant_down_to_the_level_of_all_windows() {
        let busy = busy(|headroom| headroom);
        // Ninety-nine of a hundred windows are idle: all of the busy ones may be missed.
        let idle = Outcome { error: -0.5, headroom: 0.0, scale: 1.0 };
        let all: Vec<Outcome> = busy.iter().copied().chain(vec![idle; 9900]).collect();
        let chosen = correction([&busy, &busy, &all], LEVEL, 0.4);
        let all = spread(&all, chosen.factor);
        assert!(missed(&all, chosen.constant) <= 1.0 - LEVEL, "{chosen:?}");
        assert!(over(&all, chosen.constant) > 0.4 && chosen.constant < 0.0, "{chosen:?}");
    }
}
