//! Trace files that lie.

#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Write};

use flate2::{Compression, write::GzEncoder};
use strata_simulator::{Source, Trace, TraceError, TraceFiles};

const INVOCATIONS: &str = "HashFunction,1,2,3\nf1,0,5,1\nf2,1,1,1\n";
const DURATIONS: &str = "HashFunction,Average,percentile_Average_0,percentile_Average_1,\
percentile_Average_25,percentile_Average_50,percentile_Average_75,percentile_Average_99,\
percentile_Average_100\n\
f1,20,1,2,10,20,30,90,100\nf2,20,1,2,10,20,30,90,100\n";
const MEMORY: &str = "HashFunction,AverageAllocatedMb_pct1,AverageAllocatedMb_pct5,\
AverageAllocatedMb_pct25,AverageAllocatedMb_pct50,AverageAllocatedMb_pct75,\
AverageAllocatedMb_pct95,AverageAllocatedMb_pct99,AverageAllocatedMb_pct100\n\
f1,90,91,92,93,94,95,96,97\nf2,90,91,92,93,94,95,96,97\n";

fn read(invocations: &[u8], durations: &[u8], memory: &[u8]) -> Result<Trace, TraceError> {
    let source = |name: &str, bytes: &[u8]| Source {
        name: name.to_owned(),
        reader: Box::new(Cursor::new(bytes.to_vec())),
    };
    Trace::from_files(TraceFiles {
        invocations: source("inv.csv", invocations),
        durations: source("dur.csv", durations),
        memory: source("mem.csv", memory),
    })
}

fn with_invocations(text: &str) -> String {
    read(text.as_bytes(), DURATIONS.as_bytes(), MEMORY.as_bytes()).unwrap_err().to_string()
}

