//! Configuration: one folder with `stopline.toml` (optional) and `cameras/*.toml`.
//!
//! Raw structs refuse unknown keys; [`Config::load`] resolves everything once and returns *all* faults, each with
//! file, place and reason, so that an operator mends a folder in one round.

mod bucket;
mod camera;
mod engine;
mod fault;
mod kafka;

use std::path::{Path, PathBuf};

pub(crate) use camera::{CameraConfig, CameraFile, ControllerConfig, files as camera_files};
#[cfg(test)]
pub(crate) use engine::cache_dir;
pub(crate) use engine::{EngineConfig, EvidenceConfig, StoreConfig};
pub(crate) use fault::{Fault, Faults};

use stopline_types::CameraId;

/// Reads and resolves one camera file.
pub(crate) fn camera_file(file: &Path) -> Result<CameraConfig, Faults> {
    camera::load(file).map_err(Faults)
}

/// Resolves the text of a camera file, as if it stood in `file`.
pub(crate) fn camera_text(text: &str, file: &Path) -> Result<CameraConfig, Faults> {
    camera::parse(text, file).map_err(Faults)
}

/// The resolved folder.
#[derive(Debug)]
pub(crate) struct Config {
    /// The folder.
    pub dir: PathBuf,
    /// `stopline.toml`, or its defaults.
    pub engine: EngineConfig,
    /// Every camera file, by id.
    pub cameras: Vec<CameraConfig>,
}

impl Config {
    /// Reads and resolves `dir`.
    pub(crate) fn load(dir: &Path) -> Result<Self, Faults> {
        if !dir.is_dir() {
            return Err(Faults(vec![Fault::new(dir, "", "no such folder; give one with --config DIR")]));
        }
        let mut faults = Vec::new();
        let engine = EngineConfig::load(dir).map_err(|mut f| faults.append(&mut f.0)).ok();
        let cameras = camera::load_all(&dir.join("cameras"), &mut faults);
        for section in engine.iter().flat_map(|engine: &EngineConfig| &engine.sections) {
            for (key, id) in [("entry", &section.entry), ("exit", &section.exit)] {
                if !cameras.iter().any(|camera| camera.id == *id) {
                    let reason = format!("section {:?}: no camera {id:?} here", section.name);
                    faults.push(Fault::new(&dir.join("stopline.toml"), format!("section.{key}"), reason));
                }
            }
        }
        match engine {
            Some(engine) if faults.is_empty() => Ok(Self { dir: dir.to_owned(), engine, cameras }),
            _ => Err(Faults(faults)),
        }
    }

    /// The camera named `id`, or a fault that lists the known ones.
    pub(crate) fn camera(&self, id: &CameraId) -> Result<&CameraConfig, Faults> {
        self.cameras.iter().find(|camera| camera.id == *id).ok_or_else(|| {
            let known: Vec<_> = self.cameras.iter().map(|c| c.id.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Faults(vec![Fault::new(&self.dir.join("cameras"), "", format!("no camera {id:?} here; known: {known}"))])
        })
    }
}
