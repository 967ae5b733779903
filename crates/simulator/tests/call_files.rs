//! Files of single calls, honest ones and ones that lie; and how files are told apart.

#![allow(clippy::unwrap_used)]

use std::{
    fmt::Write as _,
    io::{Cursor, Write as _},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use strata_domain::{DEFAULT_MEMORY_MB, FunctionId};
use strata_simulator::{Source, Trace, TraceError, Trigger};

const HEADER: &str = "app,func,end_timestamp,duration\n";
/// Two functions of one name in two applications, three minutes, lines in no order.
const CALLS: &str = "app,func,end_timestamp,duration\n\
b,f,130.5,10\na,f,0.25,0.078\nb,f,59.0,1\na,f,62,0\nb,f,60.5,3\n";

fn read(text: &[u8]) -> Result<Trace, TraceError> {
    Trace::from_calls(Source {
        name: "calls.csv".to_owned(),
        reader: Box::new(Cursor::new(text.to_vec())),
    })
}

fn refused(lines: &str) -> String {
    read(format!("{HEADER}{lines}").as_bytes()).unwrap_err().to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn calls_become_counts_and_percentiles() {
    let trace = read(CALLS.as_bytes()).unwrap();
    assert_eq!(trace, read(&gzip(CALLS.as_bytes())).unwrap());
    let [a, b] = trace.functions() else { panic!("{}", trace.functions().len()) };
    assert_eq!(a.id, FunctionId::new("a", "f").unwrap());
    assert_eq!(b.id, FunctionId::new("b", "f").unwrap());
    // Calls count when they begin: 120.5 s, 58 s and 57.5 s.
    assert_eq!((trace.minutes(), &a.per_minute[..]), (3, &[1, 1, 0][..]));
    assert_eq!(b.per_minute, [2, 0, 1]);
    for (level, ms) in [(0.0, 1000.0), (0.25, 2000.0), (0.5, 3000.0), (0.75, 6500.0), (1.0, 1e4)] {
        assert!((b.duration_ms.quantile(level) - ms).abs() < 1e-9, "{level}");
    }
    assert_eq!((a.trigger, a.peak_memory().get()), (Trigger::Other, DEFAULT_MEMORY_MB));
    // 2021-01-31 was a Sunday.
    assert_eq!((trace.start().unix_seconds(), trace.start().weekday()), (1_612_051_200, 6));
}

#[test]
fn columns_may_stand_in_any_order_among_others() {
    let text = "duration,x,func,end_timestamp,app\n1,?,f,61.5,a\n";
    assert_eq!(read(text.as_bytes()).unwrap().functions()[0].per_minute, [0, 1]);
}

#[test]
fn a_call_that_was_running_at_the_beginning_counts_in_the_first_minute() {
    let trace = read(format!("{HEADER}a,f,5,100\n").as_bytes()).unwrap();
    assert_eq!(trace.functions()[0].per_minute, [1]);
    assert_eq!(trace.functions()[0].duration_ms.quantile(0.5), 100_000.0);
}

#[test]
fn the_last_second_of_a_fortnight_is_part_of_it() {
    let trace = read(format!("{HEADER}a,f,1209600,0\n").as_bytes()).unwrap();
    assert_eq!((trace.minutes(), trace.functions()[0].invocations()), (20_160, 1));
}

#[test]
fn impossible_numbers_are_named_with_their_line() {
    for bad in ["NaN", "inf", "-inf", "-1", "1e300", "1209601", "", "x"] {
        assert_eq!(
            refused(&format!("a,f,1,1\na,f,{bad},1\n")),
            format!(
                "calls.csv:3: column `end_timestamp` holds `{bad}`; expected a number from 0 to \
                 1209600"
            )
        );
    }
    for bad in ["nan", "-0.001", "1e9", "86401", "1;2"] {
        assert_eq!(
            refused(&format!("a,f,1,1\na,f,2,{bad}\n")),
            format!(
                "calls.csv:3: column `duration` holds `{bad}`; expected a number from 0 to 86400"
            )
        );
    }
}

#[test]
fn lines_must_be_whole_and_names_must_be_names() {
    assert_eq!(refused("a,f,1\n"), "calls.csv:2: has 3 columns; the header has 4");
    assert!(refused("a,,1,1\n").starts_with("calls.csv:2: function name"));
    assert!(refused(&format!("{},f,1,1\n", "x".repeat(300))).contains("300 bytes"));
    assert!(refused("").contains("has no calls"));
    let error = read(b"app,func,end,duration\na,f,1,1\n").unwrap_err().to_string();
    assert_eq!(error, "calls.csv:1: column `end_timestamp` is missing");
    assert!(read(b"").is_err());
    assert!(read(format!("{HEADER}a,\u{0},1,1\n").as_bytes()).is_err());
    assert!(read(&[HEADER.as_bytes(), b"a,\xff,1,1\n"].concat()).is_err());
    let mut cut = gzip(CALLS.as_bytes());
    cut.truncate(cut.len() - 6);
    assert!(read(&cut).is_err());
}

#[test]
fn too_many_functions_are_refused_at_the_line_that_is_too_much() {
    let mut lines = String::new();
    for function in 0..1_000_000 {
        writeln!(lines, "a,{function},1,1").unwrap();
    }
    let error = refused(&lines);
    assert_eq!(error, "calls.csv:100002: more than 100000 functions; split the trace");
}

#[test]
fn a_small_file_cannot_ask_for_gigabytes_of_counts() {
    let mut lines = String::new();
    for function in 0..50_000 {
        writeln!(lines, "a,{function},1,1").unwrap();
    }
    // One call in the last minute would make it a thousand million counts.
    lines.push_str("a,0,1209590,1\n");
    assert_eq!(
        refused(&lines),
        "calls.csv:50002: 50000 functions in 20160 minutes are more than 64000000 counts; split \
         the trace"
    );
}

#[test]
fn a_bomb_is_stopped() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(HEADER.as_bytes()).unwrap();
    let block = vec![b'\n'; 1 << 20];
    for _ in 0..600 {
        encoder.write_all(&block).unwrap();
    }
    let TraceError::Read { source, .. } = read(&encoder.finish().unwrap()).unwrap_err() else {
        panic!("read to its end");
    };
    assert!(source.to_string().contains("more than 512 MB"), "{source}");
}

fn directory_of(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    directory
}

#[test]
fn a_file_of_calls_is_known_by_its_columns_alone_and_in_a_directory() {
    let zipped = gzip(CALLS.as_bytes());
    let read_there = |name: &str, bytes: &[u8]| {
        let directory = directory_of(&[(name, bytes), ("README.md", b"not a trace")]);
        let file = Trace::from_path(&directory.path().join(name)).unwrap();
        (file, Trace::from_path(directory.path()))
    };
    let expected = read(CALLS.as_bytes()).unwrap();
    for (name, bytes) in [("two_weeks.csv", CALLS.as_bytes()), ("invocations.csv.gz", &zipped)] {
        let (file, directory) = read_there(name, bytes);
        assert_eq!((&file, &directory.unwrap()), (&expected, &expected));
    }
    // The published file ends in .txt.
    assert_eq!(read_there("two_weeks.txt", CALLS.as_bytes()).0, expected);
}

const COUNTS: &str = "HashFunction,1,2\nf,0,5\n";
const RUNS: &str = "HashFunction,percentile_Average_0,percentile_Average_1,\
percentile_Average_25,percentile_Average_50,percentile_Average_75,percentile_Average_99,\
percentile_Average_100\nf,1,2,10,20,30,90,100\n";
const MEMORY: &str = "HashFunction,AverageAllocatedMb_pct1,AverageAllocatedMb_pct5,\
AverageAllocatedMb_pct25,AverageAllocatedMb_pct50,AverageAllocatedMb_pct75,\
AverageAllocatedMb_pct95,AverageAllocatedMb_pct99,AverageAllocatedMb_pct100\n\
f,90,91,92,93,94,95,96,97\n";

#[test]
fn an_invocations_file_brings_its_sisters() {
    let zipped = gzip(MEMORY.as_bytes());
    let directory = directory_of(&[
        ("a_invocations.csv", COUNTS.as_bytes()),
        ("a_durations.csv", RUNS.as_bytes()),
        ("a_memory.csv.gz", &zipped),
        ("b_durations.csv", b"of another trace"),
    ]);
    let trace = Trace::from_path(&directory.path().join("a_invocations.csv")).unwrap();
    assert_eq!(trace.functions()[0].per_minute, [0, 5]);
    assert_eq!(trace.functions()[0].peak_memory().get(), 96.0);
}

#[test]
fn sisters_that_are_missing_or_twice_are_named() {
    let problem = |directory: &Path| {
        let error = Trace::from_path(&directory.join("a_invocations.csv")).unwrap_err();
        error.to_string()
    };
    let directory = directory_of(&[("a_invocations.csv", COUNTS.as_bytes())]);
    let error = problem(directory.path());
    assert!(
        error.ends_with("needs `a_durations.csv` or `a_durations.csv.gz` beside it"),
        "{error}"
    );
    std::fs::write(directory.path().join("a_durations.csv"), RUNS).unwrap();
    std::fs::write(directory.path().join("a_durations.csv.gz"), RUNS).unwrap();
    assert!(problem(directory.path()).contains("has both"), "{}", problem(directory.path()));
}

#[test]
fn another_file_is_refused_with_what_would_be_read() {
    let directory = directory_of(&[("x.csv", b"a,b\n1,2\n"), ("y.csv", b"")]);
    for name in ["x.csv", "y.csv"] {
        let error = Trace::from_path(&directory.path().join(name)).unwrap_err().to_string();
        assert!(error.contains("`app`, `func`, `end_timestamp`, `duration`"), "{error}");
        assert!(error.contains("`invocations.csv`"), "{error}");
    }
    let error = Trace::from_path(&directory.path().join("none.csv")).unwrap_err().to_string();
    assert!(error.contains("none.csv: cannot be read"), "{error}");
}

/// Up to 60 lines of calls, and the same lines in another order.
fn lines_in_two_orders() -> impl Strategy<Value = (Vec<String>, Vec<String>)> {
    let line = (0..4u8, 0..4u8, 0.0..5000.0f64, 0.0..50.0f64)
        .prop_map(|(a, f, end, long)| format!("{a},{f},{end},{long}\n"));
    prop::collection::vec(line, 1..60)
        .prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle()))
}

proptest! {
    #[test]
    fn the_order_of_lines_does_not_matter(
        (there, shuffled) in lines_in_two_orders(),
    ) {
        let trace = |lines: Vec<String>| {
            read(format!("{HEADER}{}", lines.concat()).as_bytes()).unwrap()
        };
        let total = there.len() as u64;
        let there = trace(there);
        prop_assert_eq!(there.functions().iter().map(|f| f.invocations()).sum::<u64>(), total);
        prop_assert_eq!(there, trace(shuffled));
    }

    #[test]
    fn nonsense_never_panics(text in "[-0-9a-z.,\"\n]{0,200}") {
        let _ = read(format!("{HEADER}{text}").as_bytes());
    }
}
