//! The built-in clips: every folder of `fixtures/` with its truth, and its camera files in `config/examples/`.
//!
//! `fixtures/NAME/` holds main.mp4, sub.mp4 (if the camera has a sub-stream), truth.json and floor.toml (what is known to
//! be reached); its camera file is `config/examples/NAME/cameras/NAME.toml`. A second camera of the same scene is
//! `fixtures/NAME/SECOND/` with `config/examples/NAME/cameras/NAME-SECOND.toml`; what concerns them together
//! (sections) is `config/examples/NAME/stopline.toml`. Nothing else names a clip.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use crate::score::{Floors, Truth};

/// What one camera of a scene sees.
pub(super) struct View {
    /// Its camera file's name, and the camera's id.
    pub name: String,
    pub main: PathBuf,
    pub sub: Option<PathBuf>,
    pub camera_file: PathBuf,
    pub truth: Truth,
    pub floors: Floors,
}

/// Every scene with its views, by name.
pub(super) fn scenes(repository: &Path) -> anyhow::Result<Vec<Vec<View>>> {
    let mut scenes = Vec::new();
    for dir in folders(&repository.join("fixtures"))? {
        let name = name_of(&dir);
        let cameras = repository.join("config/examples").join(&name).join("cameras");
        let mut views = Vec::from_iter(view(&dir, &name, &cameras)?);
        for second in folders(&dir)? {
            views.extend(view(&second, &format!("{name}-{}", name_of(&second)), &cameras)?);
        }
        if !views.is_empty() {
            scenes.push(views);
        }
    }
    if scenes.is_empty() {
        bail!("{}: no clip with its truth; run the demo in the checkout or give --repository", repository.display());
    }
    Ok(scenes)
}

/// The settings that belong to a scene's cameras together (sections), if it has any.
pub(super) fn settings(views: &[View]) -> Option<PathBuf> {
    let example = views.first()?.camera_file.parent()?.parent()?;
    Some(example.join("stopline.toml")).filter(|file| file.is_file())
}

/// What lies in `dir`; `None` without a clip and its truth.
fn view(dir: &Path, name: &str, cameras: &Path) -> anyhow::Result<Option<View>> {
    let there = |file: &str| Some(dir.join(file)).filter(|path| path.is_file());
    let (Some(main), Some(truth)) = (there("main.mp4"), there("truth.json")) else { return Ok(None) };
    let camera_file = cameras.join(format!("{name}.toml"));
    if !camera_file.is_file() {
        bail!("{}: its camera file {} is missing", dir.display(), camera_file.display());
    }
    let floors = there("floor.toml").map(|path| Floors::load(&path)).transpose()?.unwrap_or_default();
    let (name, sub, truth) = (name.to_owned(), there("sub.mp4"), Truth::load(&truth)?);
    Ok(Some(View { name, main, sub, camera_file, truth, floors }))
}

/// Folders in `dir`, by name.
fn folders(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let mut folders: Vec<PathBuf> = read.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders)
}

fn name_of(dir: &Path) -> String {
    dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_clip_is_a_folder_and_a_camera_file() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        };
        let truth = r#"{"format": "stopline-truth/1", "image": [64, 36], "fps": 5, "vehicles": [], "violations": [],
                        "near_misses": [], "frames": []}"#;
        assert!(scenes(dir.path()).is_err(), "no fixtures at all");
        for clip in ["fixtures/road", "fixtures/road/second"] {
            put(&format!("{clip}/main.mp4"), "");
            put(&format!("{clip}/truth.json"), truth);
        }
        put("fixtures/road/second/floor.toml", "[live]\npassages = 0.5\n");
        put("fixtures/notes/read.me", "no clip");
        put("config/examples/road/cameras/road.toml", "");
        let missing = scenes(dir.path()).err().expect("the second camera's file is missing").to_string();
        assert!(missing.contains("road-second.toml"), "{missing}");
        put("config/examples/road/cameras/road-second.toml", "");
        let found = scenes(dir.path()).expect("both are there");
        let names: Vec<_> =
            found.iter().map(|views| views.iter().map(|v| v.name.as_str()).collect::<Vec<_>>()).collect();
        assert_eq!(names, [["road", "road-second"]]);
        put("fixtures/road/floor.toml", "[live]\npassagse = 0.5\n");
        let wrong = scenes(dir.path()).err().expect("a key nobody knows").to_string();
        assert!(wrong.contains("passagse") && wrong.contains("floor.toml"), "{wrong}");
    }
}
