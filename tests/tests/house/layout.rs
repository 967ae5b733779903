//! Sizes that keep the sources readable: lines, files and the README.

use std::{
    fs,
    path::{Path, PathBuf},
};

use strata_tests::root;

/// The most columns of a line, code or comment; `rustfmt` folds code there and not comments.
const COLUMNS: usize = 100;

/// The most lines of a source file.
const FILE_LINES: usize = 450;

/// The most lines of the README, which is a front page.
const README_LINES: usize = 150;

#[test]
fn lines_of_sources_fit_in_100_columns() {
    let files = ["crates", "tests"].map(|folder| sources(&root().join(folder)));
    let mut long = Vec::new();
    for file in files.iter().flatten() {
        for (index, line) in read(file).lines().enumerate() {
            let columns = line.chars().count();
            if columns > COLUMNS {
                long.push(format!("{}:{}: {columns} columns", name(file), index + 1));
            }
        }
    }
    assert!(
        long.is_empty(),
        "lines have at most {COLUMNS} columns; fold these, comments by hand:\n{}",
        long.join("\n")
    );
}

#[test]
fn source_files_are_short() {
    let in_src = |file: &PathBuf| file.components().any(|part| part.as_os_str() == "src");
    let files = sources(&root().join("crates")).into_iter().filter(in_src);
    let sizes = files.map(|file| (name(&file), read(&file).lines().count()));
    let long: Vec<_> = sizes
        .filter(|(_, lines)| *lines > FILE_LINES)
        .map(|(file, lines)| format!("{file}:{}: {lines} lines", FILE_LINES + 1))
        .collect();
    assert!(
        long.is_empty(),
        "files have at most {FILE_LINES} lines; split these by what they say:\n{}",
        long.join("\n")
    );
}

#[test]
fn the_readme_is_a_front_page() {
    let lines = read(&root().join("README.md")).lines().count();
    assert!(
        lines <= README_LINES,
        "README.md:{}: {lines} lines; the README has at most {README_LINES}, move the rest to docs",
        README_LINES + 1
    );
}

/// The Rust files in a folder and the folders in it, in order.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

/// The path from the root of the repository.
fn name(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().display().to_string()
}
