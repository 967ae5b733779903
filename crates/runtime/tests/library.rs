//! Finding and loading the shared library, and what is said when that fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use strata_runtime::{LoadError, OnnxRuntime};

/// Tells a child process which library its parent found.
const REAL: &str = "LIBRARY_OF_THE_PARENT";

const ABSENT: &str = "/no/such/place/libonnxruntime.so";

fn runtime() -> OnnxRuntime {
    OnnxRuntime::load(None).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(path: &Path) -> LoadError {
    OnnxRuntime::load(Some(path)).unwrap_err()
}

#[test]
fn a_library_is_loaded_once() {
    let first = runtime();
    let again = OnnxRuntime::load(Some(first.library())).unwrap();
    assert_eq!(first.library(), again.library());
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy.so");
    std::fs::write(&copy, "another file").unwrap();
    assert!(matches!(refusal(&copy), LoadError::AlreadyLoaded { .. }));
}

/// Runs one test of this file in a process of its own, where nothing is loaded yet, with the
/// variable set. There the test finds the variable and checks; here it checks the exit.
fn in_child(test: &str, library: &Path) -> bool {
    if std::env::var_os("STRATA_ORT_LIB").as_deref() == Some(library.as_os_str()) {
        return true;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("STRATA_ORT_LIB", library)
        .env(REAL, runtime().library())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "the child ran nothing: {text}");
    false
}

#[test]
fn a_missing_library_says_where_it_was_looked_for_and_what_to_do() {
    if in_child("a_missing_library_says_where_it_was_looked_for_and_what_to_do", Path::new(ABSENT))
    {
        let text = OnnxRuntime::load(None).unwrap_err().to_string();
        assert_eq!(
            text,
            format!(
                "ONNX Runtime's shared library was not found; looked at {ABSENT}; \
                 run `make ort` or set STRATA_ORT_LIB"
            )
        );
    }
    let text = refusal(Path::new("nowhere.so")).to_string();
    assert!(text.contains("looked at nowhere.so; run `make ort`"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_no_library_is_refused_and_the_next_load_works() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let test = "a_file_that_is_no_library_is_refused_and_the_next_load_works";
    if in_child(test, &manifest) {
        let error = OnnxRuntime::load(None).unwrap_err();
        assert!(matches!(error, LoadError::NotALibrary { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("Cargo.toml") && text.contains("invalid ELF header"), "{text}");

        let error = refusal(&loaded_c_library());
        assert!(matches!(error, LoadError::NotOnnxRuntime { .. }), "{error}");

        let dir = tempfile::tempdir().unwrap();
        let old = compile(dir.path(), "old", "&base");
        let text = refusal(&old).to_string();
        assert!(text.contains("is ONNX Runtime 1.10.0, at least 1.24.0 is needed"), "{text}");
        let error = refusal(&compile(dir.path(), "broken", "0"));
        assert!(matches!(error, LoadError::NotOnnxRuntime { .. }), "{error}");

        let real = PathBuf::from(std::env::var_os(REAL).unwrap());
        assert!(OnnxRuntime::load(Some(&real)).is_ok());
    }
}

/// A shared library that every process has loaded, and that is not ONNX Runtime.
#[cfg(target_os = "linux")]
fn loaded_c_library() -> PathBuf {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    paths.map(PathBuf::from).find(|path| path.to_string_lossy().contains("/libc.so")).unwrap()
}

/// Compiles a shared library that exports ONNX Runtime's one symbol and answers with `base`. The
/// compiler is the one that Rust links with.
#[cfg(target_os = "linux")]
fn compile(dir: &Path, name: &str, base: &str) -> PathBuf {
    let (source, library) = (dir.join(format!("{name}.c")), dir.join(format!("{name}.so")));
    let text = format!(
        "static const void *api(unsigned v) {{ return 0; }}
         static const char *version(void) {{ return \"1.10.0\"; }}
         static struct {{ const void *(*a)(unsigned); const char *(*v)(void); }} base =
             {{ api, version }};
         const void *OrtGetApiBase(void) {{ return {base}; }}"
    );
    std::fs::write(&source, text).unwrap();
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-w", "-o"])
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(status.success());
    library
}
