use std::{
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    error::Error as _,
    ffi::OsString,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ort::{LoadDynamicError, environment::Environment, logging::LogLevel};

/// Environment variable that names the shared library.
const VARIABLE: &str = "STRATA_ORT_LIB";

/// Where an image keeps the shared library.
const INSTALLED: &str = "/opt/strata/lib";

/// Directory, in a checkout, that `make ort` fills.
const FETCHED: &str = ".ort";

/// How far above the executable a checkout is looked for: `target/debug/deps/test` is three below.
const LEVELS: usize = 3;

/// The one ONNX Runtime of this process. The library allows one environment in a process, so it is
/// kept until the process ends.
static LOADED: Mutex<Option<OnnxRuntime>> = Mutex::new(None);

/// ONNX Runtime's shared library, loaded, with its environment. Cheap to clone; all clones are the
/// same one, as a process can hold only one.
#[derive(Clone)]
pub struct OnnxRuntime {
    inner: Arc<Inner>,
}

struct Inner {
    environment: Environment,
    library: PathBuf,
}

/// Why ONNX Runtime could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// None of the places has the file.
    #[error(
        "ONNX Runtime's shared library was not found; looked at {}; \
         run `make ort` or set {VARIABLE}",
        paths(looked_at)
    )]
    Missing {
        /// The places looked at, in order.
        looked_at: Vec<PathBuf>,
    },
    /// The file is not a shared library that this machine can load.
    #[error(
        "{} cannot be loaded as a shared library: {reason}; run `make ort` or set {VARIABLE}",
        library.display()
    )]
    NotALibrary {
        /// The file.
        library: PathBuf,
        /// The message of the system's loader.
        reason: String,
    },
    /// The file is a shared library, but not ONNX Runtime.
    #[error(
        "{} is not ONNX Runtime: {reason}; run `make ort` or set {VARIABLE}",
        library.display()
    )]
    NotOnnxRuntime {
        /// The file.
        library: PathBuf,
        /// What is missing in it.
        reason: String,
    },
    /// The library is ONNX Runtime, but an older version than this program needs.
    #[error(
        "{} is ONNX Runtime {found}, at least 1.{}.0 is needed; run `make ort` or set {VARIABLE}",
        library.display(), ort::MINOR_VERSION
    )]
    TooOld {
        /// The file.
        library: PathBuf,
        /// Its version.
        found: String,
    },
    /// The library was loaded, but its environment could not be made.
    #[error("ONNX Runtime from {} could not be set up: {reason}", library.display())]
    Environment {
        /// The file.
        library: PathBuf,
        /// The library's message.
        reason: String,
    },
    /// The process has loaded ONNX Runtime from another file.
    #[error(
        "ONNX Runtime was already loaded from {}, it cannot be loaded again from {}",
        loaded.display(), wanted.display()
    )]
    AlreadyLoaded {
        /// The file in use.
        loaded: PathBuf,
        /// The file asked for now.
        wanted: PathBuf,
    },
}

impl OnnxRuntime {
    /// Loads the shared library from the first of these places: `path`; the environment variable
    /// `STRATA_ORT_LIB`; `.ort/` in the working directory; `.ort/` beside or up to three
    /// directories above the executable; `/opt/strata/lib/`. A path or variable that is set is the
    /// only place looked at. Once a library is loaded, every later call gets the same one.
    ///
    /// # Errors
    /// [`LoadError`] says what was looked at, what is wrong with it and what to do. A failed call
    /// can be repeated.
    pub fn load(path: Option<&Path>) -> Result<OnnxRuntime, LoadError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(runtime), None) = (&*loaded, path) {
            return Ok(runtime.clone());
        }
        let library = locate(path)?;
        if let Some(runtime) = &*loaded {
            if runtime.inner.library != library {
                let loaded = runtime.inner.library.clone();
                return Err(LoadError::AlreadyLoaded { loaded, wanted: library });
            }
            return Ok(runtime.clone());
        }
        // ort panics on a library that breaks a promise of the C API.
        let environment =
            catch_unwind(AssertUnwindSafe(|| set_up(&library))).unwrap_or_else(|_| {
                let reason = "it does not keep to the C API".to_owned();
                Err(LoadError::NotOnnxRuntime { library: library.clone(), reason })
            })?;
        tracing::debug!(library = %library.display(), "loaded onnx runtime");
        let runtime = OnnxRuntime { inner: Arc::new(Inner { environment, library }) };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// The file it was loaded from.
    #[must_use]
    pub fn library(&self) -> &Path {
        &self.inner.library
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.inner.environment
    }
}

