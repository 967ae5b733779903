//! Reads trace files. Every byte may be wrong: sizes, counts and numbers are bounded, and an error says where.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use csv::StringRecord;
use flate2::bufread::MultiGzDecoder;
use strata_domain::FunctionId;

use crate::{
    percentiles::Percentiles,
    trace::{Trace, TracedFunction, Trigger},
};

/// Most bytes of one file after decompression.
const MAX_BYTES: u64 = 512 << 20;
/// Most functions of one trace.
const MAX_FUNCTIONS: usize = 100_000;
/// Most minutes of one trace: a fortnight.
const MAX_MINUTES: usize = 14 * 1440;
/// Most calls of one function in one minute.
const MAX_CALLS_PER_MINUTE: u32 = 10_000_000;
/// Longest run: a day, far beyond any provider's limit.
const MAX_DURATION_MS: f64 = 86_400_000.0;
/// Most memory: a terabyte.
const MAX_MEMORY_MB: f64 = 1_048_576.0;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A trace that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// A file cannot be read.
    #[error("{file}: cannot be read")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A line makes no sense.
    #[error("{file}:{line}: {problem}")]
    Line {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// A function has calls but nothing is known about it.
    #[error(
        "{file}: has no line for function `{function}`, which {invocations} lists; add one or remove the function"
    )]
    Missing {
        /// The file without the line.
        file: String,
        /// The function.
        function: String,
        /// The file that lists it.
        invocations: String,
    },
}

/// One file of a trace: a name for errors, and its bytes.
pub struct Source<'a> {
    /// What errors call it.
    pub name: String,
    /// Its bytes, gzipped or not.
    pub reader: Box<dyn Read + 'a>,
}

/// The three files of a trace, in the format of the Azure Functions trace of 2019.
pub struct TraceFiles<'a> {
    /// `HashFunction`, optionally `HashApp` and `Trigger`, and one column per minute of the day, named by its number.
    pub invocations: Source<'a>,
    /// `HashFunction` and `percentile_Average_` 0, 1, 25, 50, 75, 99, 100 in ms.
    pub durations: Source<'a>,
    /// `HashFunction` and `AverageAllocatedMb_pct` 1, 5, 25, 50, 75, 95, 99, 100 in MB.
    pub memory: Source<'a>,
}

macro_rules! bundled {
    ($name:literal) => {
        Source {
            name: $name.to_owned(),
            reader: Box::new(&include_bytes!(concat!("../data/", $name))[..]),
        }
    };
}

pub(crate) fn bundled_day() -> TraceFiles<'static> {
    TraceFiles {
        invocations: bundled!("azure2019_day_invocations.csv.gz"),
        durations: bundled!("azure2019_day_durations.csv.gz"),
        memory: bundled!("azure2019_day_memory.csv.gz"),
    }
}

pub(crate) fn bundled_eight_hours() -> TraceFiles<'static> {
    TraceFiles {
        invocations: bundled!("azure2019_8h_invocations.csv.gz"),
        durations: bundled!("azure2019_8h_durations.csv.gz"),
        memory: bundled!("azure2019_8h_memory.csv.gz"),
    }
}

pub(crate) fn decode_dir(directory: &Path) -> Result<Trace, TraceError> {
    let open = |stem: &str| {
        let plain = directory.join(format!("{stem}.csv"));
        let zipped = directory.join(format!("{stem}.csv.gz"));
        open_source(if zipped.exists() { zipped } else { plain })
    };
    decode(TraceFiles {
        invocations: open("invocations")?,
        durations: open("durations")?,
        memory: open("memory")?,
    })
}

fn open_source(path: PathBuf) -> Result<Source<'static>, TraceError> {
    let name = path.display().to_string();
    match File::open(&path) {
        Ok(file) => Ok(Source { name, reader: Box::new(file) }),
        Err(source) => Err(TraceError::Read { file: name, source }),
    }
}

pub(crate) fn decode(files: TraceFiles<'_>) -> Result<Trace, TraceError> {
    let mut durations = Profiles::read(files.durations, &DURATION_COLUMNS, MAX_DURATION_MS)?;
    let mut memory = Profiles::read(files.memory, &MEMORY_COLUMNS, MAX_MEMORY_MB)?;
    let mut table = Table::open(files.invocations)?;
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
        let duration = durations.take(&id, &table.name)?;
        let used = memory.take(&id, &table.name)?;
        let per_minute = layout.per_minute(&table)?;
        functions.push(TracedFunction::new(id, layout.trigger(&table), per_minute, duration, used));
    }
    Ok(Trace::new(functions, layout.minutes.len(), layout.start_minute))
}

