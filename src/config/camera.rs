//! Camera files: `cameras/*.toml`, one a camera.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use stopline_detect::scene::{Scene, SceneConfig};
use stopline_ingest::config::{CredentialsConfig, Streams, StreamsConfig};
use stopline_store::evidence::Device;
use stopline_types::CameraId;

use super::Fault;

/// A camera file as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CameraFile {
    /// The camera's id; the file's name without `.toml` unless given.
    pub id: Option<String>,
    /// Its name for people; the id unless given.
    pub name: Option<String>,
    /// The place it stands at.
    #[serde(default)]
    pub site: String,
    /// Latitude and longitude, degrees WGS84, for the map.
    pub position: Option<[f64; 2]>,
    /// The device and its verification, as evidence names them.
    pub device: Option<Device>,
    /// Where its pictures come from.
    pub streams: StreamsConfig,
    /// How to log in to it.
    pub credentials: Option<CredentialsConfig>,
    /// What it sees. Without a scene there are passages, and no violations.
    pub scene: Option<SceneConfig>,
}

/// A camera file resolved.
#[derive(Debug, Clone)]
pub(crate) struct CameraConfig {
    pub file: PathBuf,
    pub id: CameraId,
    pub name: String,
    pub site: String,
    pub position: Option<[f64; 2]>,
    pub scene_config: Option<SceneConfig>,
    pub device: Option<Device>,
    pub streams: Streams,
    pub scene: Option<std::sync::Arc<Scene>>,
}

/// Reads every `*.toml` of `dir` in order of name; a missing folder holds none.
pub(super) fn load_all(dir: &Path, faults: &mut Vec<Fault>) -> Vec<CameraConfig> {
    let mut files: Vec<PathBuf> = match std::fs::read_dir(dir) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => {
            faults.push(Fault::new(dir, "", e.to_string()));
            Vec::new()
        }
    };
    files.retain(|path| path.extension().is_some_and(|ext| ext == "toml"));
    files.sort();
    let mut cameras: Vec<CameraConfig> = Vec::new();
    for file in files {
        match load(&file) {
            Ok(camera) => match cameras.iter().find(|other| other.id == camera.id) {
                Some(other) => faults.push(Fault::new(
                    &file,
                    "id",
                    format!("{:?} is also the id of {}", camera.id, other.file.display()),
                )),
                None => cameras.push(camera),
            },
            Err(mut found) => faults.append(&mut found),
        }
    }
    cameras
}

fn load(file: &Path) -> Result<CameraConfig, Vec<Fault>> {
    let text = std::fs::read_to_string(file).map_err(|e| vec![Fault::new(file, "", e.to_string())])?;
    let raw: CameraFile = toml::from_str(&text).map_err(|e| vec![Fault::toml(file, &e)])?;
    resolve(raw, file)
}

fn resolve(raw: CameraFile, file: &Path) -> Result<CameraConfig, Vec<Fault>> {
    let mut faults = Vec::new();
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let id = CameraId::new(raw.id.as_deref().unwrap_or(&stem));
    let id = id.map_err(|e| faults.push(Fault::new(file, "id", e.to_string()))).ok();
    let streams = raw.streams.resolve(raw.credentials.as_ref());
    let streams = streams.map_err(|e| faults.push(Fault::new(file, e.key.clone(), e.reason.clone()))).ok();
    let scene = match raw.scene.as_ref().map(Scene::resolve).transpose() {
        Ok(scene) => scene.map(std::sync::Arc::new),
        Err(found) => {
            faults.extend(found.into_iter().map(|e| Fault::new(file, format!("scene.{}", e.key), e.reason)));
            None
        }
    };
    if raw.position.is_some_and(|[lat, lon]| !(-90.0..=90.0).contains(&lat) || !(-180.0..=180.0).contains(&lon)) {
        faults.push(Fault::new(file, "position", "expected [latitude, longitude] in degrees".to_owned()));
    }
    match (id, streams) {
        (Some(id), Some(streams)) if faults.is_empty() => Ok(CameraConfig {
            file: file.to_owned(),
            name: raw.name.unwrap_or_else(|| id.as_str().to_owned()),
            id,
            site: raw.site,
            position: raw.position,
            scene_config: raw.scene,
            device: raw.device,
            streams,
            scene,
        }),
        _ => Err(faults),
    }
}
