//! A scene drawn on the pages, put into its camera's file.
//!
//! Only `[scene]` changes: what else stands in the file stays as people wrote it, comments included. The new text is
//! judged by what loads camera files before any of it is written; the file is replaced whole, and the one it replaces
//! is kept. The engine, which watches the files, takes it from there.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use stopline_detect::scene::{Scene, SceneConfig};
use stopline_types::UtcUs;
use stopline_web::SceneFault;
use toml_edit::DocumentMut;

use crate::config;

/// Replaced files kept of a camera; the oldest goes.
const KEPT: usize = 100;

/// Why a scene was not saved. Nothing was changed.
#[derive(Debug)]
pub(crate) enum NotSaved {
    /// It, or the file it would stand in, is wrong.
    Faults(Vec<SceneFault>),
    /// The disk.
    Io { path: PathBuf, error: io::Error },
}

/// The scene, or everything that is wrong with it.
pub(crate) fn read(scene: &serde_json::Value) -> Result<SceneConfig, Vec<SceneFault>> {
    let config: SceneConfig = serde_json::from_value(scene.clone()).map_err(|e| vec![fault("", e.to_string())])?;
    match Scene::resolve(&config) {
        Ok(_) => Ok(config),
        Err(found) => Err(found.into_iter().map(|e| fault(&e.key, e.reason)).collect()),
    }
}

/// Puts `scene` into `file` and a copy of what was there into the folder `kept`.
pub(crate) fn save(file: &Path, kept: &Path, scene: &serde_json::Value) -> Result<(), NotSaved> {
    let scene = read(scene).map_err(NotSaved::Faults)?;
    let before = fs::read_to_string(file).map_err(|error| NotSaved::Io { path: file.to_owned(), error })?;
    let after = with_scene(&before, &scene).map_err(|reason| NotSaved::Faults(vec![fault("", reason)]))?;
    config::camera_text(&after, file).map_err(|faults| {
        let told = |f: config::Fault| fault(f.key.strip_prefix("scene.").unwrap_or(&f.key), f.reason);
        NotSaved::Faults(faults.0.into_iter().map(told).collect())
    })?;
    keep(file, kept).map_err(|error| NotSaved::Io { path: kept.to_owned(), error })?;
    replace(file, &after).map_err(|error| NotSaved::Io { path: file.to_owned(), error })
}

fn fault(key: &str, reason: String) -> SceneFault {
    SceneFault { key: key.to_owned(), reason }
}

/// The text with `scene` in the place of its `[scene]`.
fn with_scene(text: &str, scene: &SceneConfig) -> Result<String, String> {
    // A parser's message shows the line it stumbles over, which may hold a password.
    let mut document: DocumentMut = text.parse().map_err(|_| "the camera's file is no TOML any more".to_owned())?;
    let table = toml::Table::try_from(scene).map_err(|e| e.to_string())?;
    let wrapped = toml::to_string(&toml::Table::from_iter([("scene".to_owned(), table.into())]));
    let drawn: DocumentMut =
        wrapped.map_err(|e| e.to_string())?.parse().map_err(|e: toml_edit::TomlError| e.to_string())?;
    document.remove("scene");
    let mut text = document.to_string();
    if !text.ends_with("\n\n") {
        text.push('\n');
    }
    // At the end, where no table that follows can come into it.
    text.push_str(&drawn.to_string());
    Ok(text)
}

/// Copies `file` into `kept`, named by the time, with the rights it has.
fn keep(file: &Path, kept: &Path) -> io::Result<()> {
    fs::create_dir_all(kept)?;
    let now = UtcUs::from(std::time::SystemTime::now()).to_string().replace(':', "");
    fs::copy(file, kept.join(format!("{now}.toml")))?;
    let mut copies: Vec<PathBuf> = fs::read_dir(kept)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    copies.sort();
    copies.iter().rev().skip(KEPT).try_for_each(fs::remove_file)
}

/// Replaces the file whole, so that whoever reads it meanwhile finds the old one or the new one.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new().prefix(".scene-").suffix(".new").tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().set_permissions(fs::metadata(file)?.permissions())?;
    new.as_file().sync_all()?;
    new.persist(file)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# the gate in the south\nname = \"Cửa ngõ\" # as people say it\n\
        [scene]\nframe_px = [640, 360]\n[scene.rules.speed]\nmode = \"off\"\n\n\
        [streams.main]\nurl = \"rtsp://10.0.0.5/main\" # not the sub\n";

    fn scene(edit: impl FnOnce(&mut serde_json::Value)) -> serde_json::Value {
        let mut scene = serde_json::json!({
            "frame_px": [640, 360],
            "zones": [{ "name": "z", "kind": "no_stopping", "dwell_s": 30, "polygon": [[10, 10], [90, 10], [90, 90]] }],
        });
        edit(&mut scene);
        scene
    }

    fn written(folder: &Path) -> PathBuf {
        let file = folder.join("south.toml");
        fs::write(&file, FILE).unwrap();
        file
    }

    #[test]
    fn only_the_scene_changes_and_the_old_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (file, kept) = (written(folder.path()), folder.path().join("kept"));
        save(&file, &kept, &scene(|_| ())).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        for line in ["# the gate in the south", "name = \"Cửa ngõ\" # as people say it", "# not the sub"] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let camera = config::camera_file(&file).unwrap();
        let drawn = camera.scene_config.unwrap();
        assert_eq!((drawn.zones.len(), drawn.zones[0].name.as_str()), (1, "z"));
        assert!(camera.scene.is_some());
        let copies: Vec<_> =
            fs::read_dir(&kept).unwrap().map(|e| fs::read_to_string(e.unwrap().path()).unwrap()).collect();
        assert_eq!(copies, [FILE]);
        // And once more, over a scene that was written so.
        save(&file, &kept, &scene(|s| s["zones"] = serde_json::json!([]))).unwrap();
        assert!(config::camera_file(&file).unwrap().scene_config.unwrap().zones.is_empty());
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2, "no half-written file stays");
    }

    #[test]
    fn what_is_wrong_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (file, kept) = (written(folder.path()), folder.path().join("kept"));
        let wrong = [
            scene(|s| s["zones"][0]["polygon"] = serde_json::json!([[1, 1], [2, 2]])),
            scene(|s| s["zones"][0]["kind"] = "nowhere".into()),
            scene(|s| s["streams"] = "rtsp://x".into()),
            serde_json::json!("[scene]"),
        ];
        for scene in wrong {
            let Err(NotSaved::Faults(faults)) = save(&file, &kept, &scene) else { panic!("{scene} was saved") };
            assert!(!faults.is_empty());
            assert_eq!(fs::read_to_string(&file).unwrap(), FILE);
        }
        assert!(!kept.exists());
        fs::write(&file, "name = \"unfinished\n").unwrap();
        assert!(matches!(save(&file, &kept, &scene(|_| ())), Err(NotSaved::Faults(_))));
    }
}
