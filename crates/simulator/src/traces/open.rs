use std::path::Path;

use super::{
    bundled, calls, counts,
    csv_file::CsvFile,
    error::TraceError,
    locate,
    source::{Source, TraceFiles},
    trace::Trace,
};

impl Trace {
    /// The bundled day of the Azure Functions trace of 2019: 1,104 functions, 1,440 minutes.
    ///
    /// # Errors
    /// None in a correct build: the files are part of the program, and are checked as any others.
    pub fn bundled() -> Result<Self, TraceError> {
        counts::decode(bundled::day())
    }

    /// The bundled working day (08:00 to 16:00 UTC) of the same trace: 409 other functions, with
    /// applications and triggers.
    ///
    /// # Errors
    /// As [`Trace::bundled`].
    pub fn bundled_eight_hours() -> Result<Self, TraceError> {
        counts::decode(bundled::eight_hours())
    }

    /// A trace of three files in the format of the bundled ones, gzipped or not.
    ///
    /// # Errors
    /// A file that cannot be read, is too large, or does not make sense; the error names file and
    /// line.
    pub fn from_files(files: TraceFiles<'_>) -> Result<Self, TraceError> {
        counts::decode(files)
    }

    /// A trace of the three files of a directory whose names are or end in `_`: `invocations.csv`,
    /// `durations.csv`, `memory.csv`, each with or without `.gz`; or of its only CSV file, when it
    /// has the columns of [`Trace::from_calls`].
    ///
    /// # Errors
    /// As [`Trace::from_files`].
    pub fn from_dir(directory: &Path) -> Result<Self, TraceError> {
        locate::decode_dir(directory)
    }

    /// A trace of a file or a directory, whichever `path` is: [`Trace::from_dir`],
    /// [`Trace::from_calls`] when the file has its columns, or else an `invocations` file whose
    /// `durations` and `memory` have the same beginning of the name and lie beside it.
    ///
    /// # Errors
    /// As [`Trace::from_files`], and a file that is neither.
    pub fn from_path(path: &Path) -> Result<Self, TraceError> {
        locate::decode_path(path)
    }

    /// A trace of one file of single calls in the format of the Azure Functions trace of 2021,
    /// gzipped or not: `app`, `func`, `end_timestamp` (s since the trace began) and `duration` (s),
    /// lines and columns in any order.
    ///
    /// A call counts in the minute in which it began; the run times of a function are those of its
    /// own calls. What the file does not say is assumed: [`strata_domain::DEFAULT_MEMORY_MB`] of
    /// memory, [`Trigger::Other`](crate::Trigger::Other), and [`Attributes`](crate::Attributes).
    ///
    /// # Errors
    /// As [`Trace::from_files`], and more calls, functions or minutes than can be held.
    pub fn from_calls(source: Source<'_>) -> Result<Self, TraceError> {
        calls::decode(CsvFile::open(source)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::traces::{trace::TracedFunction, trigger::Trigger};

    #[test]
    fn the_bundled_day_is_whole() {
        let trace = Trace::bundled().unwrap();
        assert_eq!((trace.functions().len(), trace.minutes()), (1104, 1440));
        let calls: u64 = trace.functions().iter().map(TracedFunction::invocations).sum();
        assert_eq!(calls, 804_231);
        assert_eq!((trace.start().hour(), trace.start().weekday()), (0, 0));
        let timers = trace.functions().iter().filter(|f| f.trigger == Trigger::Timer).count();
        assert!((100..200).contains(&timers), "{timers}");
    }

    #[test]
    fn the_bundled_eight_hours_have_applications_and_triggers() {
        let trace = Trace::bundled_eight_hours().unwrap();
        assert_eq!((trace.functions().len(), trace.minutes()), (409, 480));
        assert_eq!(trace.start().hour(), 8);
        let calls: u64 = trace.functions().iter().map(TracedFunction::invocations).sum();
        assert_eq!(calls, 2_651_670);
        let timers = trace.functions().iter().filter(|f| f.trigger == Trigger::Timer).count();
        assert_eq!(timers, 201);
    }
}