impl fmt::Debug for OnnxRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnnxRuntime").field("library", &self.inner.library).finish()
    }
}

fn set_up(library: &Path) -> Result<Environment, LoadError> {
    let environment = ort::init_from(library)
        .map_err(|error| refusal(library, &error))?
        .with_name("strata")
        .with_telemetry(false)
        .with_logger(Arc::new(|level, category, _, _, message| forward(level, category, message)))
        .build()
        .map_err(|error| LoadError::Environment {
            library: library.to_owned(),
            reason: error.to_string(),
        })?;
    environment.set_log_level(LogLevel::Warning);
    Ok(environment)
}

fn refusal(library: &Path, error: &LoadDynamicError) -> LoadError {
    let library = library.to_owned();
    match error {
        LoadDynamicError::Dlopen { error, .. } => {
            // The message of the system's loader is in the source.
            let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            LoadError::NotALibrary { library, reason }
        }
        LoadDynamicError::BadVersion { version_str, .. } => {
            LoadError::TooOld { library, found: version_str.clone() }
        }
        LoadDynamicError::MissingApi { .. } => {
            let reason = "it does not export `OrtGetApiBase`".to_owned();
            LoadError::NotOnnxRuntime { library, reason }
        }
        LoadDynamicError::InvalidVersionString => {
            let reason = "its version is no text".to_owned();
            LoadError::NotOnnxRuntime { library, reason }
        }
    }
}

/// Forwards ONNX Runtime's log lines at lower levels than its own: it warns about features that it
/// does without, and it returns each error to the caller anyway (one bad row would fill the log).
fn forward(level: LogLevel, category: &str, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => {
            tracing::trace!(target: "onnxruntime", category, "{message}");
        }
        LogLevel::Warning | LogLevel::Error => {
            tracing::debug!(target: "onnxruntime", category, "{message}");
        }
        LogLevel::Fatal => tracing::error!(target: "onnxruntime", category, "{message}"),
    }
}

fn locate(path: Option<&Path>) -> Result<PathBuf, LoadError> {
    let executable = std::env::current_exe().ok();
    let looked_at = candidates(path, std::env::var_os(VARIABLE), executable.as_deref());
    // Absolute, because ort takes a relative path from the executable's directory first.
    let found = looked_at.iter().find(|place| place.is_file());
    match found.and_then(|place| place.canonicalize().ok()) {
        Some(library) => Ok(library),
        None => Err(LoadError::Missing { looked_at }),
    }
}

/// The places to look at, in order.
fn candidates(
    path: Option<&Path>,
    variable: Option<OsString>,
    executable: Option<&Path>,
) -> Vec<PathBuf> {
    if let Some(path) = path {
        return vec![path.to_owned()];
    }
    if let Some(variable) = variable.filter(|value| !value.is_empty()) {
        return vec![PathBuf::from(variable)];
    }
    let file = format!("{DLL_PREFIX}onnxruntime{DLL_SUFFIX}");
    let mut places = vec![Path::new(FETCHED).join(&file)];
    let above = executable.into_iter().flat_map(|path| path.ancestors().skip(1).take(LEVELS + 1));
    places.extend(above.map(|dir| dir.join(FETCHED).join(&file)));
    places.push(Path::new(INSTALLED).join(&file));
    places
}

fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_place_is_the_only_one() {
        let (path, variable) = (Path::new("/a/lib.so"), OsString::from("/b/lib.so"));
        let found = candidates(Some(path), Some(variable.clone()), Some(Path::new("/c/bin")));
        assert_eq!(found, [path]);
        let found = candidates(None, Some(variable), Some(Path::new("/c/bin")));
        assert_eq!(found, [Path::new("/b/lib.so")]);
    }

    #[test]
    fn otherwise_the_checkout_and_then_the_image_are_searched() {
        let executable = Path::new("/repo/target/debug/deps/test");
        let found = candidates(None, Some(OsString::new()), Some(executable));
        let file = format!("{DLL_PREFIX}onnxruntime{DLL_SUFFIX}");
        let dirs: Vec<_> = found.iter().map(|place| place.parent().unwrap()).collect();
        assert!(found.iter().all(|place| place.ends_with(&file)));
        assert_eq!(
            dirs,
            [
                ".ort",
                "/repo/target/debug/deps/.ort",
                "/repo/target/debug/.ort",
                "/repo/target/.ort",
                "/repo/.ort",
                "/opt/strata/lib",
            ]
            .map(Path::new)
        );
    }
}
