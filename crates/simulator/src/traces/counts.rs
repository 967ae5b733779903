//! Reads traces of counts, run times and memory by function, in the format of the Azure Functions
//! trace of 2019. Every byte may be wrong: sizes, counts and numbers are bounded, and an error says
//! where.

use std::collections::{HashMap, HashSet};

use strata_domain::FunctionId;

use super::{
    csv_file::CsvFile,
    error::TraceError,
    percentiles::Percentiles,
    source::{Source, TraceFiles},
    trace::{Recorded, Trace, TracedFunction},
    trigger::Trigger,
};

/// Most functions of one trace.
pub(super) const MAX_FUNCTIONS: usize = 100_000;
/// Most minutes of one trace: a fortnight.
pub(super) const MAX_MINUTES: usize = 14 * 1440;
/// Longest run: a day, far beyond any provider's limit.
pub(super) const MAX_DURATION_MS: f64 = 86_400_000.0;
/// Most memory: a terabyte.
const MAX_MEMORY_MB: f64 = 1_048_576.0;

pub(super) fn decode(files: TraceFiles<'_>) -> Result<Trace, TraceError> {
    let mut durations = Profiles::read(files.durations, &DURATION_COLUMNS, MAX_DURATION_MS)?;
    let mut memory = Profiles::read(files.memory, &MEMORY_COLUMNS, MAX_MEMORY_MB)?;
    let mut table = CsvFile::open(files.invocations)?;
    let layout = Layout::of(&table)?;
    let mut functions = Vec::new();
    let mut seen = HashSet::new();
    while table.next()? {
        let id = layout.id(&table)?;
        if functions.len() == MAX_FUNCTIONS {
            return Err(
                table.problem(format!("more than {MAX_FUNCTIONS} functions; split the trace"))
            );
        }
        if !seen.insert(id.clone()) {
            return Err(table.problem(format!("function `{id}` is listed twice; keep one line")));
        }
        functions.push(TracedFunction::new(Recorded {
            trigger: layout.trigger(&table),
            per_minute: layout.per_minute(&table)?,
            duration_ms: durations.take(&id, &table.name)?,
            memory_mb: memory.take(&id, &table.name)?,
            id,
        }));
    }
    Ok(Trace::new(functions, layout.minutes.len(), layout.start_minute))
}

/// Columns of a percentile file: name and level.
type Columns = [(&'static str, f64)];

pub(super) const DURATION_COLUMNS: [(&str, f64); 7] = [
    ("percentile_Average_0", 0.0),
    ("percentile_Average_1", 0.01),
    ("percentile_Average_25", 0.25),
    ("percentile_Average_50", 0.50),
    ("percentile_Average_75", 0.75),
    ("percentile_Average_99", 0.99),
    ("percentile_Average_100", 1.0),
];
const MEMORY_COLUMNS: [(&str, f64); 8] = [
    ("AverageAllocatedMb_pct1", 0.01),
    ("AverageAllocatedMb_pct5", 0.05),
    ("AverageAllocatedMb_pct25", 0.25),
    ("AverageAllocatedMb_pct50", 0.50),
    ("AverageAllocatedMb_pct75", 0.75),
    ("AverageAllocatedMb_pct95", 0.95),
    ("AverageAllocatedMb_pct99", 0.99),
    ("AverageAllocatedMb_pct100", 1.0),
];

/// A percentile file, by function.
struct Profiles {
    name: String,
    by_function: HashMap<FunctionId, Percentiles>,
}

impl Profiles {
    fn read(source: Source<'_>, columns: &Columns, most: f64) -> Result<Self, TraceError> {
        let mut table = CsvFile::open(source)?;
        let (function, application) = (table.column("HashFunction")?, table.find("HashApp"));
        let positions: Vec<(usize, f64)> = columns
            .iter()
            .map(|(name, level)| Ok((table.column(name)?, *level)))
            .collect::<Result<_, TraceError>>()?;
        let mut by_function = HashMap::new();
        while table.next()? {
            if by_function.len() == MAX_FUNCTIONS {
                return Err(
                    table.problem(format!("more than {MAX_FUNCTIONS} functions; split the file"))
                );
            }
            let id = table.function_id(function, application)?;
            let mut knots = Vec::with_capacity(positions.len());
            for &(column, level) in &positions {
                knots.push((level, table.number(column, most)?));
            }
            let known = Percentiles::new(knots).map_err(|problem| table.problem(problem))?;
            if by_function.insert(id.clone(), known).is_some() {
                return Err(
                    table.problem(format!("function `{id}` is listed twice; keep one line"))
                );
            }
        }
        Ok(Self { name: table.name, by_function })
    }

    fn take(&mut self, id: &FunctionId, invocations: &str) -> Result<Percentiles, TraceError> {
        self.by_function.remove(id).ok_or_else(|| TraceError::Missing {
            file: self.name.clone(),
            function: id.to_string(),
            invocations: invocations.to_owned(),
        })
    }
}

/// Where things stand in the invocations file.
struct Layout {
    function: usize,
    application: Option<usize>,
    trigger: Option<usize>,
    /// Columns of the minutes, in order.
    minutes: Vec<usize>,
    /// Minute of the day of the first of them, counted from 0.
    start_minute: usize,
}

impl Layout {
    fn of(table: &CsvFile<'_>) -> Result<Self, TraceError> {
        let mut minutes = Vec::new();
        let mut first: usize = 1;
        for (column, name) in table.header.iter().enumerate() {
            let Ok(number) = name.parse::<usize>() else { continue };
            if minutes.is_empty() {
                first = number;
            }
            if number == 0 || number > MAX_MINUTES || number != first + minutes.len() {
                let problem = format!(
                    "minute column `{name}` is out of order; minutes count up by 1, from 1 to at \
                     most {MAX_MINUTES}"
                );
                return Err(table.problem(problem));
            }
            minutes.push(column);
        }
        if minutes.is_empty() {
            return Err(table.problem("has no minute columns; name them 1, 2, 3, ...".to_owned()));
        }
        Ok(Self {
            function: table.column("HashFunction")?,
            application: table.find("HashApp"),
            trigger: table.find("Trigger"),
            minutes,
            start_minute: first_minute_of_day(first),
        })
    }

    fn id(&self, table: &CsvFile<'_>) -> Result<FunctionId, TraceError> {
        table.function_id(self.function, self.application)
    }

    fn trigger(&self, table: &CsvFile<'_>) -> Option<Trigger> {
        let name = table.record.get(self.trigger?)?;
        Some(match name {
            "http" => Trigger::Http,
            "queue" => Trigger::Queue,
            "orchestration" => Trigger::Orchestration,
            "event" => Trigger::Event,
            "storage" => Trigger::Storage,
            "timer" => Trigger::Timer,
            _ => Trigger::Other,
        })
    }

    fn per_minute(&self, table: &CsvFile<'_>) -> Result<Vec<u32>, TraceError> {
        self.minutes.iter().map(|&column| table.count(column)).collect()
    }
}

/// A whole-day file counts minutes from 1. A file that begins later names the minute since
/// midnight.
const fn first_minute_of_day(first_column: usize) -> usize {
    if first_column == 1 { 0 } else { first_column }
}
