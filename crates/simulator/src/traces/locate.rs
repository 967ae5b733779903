//! Finds the files of a trace, by their names and by their columns.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::{
    calls, counts,
    csv_file::CsvFile,
    error::TraceError,
    source::{Source, TraceFiles},
    trace::Trace,
};

/// Most CSV files in the directory of a trace, before it is taken for another kind of directory.
const MAX_NAMES: usize = 1000;

/// The trace at a path: see [`decode_dir`] and [`decode_file`].
pub(super) fn decode_path(path: &Path) -> Result<Trace, TraceError> {
    if path.is_dir() { decode_dir(path) } else { decode_file(path) }
}

/// The trace in a directory: one file of single calls, or three of counts, run times and memory.
pub(super) fn decode_dir(directory: &Path) -> Result<Trace, TraceError> {
    let found = names_of(directory)?;
    if let [only] = &found[..] {
        let table = CsvFile::open(open_source(directory.join(only))?)?;
        if calls::has_columns(&table) {
            return calls::decode(table);
        }
    }
    let open = |kind: &'static str| open_source(directory.join(only_one(directory, &found, kind)?));
    counts::decode(TraceFiles {
        invocations: open("invocations")?,
        durations: open("durations")?,
        memory: open("memory")?,
    })
}

/// The names in a directory that may be files of a trace, in order.
fn names_of(directory: &Path) -> Result<Vec<String>, TraceError> {
    let unreadable = |source| TraceError::Read { file: directory.display().to_string(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let Some(name) = name.to_str() else { continue };
        if !(name.ends_with(".csv") || name.ends_with(".csv.gz")) {
            continue;
        }
        if names.len() == MAX_NAMES {
            return Err(unreadable(io::Error::other(format!(
                "more than {MAX_NAMES} CSV files; a trace is three"
            ))));
        }
        names.push(name.to_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// The one file of a kind: `<kind>.csv`, `<anything>_<kind>.csv`, or the same with `.gz`.
fn only_one<'a>(
    directory: &Path,
    found: &'a [String],
    kind: &'static str,
) -> Result<&'a str, TraceError> {
    let matching: Vec<&String> =
        found.iter().filter(|name| prefix_of(name, kind).is_some()).collect();
    match matching[..] {
        [name] => Ok(name),
        _ => Err(TraceError::Files {
            directory: directory.display().to_string(),
            kind,
            found: listed(if matching.is_empty() { found.iter().collect() } else { matching }),
        }),
    }
}

/// What stands before the kind in the name of a file of that kind: nothing, or something that ends
/// in `_`.
fn prefix_of<'a>(name: &'a str, kind: &str) -> Option<&'a str> {
    let stem = name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".csv")?;
    stem.strip_suffix(kind).filter(|prefix| prefix.is_empty() || prefix.ends_with('_'))
}

fn listed(names: Vec<&String>) -> String {
    match names[..] {
        [] => "no CSV file".to_owned(),
        _ => names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "),
    }
}

fn open_source(path: PathBuf) -> Result<Source<'static>, TraceError> {
    let name = path.display().to_string();
    match File::open(&path) {
        Ok(file) => Ok(Source { name, reader: Box::new(file) }),
        Err(source) => Err(TraceError::Read { file: name, source }),
    }
}

/// The trace of one file: single calls, or counts with run times and memory beside it.
fn decode_file(path: &Path) -> Result<Trace, TraceError> {
    let table = CsvFile::open(open_source(path.to_owned())?)?;
    if calls::has_columns(&table) {
        return calls::decode(table);
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(prefix) = prefix_of(name, "invocations") else {
        let problem = format!(
            "is not a trace: needs the columns {}, or a name that is or ends in `_`, \
             `invocations.csv` or `invocations.csv.gz`, with the files of run times and memory \
             beside it",
            calls::COLUMNS.map(|column| format!("`{column}`")).join(", ")
        );
        return Err(TraceError::Format { file: path.display().to_string(), problem });
    };
    drop(table);
    counts::decode(TraceFiles {
        invocations: open_source(path.to_owned())?,
        durations: open_source(sister(path, prefix, "durations")?)?,
        memory: open_source(sister(path, prefix, "memory")?)?,
    })
}

/// The file of another kind that belongs to `path`: in the same directory, with the same `prefix`.
fn sister(path: &Path, prefix: &str, kind: &str) -> Result<PathBuf, TraceError> {
    let names = ["csv", "csv.gz"].map(|end| format!("{prefix}{kind}.{end}"));
    let there = |name: &String| Some(path.with_file_name(name)).filter(|sister| sister.is_file());
    match &names.each_ref().map(there) {
        [Some(one), None] | [None, Some(one)] => Ok(one.clone()),
        [None, None] => {
            Err(sister_problem(path, format!("needs `{}` or `{}` beside it", names[0], names[1])))
        }
        [Some(_), Some(_)] => Err(sister_problem(
            path,
            format!("has both `{}` and `{}` beside it; keep one", names[0], names[1]),
        )),
    }
}

fn sister_problem(path: &Path, problem: String) -> TraceError {
    TraceError::Format { file: path.display().to_string(), problem }
}
