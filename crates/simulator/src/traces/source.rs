use std::io::Read;

/// One file of a trace: a name for errors, and its bytes.
pub struct Source<'a> {
    /// What errors call it.
    pub name: String,
    /// Its bytes, gzipped or not.
    pub reader: Box<dyn Read + 'a>,
}

/// The three files of a trace, in the format of the Azure Functions trace of 2019.
pub struct TraceFiles<'a> {
    /// `HashFunction`, optionally `HashApp` and `Trigger`, and one column per minute of the day,
    /// named by its number.
    pub invocations: Source<'a>,
    /// `HashFunction` and `percentile_Average_` 0, 1, 25, 50, 75, 99, 100 in ms.
    pub durations: Source<'a>,
    /// `HashFunction` and `AverageAllocatedMb_pct` 1, 5, 25, 50, 75, 95, 99, 100 in MB.
    pub memory: Source<'a>,
}
