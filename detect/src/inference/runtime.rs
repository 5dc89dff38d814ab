//! ONNX Runtime, loaded at run time from one file.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ort::environment::Environment;

use super::InferenceError;

/// The loaded library. Cheap to clone; kept for the life of the process, for it cannot be unloaded safely.
#[derive(Debug, Clone)]
pub struct Runtime {
    path: PathBuf,
    pub(super) environment: Environment,
}

static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Loads the library from `dylib`. A second call gives the same one; another path is refused.
    pub fn load(dylib: &Path) -> Result<Self, InferenceError> {
        // Absolute, because a relative path would be taken as relative to the executable.
        let path = dylib.canonicalize().map_err(|_| InferenceError::LibraryMissing { path: dylib.to_path_buf() })?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*loaded {
            return if runtime.path == path {
                Ok(runtime.clone())
            } else {
                Err(InferenceError::LibraryFixed { loaded: runtime.path.clone(), asked: path })
            };
        }
        let unusable = |reason: String| InferenceError::LibraryUnusable { path: path.clone(), reason };
        let builder = ort::init_from(&path).map_err(|e| match e {
            ort::LoadDynamicError::BadVersion { version_str, .. } => {
                InferenceError::LibraryTooOld { path: path.clone(), found: version_str, needed: ort::MINOR_VERSION }
            }
            ort::LoadDynamicError::Dlopen { error, .. } => unusable(error.to_string()),
            other => unusable(other.to_string()),
        })?;
        let environment =
            builder.with_name("stopline").with_telemetry(false).build().map_err(|e| unusable(e.to_string()))?;
        let runtime = Self { path: path.clone(), environment };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// The file it was loaded from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How the library describes its own build: version control state, compiler, flags.
    #[must_use]
    pub fn build_info(&self) -> &'static str {
        ort::info()
    }
}
