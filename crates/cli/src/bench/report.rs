//! Figures of a benchmark, as tables and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::load::Measured;
use crate::memory::Memory;
use crate::table;

/// Everything one run measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) cases: Vec<Case>,
    pub(crate) memory: Vec<ProcessMemory>,
}

/// One way of calling, measured.
#[derive(Debug, Serialize)]
pub(crate) struct Case {
    /// What was called.
    pub(crate) name: &'static str,
    /// Calls or requests without an answer at any time.
    pub(crate) in_flight: usize,
    /// Good answers per second.
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) p99_ms: f64,
    /// Errors by code.
    pub(crate) errors: BTreeMap<&'static str, u64>,
    /// The rate over that of the echo in the same run: with as many callers, for a stream with the
    /// most callers.
    pub(crate) of_echo: Option<f64>,
}

/// Memory of one of the services, after the load.
#[derive(Debug, Serialize)]
pub(crate) struct ProcessMemory {
    pub(crate) service: &'static str,
    #[serde(flatten)]
    pub(crate) memory: Memory,
}

impl Case {
    pub(crate) fn new(name: &'static str, in_flight: usize, measured: Measured) -> Self {
        Self {
            name,
            in_flight,
            per_second: measured.rate(),
            p50_ms: measured.latencies.quantile_ms(0.5),
            p95_ms: measured.latencies.quantile_ms(0.95),
            p99_ms: measured.latencies.quantile_ms(0.99),
            errors: measured.errors,
            of_echo: None,
        }
    }

    fn row(&self) -> [String; 8] {
        let errors: Vec<_> =
            self.errors.iter().map(|(code, count)| format!("{count} {code}")).collect();
        [
            self.name.to_owned(),
            self.in_flight.to_string(),
            format!("{:.0}", self.per_second),
            format!("{:.3}", self.p50_ms),
            format!("{:.3}", self.p95_ms),
            format!("{:.3}", self.p99_ms),
            if errors.is_empty() { "0".to_owned() } else { errors.join(", ") },
            self.of_echo.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
        ]
    }
}

impl Report {
    /// The same report with the ratio of each case to the echo.
    pub(crate) fn compared(mut self, echo: &str) -> Self {
        let echoes: Vec<(usize, f64)> = self
            .cases
            .iter()
            .filter(|case| case.name == echo)
            .map(|case| (case.in_flight, case.per_second))
            .collect();
        for case in self.cases.iter_mut().filter(|case| case.name != echo) {
            let same = echoes.iter().find(|(callers, _)| *callers == case.in_flight);
            let most = echoes.iter().max_by_key(|(callers, _)| *callers);
            case.of_echo = same.or(most).map(|(_, rate)| case.per_second / rate);
        }
        self
    }

    /// The tables.
    pub(crate) fn text(&self) -> String {
        let header =
            ["call", "in flight", "per second", "p50 ms", "p95 ms", "p99 ms", "errors", "of echo"];
        let mut cases = table::numbers(&header);
        cases.add_rows(self.cases.iter().map(Case::row));
        let mut text = cases.to_string();
        if !self.memory.is_empty() {
            let _ = write!(text, "\n\n{}", self.memory_table());
        }
        text
    }

    fn memory_table(&self) -> comfy_table::Table {
        let mut table = table::numbers(&["memory", "RSS MB", "PSS MB"]);
        let show = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
        let mut total = Memory::default();
        for process in &self.memory {
            let Memory { rss_bytes, pss_bytes } = process.memory;
            table.add_row([process.service.to_owned(), show(rss_bytes), show(pss_bytes)]);
            total.rss_bytes += rss_bytes;
            total.pss_bytes += pss_bytes;
        }
        table.add_row(["all".to_owned(), show(total.rss_bytes), show(total.pss_bytes)]);
        table
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::histogram::Latencies;

    fn case(name: &'static str, in_flight: usize, answers: u64, refused: u64) -> Case {
        let mut latencies = Latencies::new().unwrap();
        (0..answers).for_each(|_| latencies.record(Duration::from_millis(2)));
        let mut errors = BTreeMap::new();
        if refused > 0 {
            errors.insert("UNAVAILABLE", refused);
        }
        Case::new(name, in_flight, Measured { latencies, errors, elapsed: Duration::from_secs(2) })
    }

    #[test]
    fn each_case_is_compared_with_the_echo_of_as_many_callers() {
        let cases = vec![
            case("echo", 1, 100, 0),
            case("echo", 64, 400, 0),
            case("decide", 1, 60, 10),
            case("stream", 256, 100, 0),
        ];
        let report = Report { cases, memory: Vec::new() }.compared("echo");
        let ratios: Vec<_> = report.cases.iter().map(|case| case.of_echo).collect();
        assert_eq!(ratios, [None, None, Some(0.5), Some(0.25)]);
        assert_eq!(
            report.cases[2].row(),
            ["decide", "1", "25", "2.000", "2.000", "2.000", "10 UNAVAILABLE", "0.50"]
        );
    }

    #[test]
    fn memory_is_summed() {
        let process = |service| ProcessMemory {
            service,
            memory: Memory { rss_bytes: 3_000_000, pss_bytes: 1_500_000 },
        };
        let memory = vec![process("strategic"), process("tactical")];
        let text = Report { cases: Vec::new(), memory }.text();
        let sum = text.lines().find(|line| line.trim().starts_with("all ")).unwrap();
        assert_eq!(sum.split_whitespace().collect::<Vec<_>>(), ["all", "6.0", "3.0"]);
    }
}
