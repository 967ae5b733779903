//! The answers of the running services: a decision for every function, a forecast for every window.

mod decisions;
mod forecasts;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use strata_cluster::Running;
use strata_simulator::Decided;

#[cfg(test)]
pub(crate) use self::forecasts::Forecast;
pub(crate) use self::forecasts::{Answered, Forecasts};
use super::subject::Subject;

/// The answers of the services.
pub(crate) struct Answers {
    pub(crate) strata: Vec<Decided>,
    pub(crate) forecasts: Forecasts,
}

/// Asks the running services for every decision and every forecast.
///
/// # Errors
/// When the trace has nothing to decide, or a service does not answer.
pub(crate) async fn ask(
    subject: &Subject,
    running: &Running,
    bar: &ProgressBar,
) -> anyhow::Result<Answers> {
    bar.set_style(ProgressStyle::with_template("{msg:12} {bar:40} {pos}/{len} {eta} left")?);
    bar.set_draw_target(ProgressDrawTarget::stderr());
    let functions = subject.world.deciding(subject.scope);
    if functions.is_empty() {
        bail!(
            "{} has nothing to decide: no function is called after its first 25 minutes",
            subject.name
        );
    }
    let strata = decisions::ask(subject, &running.endpoint, bar).await?;
    let forecasts = forecasts::ask(subject, &running.operational, bar).await?;
    bar.finish_and_clear();
    Ok(Answers { strata, forecasts })
}