/// Columns of a percentile file: name and level.
type Columns = [(&'static str, f64)];

const DURATION_COLUMNS: [(&str, f64); 7] = [
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
        let mut table = Table::open(source)?;
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
    fn of(table: &Table<'_>) -> Result<Self, TraceError> {
        let mut minutes = Vec::new();
        let mut first: usize = 1;
        for (column, name) in table.header.iter().enumerate() {
            let Ok(number) = name.parse::<usize>() else { continue };
            if minutes.is_empty() {
                first = number;
            }
            if number == 0 || number > MAX_MINUTES || number != first + minutes.len() {
                let problem = format!(
                    "minute column `{name}` is out of order; minutes count up by 1, from 1 to at most {MAX_MINUTES}"
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

    fn id(&self, table: &Table<'_>) -> Result<FunctionId, TraceError> {
        table.function_id(self.function, self.application)
    }

    fn trigger(&self, table: &Table<'_>) -> Option<Trigger> {
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

    fn per_minute(&self, table: &Table<'_>) -> Result<Vec<u32>, TraceError> {
        self.minutes.iter().map(|&column| table.count(column)).collect()
    }
}

/// A whole-day file counts minutes from 1. A file that begins later names the minute since midnight.
const fn first_minute_of_day(first_column: usize) -> usize {
    if first_column == 1 { 0 } else { first_column }
}

/// A CSV file with a header, one line at a time.
struct Table<'a> {
    name: String,
    header: StringRecord,
    reader: csv::Reader<Box<dyn Read + 'a>>,
    record: StringRecord,
    line: u64,
}

impl<'a> Table<'a> {
    fn open(source: Source<'a>) -> Result<Self, TraceError> {
        let Source { name, reader } = source;
        let reader = match plain(reader) {
            Ok(reader) => reader,
            Err(source) => return Err(TraceError::Read { file: name, source }),
        };
        let mut reader = csv::ReaderBuilder::new().from_reader(reader);
        let header = reader.headers().cloned().map_err(|error| csv_error(&name, error))?;
        Ok(Self { name, header, reader, record: StringRecord::new(), line: 1 })
    }

    /// Moves to the next line; `false` at the end.
    fn next(&mut self) -> Result<bool, TraceError> {
        let more = self.reader.read_record(&mut self.record);
        let more = more.map_err(|error| csv_error(&self.name, error))?;
        self.line = self.record.position().map_or(self.line, csv::Position::line);
        Ok(more)
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    fn column(&self, name: &str) -> Result<usize, TraceError> {
        self.find(name).ok_or_else(|| self.problem(format!("column `{name}` is missing")))
    }

    fn text(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or_default()
    }

    fn function_id(
        &self,
        function: usize,
        application: Option<usize>,
    ) -> Result<FunctionId, TraceError> {
        let function = self.text(function);
        let application = application.map_or(function, |column| self.text(column));
        FunctionId::new(application, function)
            .map_err(|error| self.problem(format!("function name {error}")))
    }

    fn number(&self, column: usize, most: f64) -> Result<f64, TraceError> {
        match self.text(column).parse::<f64>() {
            Ok(number) if (0.0..=most).contains(&number) => Ok(number),
            _ => Err(self.bad_field(column, &format!("expected a number from 0 to {most}"))),
        }
    }

    fn count(&self, column: usize) -> Result<u32, TraceError> {
        match self.text(column).parse::<u32>() {
            Ok(count) if count <= MAX_CALLS_PER_MINUTE => Ok(count),
            _ => {
                let expected = format!("expected a whole number from 0 to {MAX_CALLS_PER_MINUTE}");
                Err(self.bad_field(column, &expected))
            }
        }
    }

    fn bad_field(&self, column: usize, expected: &str) -> TraceError {
        let shown: String = self.text(column).chars().take(40).collect();
        let name = self.header.get(column).unwrap_or_default();
        self.problem(format!("column `{name}` holds `{shown}`; {expected}"))
    }

    fn problem(&self, problem: String) -> TraceError {
        TraceError::Line { file: self.name.clone(), line: self.line, problem }
    }
}

fn csv_error(file: &str, error: csv::Error) -> TraceError {
    let line = error.position().map_or(1, csv::Position::line);
    let file = file.to_owned();
    match error.into_kind() {
        csv::ErrorKind::Io(source) => TraceError::Read { file, source },
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => TraceError::Line {
            file,
            line,
            problem: format!("has {len} columns; the header has {expected_len}"),
        },
        csv::ErrorKind::Utf8 { .. } => {
            TraceError::Line { file, line, problem: "is not UTF-8".to_owned() }
        }
        kind => TraceError::Line { file, line, problem: format!("{kind:?}") },
    }
}

/// Unpacks gzip, and stops files that are, or become, too large.
fn plain<'a>(reader: Box<dyn Read + 'a>) -> io::Result<Box<dyn Read + 'a>> {
    let mut reader = BufReader::new(reader);
    let zipped = reader.fill_buf()?.starts_with(&GZIP_MAGIC);
    let inner: Box<dyn Read + 'a> =
        if zipped { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) };
    Ok(Box::new(Limited { inner, left: MAX_BYTES }))
}

/// Fails, instead of ending early, when there is more than allowed.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            let problem = format!("holds more than {} MB unpacked; split it", MAX_BYTES >> 20);
            io::Error::new(io::ErrorKind::FileTooLarge, problem)
        })?;
        Ok(count)
    }
}
