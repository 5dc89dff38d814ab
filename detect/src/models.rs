//! The models' manifest: which file, which bytes, how its input is made and its output read.
//!
//! `models/manifest.toml` is the one place that knows a model. Its shape is [`ModelEntry`]; unknown keys are refused.
//! [`ModelEntry::locate`] hands out the very bytes whose SHA-256 was checked, so what was verified is what runs.

mod entry;
mod files;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use entry::{Batch, Classes, Colour, Head, InputSpec, ModelEntry, Nms, Origin, Place};
pub use files::{FileState, VerifiedModel, fetch};

/// What is wrong with the manifest or a model's file.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The manifest cannot be read.
    #[error("model manifest {}: {source}", path.display())]
    Unreadable {
        /// The manifest.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The manifest is not TOML of the expected shape; the text names line and key.
    #[error("model manifest {}: {source}", path.display())]
    Syntax {
        /// The manifest.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// A value in the manifest makes no sense.
    #[error("model manifest {}: {key}: {reason}", path.display())]
    Value {
        /// The manifest.
        path: PathBuf,
        /// For example `model.nanodet-g.head.strides`.
        key: String,
        /// What is expected and what was found.
        reason: String,
    },
    /// No model of that name.
    #[error("no model named {name:?}; known models: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The file is in none of the folders.
    #[error("model {name}: {file} not found in {searched}; {remedy}")]
    Missing {
        /// The model.
        name: String,
        /// Its file.
        file: String,
        /// The folders looked in.
        searched: String,
        /// The command that brings it.
        remedy: String,
    },
    /// The file is there but is not the one the manifest means.
    #[error("model {name}: {} has sha256 {found}, expected {expected}; {remedy}", path.display())]
    WrongHash {
        /// The model.
        name: String,
        /// The file.
        path: PathBuf,
        /// The manifest's hash.
        expected: String,
        /// The file's hash.
        found: String,
        /// The command that brings the right one.
        remedy: String,
    },
    /// A file could not be read or written.
    #[error("model {name}: {}: {source}", path.display())]
    File {
        /// The model.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The download failed.
    #[error(
        "model {name}: {url} could not be fetched: {reason}; where there is no network, `stopline models fetch {name} --from FILE` takes a copy"
    )]
    Download {
        /// The model.
        name: String,
        /// From where.
        url: String,
        /// What the download said.
        reason: String,
    },
    /// The model is built, not downloaded.
    #[error("model {name} is built here, not downloaded: {remedy}, or give a copy with --from FILE")]
    Built {
        /// The model.
        name: String,
        /// The command that does.
        remedy: String,
    },
}

/// The models stopline knows.
#[derive(Debug, Clone)]
pub struct Manifest {
    default: String,
    plates: Option<PlateModels>,
    models: Vec<ModelEntry>,
}

/// The names of the two models that read plates.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlateModels {
    /// Finds plates.
    pub locator: String,
    /// Reads them.
    pub reader: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile {
    default: String,
    plates: Option<PlateModels>,
    model: Vec<ModelEntry>,
}

impl Manifest {
    /// Reads and checks `path`.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ModelError::Unreadable { path: path.to_path_buf(), source })?;
        Self::parse(&text, path)
    }

    /// Reads and checks `text`; `path` is only named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ModelError> {
        let file: ManifestFile = toml::from_str(text)
            .map_err(|source| ModelError::Syntax { path: path.to_path_buf(), source: Box::new(source) })?;
        let fault = |key: String, reason: String| ModelError::Value { path: path.to_path_buf(), key, reason };
        for (at, model) in file.model.iter().enumerate() {
            if file.model[..at].iter().any(|earlier| earlier.name == model.name) {
                return Err(fault(format!("model.{}", model.name), "two models have this name".into()));
            }
            model.check().map_err(|(key, reason)| fault(format!("model.{}.{key}", model.name), reason))?;
        }
        let manifest = Self { default: file.default, plates: file.plates, models: file.model };
        for model in &manifest.models {
            if let Origin::Derived { from, .. } = &model.origin {
                let known = manifest.get(from).map(|_| ());
                known.map_err(|unknown| fault(format!("model.{}.origin.from", model.name), unknown.to_string()))?;
            }
        }
        let is_of = |key: &str, name: &str, fits: &dyn Fn(&Head) -> bool, wanted: &str| {
            let entry = manifest.get(name).map_err(|unknown| fault(key.into(), unknown.to_string()))?;
            let found = entry.head.kind();
            if fits(&entry.head) {
                Ok(())
            } else {
                Err(fault(key.into(), format!("expected {wanted}, {name} is a {found}")))
            }
        };
        is_of("default", &manifest.default, &Head::finds_vehicles, "a vehicle detector")?;
        if let Some(plates) = &manifest.plates {
            let locates = |head: &Head| matches!(head, Head::PlateLocator { .. });
            is_of("plates.locator", &plates.locator, &locates, "a plate_locator")?;
            is_of("plates.reader", &plates.reader, &|head| matches!(head, Head::PlateReader { .. }), "a plate_reader")?;
        }
        Ok(manifest)
    }

    /// The models that read plates; `None`: there are none, plates are not read.
    #[must_use]
    pub fn plates(&self) -> Option<&PlateModels> {
        self.plates.as_ref()
    }

    /// The model taken where the configuration names none.
    #[must_use]
    pub fn default_name(&self) -> &str {
        &self.default
    }

    /// All models, in the order of the file.
    #[must_use]
    pub fn models(&self) -> &[ModelEntry] {
        &self.models
    }

    /// The model of this name.
    pub fn get(&self, name: &str) -> Result<&ModelEntry, ModelError> {
        self.models.iter().find(|model| model.name == name).ok_or_else(|| ModelError::Unknown {
            name: name.into(),
            known: self.models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }
}

#[cfg(test)]
mod tests;
