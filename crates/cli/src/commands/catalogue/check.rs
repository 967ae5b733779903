//! `strata catalogue check`

use std::{process::ExitCode, time::SystemTime};

use anyhow::Context;
use clap::Args;
use strata_catalogue::{Document, Loaded, load};
use strata_terminal::say;

/// Say everything that is wrong with a catalogue, odd about it, or old.
///
/// Exits with 1 when the services would refuse the catalogue. Warnings, old sources and gaps do not
/// change the exit code.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// A YAML file, or a built-in name
    #[arg(value_name = "FILE|NAME")]
    catalogue: String,
    /// Sources older than this many years are stale
    #[arg(long, value_name = "YEARS", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u16).range(0..=1000))]
    stale_years: u16,
}

impl Check {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let loaded = match load(&self.catalogue) {
            Ok(loaded) => loaded,
            Err(refused) => {
                for fault in &refused.faults {
                    say(format_args!("fault: {fault}"))?;
                }
                say(format_args!("{} is refused: {}", refused.name, faults(refused.faults.len())))?;
                return Ok(ExitCode::FAILURE);
            }
        };
        for line in report(&loaded, today()?, self.stale_years.into()) {
            say(line)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Everything worth knowing of a catalogue without faults; the last line sums it up.
fn report(loaded: &Loaded, today: i64, stale_years: i64) -> Vec<String> {
    let Loaded { catalogue, document, warnings } = loaded;
    let mut lines: Vec<String> = warnings.iter().map(|odd| format!("warning: {odd}")).collect();
    let stale = loaded.stale_sources(today, stale_years);
    lines.extend(stale.iter().map(|source| format!("stale: {source}")));
    let (gaps, pairs) = gaps(document);
    if gaps > 0 {
        let trips = &document.round_trips;
        lines.push(format!(
            "gap: {gaps} of {pairs} pairs of regions have no measured round trip; the fit over \
             distance that stands in is off by {} ms at the median and {} ms at the 90th \
             percentile",
            trips.fit_error_p50_ms, trips.fit_error_p90_ms,
        ));
    }
    lines.push(format!(
        "{} is sound: {} platforms, {} regions, {} placements, revision {}; {} warnings, {} stale \
         sources",
        catalogue.name(),
        catalogue.platforms().len(),
        catalogue.regions().len(),
        catalogue.candidates().len(),
        catalogue.revision(),
        warnings.len(),
        stale.len(),
    ));
    lines
}

/// How many pairs of regions have no measured round trip, and how many pairs there are.
fn gaps(document: &Document) -> (usize, usize) {
    let measured = &document.round_trips.measured_ms;
    let is_measured = |from: &str, to: &str| measured.get(from).is_some_and(|r| r.contains_key(to));
    let keys: Vec<&str> = document.regions.keys().map(String::as_str).collect();
    let pairs = keys
        .iter()
        .enumerate()
        .flat_map(|(index, from)| keys[index + 1..].iter().map(move |to| (*from, *to)));
    let gaps = pairs.filter(|(from, to)| !is_measured(from, to) && !is_measured(to, from)).count();
    (gaps, keys.len() * keys.len().saturating_sub(1) / 2)
}

fn faults(count: usize) -> String {
    match count {
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    }
}

/// Days since 1970.
fn today() -> anyhow::Result<i64> {
    const SECONDS_PER_DAY: u64 = 86_400;
    let passed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let days = passed.context("the clock is before 1970")?.as_secs() / SECONDS_PER_DAY;
    Ok(i64::try_from(days)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_catalogue_is_summed_up_with_its_old_sources_and_gaps() {
        let research = strata_catalogue::built_in(strata_catalogue::RESEARCH);
        // 2026-11-25.
        let lines = report(&research, 20_782, 3);
        assert!(lines.iter().any(|line| line.starts_with("stale: sources.sebs-2020: is of 2020")));
        assert!(!lines.iter().any(|line| line.starts_with("gap:")), "{lines:?}");
        let last = lines.last().unwrap();
        assert!(last.starts_with("research is sound: 3 platforms, 12 regions, 64 placements"));
        let world = strata_catalogue::built_in(strata_catalogue::WORLD);
        assert_eq!(gaps(&world.document), (58, 1275));
        let lines = report(&world, 20_782, 1000);
        assert!(lines[0].starts_with("gap: 58 of 1275 pairs"), "{lines:?}");
        assert!(lines[0].contains("17.1 ms at the median and 62.6 ms"), "{lines:?}");
    }
}
