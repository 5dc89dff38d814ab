//! `stopline scene`: what a camera's scene looks like on its picture, and how well its parts work on a clip.

mod preview;
mod recall;
mod signals;

use std::path::Path;

use stopline_types::CameraId;

use crate::{
    Outcome, WrongUse,
    cli::SceneAction,
    config::{CameraConfig, Config},
};

pub(crate) fn run(dir: &Path, action: &SceneAction) -> anyhow::Result<Outcome> {
    let config = Config::load(dir)?;
    let id = CameraId::new(action.camera()).map_err(|e| WrongUse(e.to_string()))?;
    let camera = config.camera(&id)?;
    match action {
        SceneAction::Preview { frame, video, at, out, .. } => {
            let from = match (frame, video) {
                (Some(file), _) => preview::From::Image(file),
                (None, Some(file)) => preview::From::Video(file, *at),
                (None, None) => preview::From::Camera,
            };
            preview::run(camera, from, out)
        }
        SceneAction::Signals { clip, truth, json, .. } => signals::run(camera, clip, truth.as_deref(), *json),
        SceneAction::Recall { clip, truth, region, every, json, .. } => {
            recall::run(&config, camera, clip, truth, region.as_deref(), (*every).max(1), *json)
        }
    }
}

/// The camera's scene, or a word of what is missing.
fn scene_of(camera: &CameraConfig) -> anyhow::Result<&stopline_detect::scene::Scene> {
    let missing = || WrongUse(format!("{}: camera {} has no [scene]", camera.file.display(), camera.id));
    Ok(camera.scene.as_deref().ok_or_else(missing)?)
}

/// A JSON file.
fn json_of(file: &Path) -> anyhow::Result<serde_json::Value> {
    use anyhow::Context as _;
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}
