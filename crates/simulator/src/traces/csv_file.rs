//! CSV files of unknown origin: unpacked, bounded, one line at a time.

use std::io::{self, BufRead, BufReader, Read};

use csv::StringRecord;
use flate2::bufread::MultiGzDecoder;
use strata_domain::FunctionId;

use super::{error::TraceError, source::Source};

/// Most bytes of one file after decompression, unless its kind is allowed more.
const MAX_BYTES: u64 = 256 << 20;
/// Most bytes without an end of line: a fortnight of seven-digit counts is 160 kB.
const MAX_LINE_BYTES: usize = 4 << 20;
/// Most calls of one function in one minute.
const MAX_CALLS_PER_MINUTE: u32 = 10_000_000;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A CSV file with a header, one line at a time.
pub(super) struct CsvFile<'a> {
    pub(super) name: String,
    pub(super) header: StringRecord,
    reader: csv::Reader<Limited<Box<dyn Read + 'a>>>,
    pub(super) record: StringRecord,
    line: u64,
}

impl<'a> CsvFile<'a> {
    pub(super) fn open(source: Source<'a>) -> Result<Self, TraceError> {
        let Source { name, reader } = source;
        let reader = match plain(reader) {
            Ok(reader) => reader,
            Err(source) => return Err(TraceError::Read { file: name, source }),
        };
        let mut reader = csv::ReaderBuilder::new().from_reader(reader);
        let header = reader.headers().cloned().map_err(|error| csv_error(&name, error))?;
        Ok(Self { name, header, reader, record: StringRecord::new(), line: 1 })
    }

    /// Lets the file have this many bytes after decompression.
    pub(super) fn allow_bytes(&mut self, most: u64) {
        self.reader.get_mut().most = most;
    }

    /// Moves to the next line; `false` at the end.
    pub(super) fn next(&mut self) -> Result<bool, TraceError> {
        let more = self.reader.read_record(&mut self.record);
        let more = more.map_err(|error| csv_error(&self.name, error))?;
        self.line = self.record.position().map_or(self.line, csv::Position::line);
        Ok(more)
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    pub(super) fn column(&self, name: &str) -> Result<usize, TraceError> {
        self.find(name).ok_or_else(|| self.problem(format!("column `{name}` is missing")))
    }

    fn text(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or_default()
    }

    pub(super) fn function_id(
        &self,
        function: usize,
        application: Option<usize>,
    ) -> Result<FunctionId, TraceError> {
        let function = self.text(function);
        let application = application.map_or(function, |column| self.text(column));
        FunctionId::new(application, function)
            .map_err(|error| self.problem(format!("function name {error}")))
    }

    pub(super) fn number(&self, column: usize, most: f64) -> Result<f64, TraceError> {
        match self.text(column).parse::<f64>() {
            Ok(number) if (0.0..=most).contains(&number) => Ok(number),
            _ => Err(self.bad_field(column, &format!("expected a number from 0 to {most}"))),
        }
    }

    pub(super) fn count(&self, column: usize) -> Result<u32, TraceError> {
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

    pub(super) fn problem(&self, problem: String) -> TraceError {
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
fn plain<'a>(reader: Box<dyn Read + 'a>) -> io::Result<Limited<Box<dyn Read + 'a>>> {
    let mut reader = BufReader::new(reader);
    let zipped = reader.fill_buf()?.starts_with(&GZIP_MAGIC);
    let inner: Box<dyn Read + 'a> =
        if zipped { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) };
    Ok(Limited { inner, read: 0, most: MAX_BYTES, line_bytes: 0 })
}

/// Fails, instead of ending early, when there is more than allowed.
struct Limited<R> {
    inner: R,
    read: u64,
    most: u64,
    line_bytes: usize,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read = self.read.saturating_add(count as u64);
        if self.read > self.most {
            let limit = self.most >> 20;
            return Err(too_large(format!("holds more than {limit} MB unpacked; split it")));
        }
        let read = buffer.get(..count).unwrap_or_default();
        self.line_bytes = match read.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => count - end,
            None => self.line_bytes + count,
        };
        if self.line_bytes > MAX_LINE_BYTES {
            let limit = MAX_LINE_BYTES >> 20;
            return Err(too_large(format!("has a line of more than {limit} MB; is it a trace?")));
        }
        Ok(count)
    }
}

fn too_large(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, problem)
}
