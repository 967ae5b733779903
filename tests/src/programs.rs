//! Where the programs are.

use std::path::{Path, PathBuf};

/// The root of the repository, where programs are started: they look for `models` there.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The path of a program, built with the same profile as this test.
///
/// # Panics
/// When it was not built.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    // target/<profile>/deps/<test>
    let dir = test.ancestors().nth(2).expect("a target directory above this test");
    let program = dir.join(name);
    assert!(
        program.is_file(),
        "{} is missing; run `cargo build --workspace --bins` before the tests",
        program.display()
    );
    program
}
