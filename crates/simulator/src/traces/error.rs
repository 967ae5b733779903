use std::io;

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
    /// A directory holds neither a file of single calls alone nor exactly one file of each kind.
    #[error(
        "{directory}: must hold exactly one file called `{kind}.csv` or with a name that ends in \
         `_{kind}.csv`, each with or without `.gz`, or one CSV file only, of single calls (`app`, \
         `func`, `end_timestamp`, `duration`); found {found}"
    )]
    Files {
        /// The directory.
        directory: String,
        /// Which file.
        kind: &'static str,
        /// What was found instead.
        found: String,
    },
    /// A file is not of a known format, or lacks the files that belong to it.
    #[error("{file}: {problem}")]
    Format {
        /// The file.
        file: String,
        /// What it lacks, and what would be read.
        problem: String,
    },
    /// A function has calls but nothing is known about it.
    #[error(
        "{file}: has no line for function `{function}`, which {invocations} lists; add one or \
         remove the function"
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
