//! Camera files: `cameras/*.toml`, one a camera.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use stopline_detect::scene::{Scene, SceneConfig};
use stopline_ingest::config::{CredentialsConfig, Streams, StreamsConfig};
use stopline_store::evidence::Device;
use stopline_types::CameraId;
use url::Url;

use super::Fault;

/// A camera file as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CameraFile {
    /// The camera's id; the file's name without `.toml` unless given.
    pub id: Option<String>,
    /// Its name for people; the id unless given.
    pub name: Option<String>,
    /// False: not connected to, and shown as suspended.
    #[serde(default = "yes")]
    pub enabled: bool,
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
    /// The signal controller of its junction, if one can be asked.
    pub controller: Option<ControllerRaw>,
}

/// `[controller]`: see `engine/controller.rs` for what it must answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ControllerRaw {
    /// `http://` address that is asked.
    url: String,
    /// How often, seconds.
    #[serde(default = "usual_every_s")]
    every_s: f64,
    /// Error of its times, milliseconds.
    #[serde(default = "usual_error_ms")]
    error_ms: f64,
    /// Heads of the scene and what the controller calls them; absent: it uses the scene's names.
    #[serde(default)]
    heads: BTreeMap<String, String>,
}

fn usual_every_s() -> f64 {
    0.5
}

fn usual_error_ms() -> f64 {
    200.0
}

/// `[controller]` resolved.
#[derive(Debug, Clone)]
pub(crate) struct ControllerConfig {
    pub url: Url,
    pub every_s: f64,
    pub error_ms: f64,
    /// By the scene's names.
    pub heads: BTreeMap<String, String>,
}

impl ControllerRaw {
    fn resolve(self, scene: Option<&SceneConfig>, file: &Path, faults: &mut Vec<Fault>) -> Option<ControllerConfig> {
        let before = faults.len();
        let mut fail = |key: &str, reason: String| faults.push(Fault::new(file, format!("controller.{key}"), reason));
        let url = Url::parse(&self.url).ok();
        match &url {
            // Never shown: a password may stand in it.
            None => fail("url", "expected an http:// address".into()),
            Some(url) if url.scheme() != "http" => {
                fail("url", format!("expected an http:// address, found {}://", url.scheme()));
            }
            Some(url) if !url.username().is_empty() || url.password().is_some() => {
                fail("url", "expected an address without user and password".into());
            }
            Some(_) => {}
        }
        if !(0.1..=2.0).contains(&self.every_s) {
            fail("every_s", format!("expected 0.1 to 2 seconds, found {}", self.every_s));
        }
        if !(0.0..=10_000.0).contains(&self.error_ms) {
            fail("error_ms", format!("expected 0 to 10000 milliseconds, found {}", self.error_ms));
        }
        let known: Vec<&str> = scene.iter().flat_map(|s| &s.signals).map(|s| s.name.as_str()).collect();
        for head in self.heads.keys().filter(|head| !known.contains(&head.as_str())) {
            fail("heads", format!("no signal named {head:?} in the scene; known: {}", known.join(", ")));
        }
        let Self { every_s, error_ms, heads, .. } = self;
        (faults.len() == before).then_some(ControllerConfig { url: url?, every_s, error_ms, heads })
    }
}

fn yes() -> bool {
    true
}

/// A camera file resolved.
#[derive(Debug, Clone)]
pub(crate) struct CameraConfig {
    pub file: PathBuf,
    pub id: CameraId,
    pub name: String,
    pub enabled: bool,
    pub site: String,
    pub position: Option<[f64; 2]>,
    /// The scene as written, for whoever draws on.
    pub scene_config: Option<SceneConfig>,
    pub device: Option<Device>,
    pub streams: Streams,
    /// Where the password stands, to notice that it was changed.
    pub password_file: Option<PathBuf>,
    pub scene: Option<std::sync::Arc<Scene>>,
    pub controller: Option<ControllerConfig>,
}

/// Every `*.toml` of `dir` in order of name; a missing folder holds none.
pub(crate) fn files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|ext| ext == "toml"));
    files.sort();
    Ok(files)
}

/// Reads them all.
pub(super) fn load_all(dir: &Path, faults: &mut Vec<Fault>) -> Vec<CameraConfig> {
    let files = files(dir).unwrap_or_else(|e| {
        faults.push(Fault::new(dir, "", e.to_string()));
        Vec::new()
    });
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

pub(super) fn load(file: &Path) -> Result<CameraConfig, Vec<Fault>> {
    let text = std::fs::read_to_string(file).map_err(|e| vec![Fault::new(file, "", e.to_string())])?;
    parse(&text, file)
}

/// A camera file's text, as it would be read from `file`.
pub(super) fn parse(text: &str, file: &Path) -> Result<CameraConfig, Vec<Fault>> {
    let raw: CameraFile = toml::from_str(text).map_err(|e| vec![Fault::toml(file, &e)])?;
    resolve(raw, file).map_err(|faults| faults.into_iter().map(|fault| fault.at_line_of(text)).collect())
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
    let controller = raw.controller.and_then(|c| c.resolve(raw.scene.as_ref(), file, &mut faults));
    match (id, streams) {
        (Some(id), Some(streams)) if faults.is_empty() => Ok(CameraConfig {
            file: file.to_owned(),
            name: raw.name.unwrap_or_else(|| id.as_str().to_owned()),
            id,
            enabled: raw.enabled,
            site: raw.site,
            position: raw.position,
            scene_config: raw.scene,
            device: raw.device,
            streams,
            password_file: raw.credentials.and_then(|credentials| credentials.password_file),
            scene,
            controller,
        }),
        _ => Err(faults),
    }
}