fn with_durations(text: &str) -> String {
    read(INVOCATIONS.as_bytes(), text.as_bytes(), MEMORY.as_bytes()).unwrap_err().to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn plain_and_gzipped_files_are_the_same_trace() {
    let plain = read(INVOCATIONS.as_bytes(), DURATIONS.as_bytes(), MEMORY.as_bytes()).unwrap();
    let zipped =
        read(&gzip(INVOCATIONS.as_bytes()), &gzip(DURATIONS.as_bytes()), &gzip(MEMORY.as_bytes()));
    assert_eq!(plain, zipped.unwrap());
    assert_eq!((plain.functions().len(), plain.minutes(), plain.start().hour()), (2, 3, 0));
    assert_eq!(plain.functions()[0].per_minute, [0, 5, 1]);
    assert_eq!(plain.functions()[0].duration_ms.quantile(0.5), 20.0);
    assert_eq!(plain.functions()[1].peak_memory().get(), 96.0);
}

#[test]
fn errors_name_file_line_and_what_was_expected() {
    let error = with_invocations("HashFunction,1,2\nf1,0,5\nf2,1,-3\n");
    assert_eq!(
        error,
        "inv.csv:3: column `2` holds `-3`; expected a whole number from 0 to 10000000"
    );
    let error = with_durations(&DURATIONS.replace("f2,20,1,2,10", "f2,20,1,2,NaN"));
    assert_eq!(
        error,
        "dur.csv:3: column `percentile_Average_25` holds `NaN`; expected a number from 0 to \
         86400000"
    );
}

#[test]
fn counts_and_numbers_must_be_possible() {
    for count in ["1.5", "", "99999999", "4294967296", "x"] {
        let error = with_invocations(&format!("HashFunction,1\nf1,{count}\n"));
        assert!(error.starts_with("inv.csv:2: column `1`"), "{error}");
    }
    for number in ["inf", "-1", "1e99", ""] {
        let error =
            with_durations(&DURATIONS.replace("f1,20,1,2,10", &format!("f1,20,1,2,{number}")));
        assert!(error.starts_with("dur.csv:2: column `percentile_Average_25`"), "{error}");
    }
}

#[test]
fn percentiles_must_not_fall() {
    let error = with_durations(&DURATIONS.replace("f1,20,1,2,10,20", "f1,20,1,2,30,20"));
    assert!(
        error.starts_with("dur.csv:2: percentile 50 is 20, below percentile 25 with 30"),
        "{error}"
    );
}

#[test]
fn names_must_be_names_and_stand_once() {
    assert!(with_invocations("HashFunction,1\n,1\n").starts_with("inv.csv:2: function name"));
    let long = "x".repeat(300);
    assert!(with_invocations(&format!("HashFunction,1\n{long},1\n")).contains("300 bytes"));
    assert!(
        with_invocations("HashFunction,1\nf1,1\nf1,2\n")
            .starts_with("inv.csv:3: function `f1/f1` is listed twice")
    );
    assert!(with_durations(&DURATIONS.replace("f2,", "f1,")).starts_with("dur.csv:3: function"));
}

#[test]
fn columns_must_be_there_and_in_order() {
    assert_eq!(
        with_invocations("Function,1\nf1,1\n"),
        "inv.csv:1: column `HashFunction` is missing"
    );
    assert!(with_invocations("HashFunction\nf1\n").contains("has no minute columns"));
    assert!(
        with_invocations("HashFunction,1,3\nf1,1,1\n")
            .contains("minute column `3` is out of order")
    );
    assert!(
        with_invocations("HashFunction,0,1\nf1,1,1\n")
            .contains("minute column `0` is out of order")
    );
    assert!(with_invocations("HashFunction,99999\nf1,1\n").contains("out of order"));
    assert_eq!(
        with_invocations("HashFunction,1\nf1,1,7\n"),
        "inv.csv:2: has 3 columns; the header has 2"
    );
    assert!(
        with_durations("HashFunction\nf1\n").contains("column `percentile_Average_0` is missing")
    );
}

#[test]
fn a_function_nobody_measured_is_named() {
    let error = with_invocations("HashFunction,1\nf9,1\n");
    assert!(
        error.starts_with("dur.csv: has no line for function `f9/f9`, which inv.csv lists"),
        "{error}"
    );
}

#[test]
fn broken_bytes_are_errors_and_not_panics() {
    let mut cut = gzip(INVOCATIONS.as_bytes());
    cut.truncate(cut.len() - 6);
    let bad: [&[u8]; 4] = [&cut, &[0x1f, 0x8b, 0, 1, 2], b"HashFunction,1\n\xff\xfe,1\n", b""];
    for bytes in bad {
        assert!(read(bytes, DURATIONS.as_bytes(), MEMORY.as_bytes()).is_err(), "{bytes:?}");
    }
}

#[test]
fn gzip_bombs_are_stopped() {
    // One endless line, and endless empty lines: 300 MB in a third of a megabyte.
    for (byte, said) in [(b'x', "a line of more than 4 MB"), (b'\n', "more than 256 MB")] {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(b"HashFunction,1\n").unwrap();
        let block = vec![byte; 1 << 20];
        for _ in 0..300 {
            encoder.write_all(&block).unwrap();
        }
        let bomb = encoder.finish().unwrap();
        assert!(bomb.len() < 1 << 20);
        let error = read(&bomb, DURATIONS.as_bytes(), MEMORY.as_bytes()).unwrap_err();
        let TraceError::Read { source, .. } = error else { panic!("{error}") };
        assert!(source.to_string().contains(said), "{source}");
    }
}

#[test]
fn a_later_start_is_named_by_its_minute_of_the_day() {
    let text = "HashFunction,480,481\nf1,1,1\n";
    let trace = read(text.as_bytes(), DURATIONS.as_bytes(), MEMORY.as_bytes()).unwrap();
    assert_eq!((trace.start().hour(), trace.minutes()), (8, 2));
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let error = Trace::from_dir(std::path::Path::new("no-such-directory")).unwrap_err();
    assert!(error.to_string().contains("no-such-directory"), "{error}");
}

fn in_directory(names: &[&str]) -> Result<Trace, TraceError> {
    let directory = tempfile::tempdir().unwrap();
    for name in names {
        let text = match name {
            name if name.contains("invocations") => INVOCATIONS,
            name if name.contains("durations") => DURATIONS,
            _ => MEMORY,
        };
        let zipped = name.ends_with(".gz");
        let bytes = if zipped { gzip(text.as_bytes()) } else { text.as_bytes().to_vec() };
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    Trace::from_dir(directory.path())
}

#[test]
fn files_of_a_directory_are_known_by_the_end_of_their_names() {
    let plain = ["invocations.csv", "durations.csv.gz", "memory.csv", "README.md"];
    let prefixed = ["day_1_invocations.csv.gz", "x_durations.csv", "day_memory.csv.gz"];
    assert_eq!(in_directory(&plain).unwrap(), in_directory(&prefixed).unwrap());
}

#[test]
fn a_directory_with_none_or_two_of_a_kind_says_what_it_holds() {
    let error = in_directory(&["a_invocations.csv", "mydurations.csv", "memory.csv"]).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("_durations.csv"), "{error}");
    assert!(error.contains("found a_invocations.csv, memory.csv, mydurations.csv"), "{error}");
    let two = ["a_invocations.csv", "b_invocations.csv.gz", "durations.csv", "memory.csv"];
    let error = in_directory(&two).unwrap_err().to_string();
    assert!(error.ends_with("found a_invocations.csv, b_invocations.csv.gz"), "{error}");
    let error = in_directory(&["README.md"]).unwrap_err().to_string();
    assert!(error.ends_with("found no CSV file"), "{error}");
}
