//! The tables of a replay.

use std::{
    fmt::{Display, Write},
    time::Duration,
};

use strata_load::Latencies;
use strata_terminal::number_columns;

use super::tally::{Sums, Tally};

impl Tally {
    /// Everything that was counted, after a replay that took `elapsed`.
    pub(crate) fn report(&self, elapsed: Duration) -> String {
        let mut text = String::new();
        let decisions = self.decisions();
        let rate = decisions as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let seconds = elapsed.as_secs_f64();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{decisions} decisions in {seconds:.2} s: {rate:.0} decisions/s");
        if self.stale > 0 {
            let _ = writeln!(text, "{} of them with a layer that was not fresh", self.stale);
        }
        let _ = writeln!(text, "{} faults", self.faults());
        for (kind, (count, message)) in &self.faults {
            let _ = writeln!(text, "  {kind}: {count}; the first: {message}");
        }
        if decisions > 0 {
            let share = percent(self.moves, decisions);
            let _ = write!(text, "\n{}\n\n{}\n", self.times(), self.places());
            let _ = writeln!(text, "{} decisions ({share}) move the function", self.moves);
        }
        let compared = self.by_decision.weight();
        if compared > 0.0 {
            let _ = write!(
                text,
                "\nMeans over the {compared} decisions on the part of the trace that the models \
                 have not seen:\n{}",
                self.savings()
            );
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn times(&self) -> comfy_table::Table {
        let mut table = number_columns(&["time, ms", "p50", "p95", "p99"]);
        let mut row = |name: &str, latencies: &Latencies| {
            let of = |quantile| format!("{:.2}", latencies.quantile_ms(quantile));
            table.add_row([name.to_owned(), of(0.5), of(0.95), of(0.99)]);
        };
        row("end to end", &self.end_to_end);
        row("in the coordinator", &self.coordinator);
        for (name, latencies) in &self.layers {
            row(&format!("  {name}"), latencies);
        }
        table
    }

    fn places(&self) -> comfy_table::Table {
        let mut table = number_columns(&["placed", "decisions", "share"]);
        let decisions = self.decisions();
        let mut row = |name: &dyn Display, count: u64| {
            table.add_row([name.to_string(), count.to_string(), percent(count, decisions)]);
        };
        for counts in [&self.providers, &self.platforms, &self.regions] {
            counts.iter().for_each(|(name, count)| row(name, *count));
        }
        self.memory_mb.iter().for_each(|(mb, count)| row(&format_args!("{mb} MB"), *count));
        table
    }

    fn savings(&self) -> comfy_table::Table {
        let header = ["estimated for an invocation", "staying put", "as decided", "change"];
        let mut table = number_columns(&header);
        let weights =
            [("by calls", self.by_call.means()), ("by decision", self.by_decision.means())];
        for (weight, (chosen, staying)) in weights {
            let mut row = |name: &str, of: fn(Sums) -> f64| {
                let (before, after) = (of(staying), of(chosen));
                let change = match before {
                    0.0 => "-".to_owned(),
                    before => format!("{:+.1} %", (after / before - 1.0) * 100.0),
                };
                let show = |value: f64| format!("{value:.2}");
                table.add_row([format!("{name}, {weight}"), show(before), show(after), change]);
            };
            row("cost, USD per million", |sums| sums.cost_usd * 1e6);
            row("latency, ms", |sums| sums.latency_ms);
            row("carbon, gCO2e per million", |sums| sums.carbon_g * 1e6);
        }
        table
    }
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", part as f64 / whole.max(1) as f64 * 100.0)
}
