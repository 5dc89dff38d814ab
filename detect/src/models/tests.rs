use std::path::Path;

use sha2::{Digest as _, Sha256};
use stopline_types::VehicleClass;

use super::*;

/// The shipped manifest.
fn shipped() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/manifest.toml")).unwrap()
}

fn parse(text: &str) -> Result<Manifest, ModelError> {
    Manifest::parse(text, Path::new("manifest.toml"))
}

/// The first shipped model, but made of `bytes`.
fn entry_of(bytes: &[u8]) -> ModelEntry {
    let mut entry = parse(&shipped()).unwrap().models()[0].clone();
    entry.sha256 = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    entry
}

#[test]
fn shipped_manifest_is_sound() {
    let manifest = parse(&shipped()).unwrap();
    let default = manifest.get(manifest.default_name()).unwrap();
    assert_eq!(default.classes[&VehicleClass::Motorcycle], [3]);
    for model in manifest.models() {
        let notice = model.notice.split('#').next().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(notice);
        assert!(path.exists(), "{}: {} is missing", model.name, path.display());
        if let Origin::Script(script) | Origin::Derived { script, .. } = &model.origin {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(script).exists(), "{script}");
        }
    }
}

#[test]
fn unknown_names_list_the_known() {
    let manifest = parse(&shipped()).unwrap();
    let error = manifest.get("yolo-99").unwrap_err().to_string();
    assert!(error.contains("yolo-99") && error.contains("nanodet-g") && error.contains("yolox-nano-416"), "{error}");
}

#[test]
fn a_bad_key_is_named_with_its_line() {
    let text = shipped().replacen("confidence = ", "confidense = ", 1);
    let line = text.lines().position(|l| l.starts_with("confidense")).unwrap() + 1;
    let error = parse(&text).unwrap_err().to_string();
    assert!(error.contains("confidense") && error.contains(&format!("line {line}")), "{error}");
}

#[test]
fn senseless_values_are_refused_with_key_and_finding() {
    for (from, to, key) in [
        ("confidence = 0.2", "confidence = 35", "model.nanodet-g.confidence"),
        ("size = [640, 480]", "size = [640, 470]", "model.nanodet-g.input.size"),
        ("std = [57.375,", "std = [0,", "model.nanodet-g.input.std"),
        ("iou = 0.5", "iou = 0.0", "model.nanodet-g.nms.iou"),
        ("truck = [7]", "truck = [80]", "model.nanodet-g.classes"),
        ("truck = [7]", "truck = [5]", "model.nanodet-g.classes"),
        ("[\"bicycle\", \"motorcycle\"]", "[\"car\"]", "model.nanodet-g.nms.together"),
        ("bins = 11", "bins = 1", "model.nanodet-g.head.bins"),
        ("strides = [8, 16, 32]", "strides = []", "model.nanodet-g.head.strides"),
        ("file = \"nanodet", "file = \"../nanodet", "model.nanodet-g.file"),
        ("default = \"nanodet-g\"", "default = \"other\"", "default"),
        ("name = \"yolox-nano-416\"", "name = \"nanodet-g\"", "model.nanodet-g"),
        ("from = \"yolox-nano-416\"", "from = \"nobody\"", "model.yolox-nano-480x640.origin.from"),
        ("url = \"https:", "url = \"http:", "origin.url"),
    ] {
        let text = shipped();
        assert!(text.contains(from), "{from}");
        let error = parse(&text.replacen(from, to, 1)).unwrap_err();
        assert!(matches!(&error, ModelError::Value { key: found, .. } if found.ends_with(key)), "{to}: {error}");
    }
}

#[test]
fn a_missing_file_names_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = parse(&shipped()).unwrap();
    for (name, remedy) in [
        ("nanodet-g", "make setup"),
        ("yolox-nano-416", "stopline models fetch yolox-nano-416"),
        ("yolox-nano-480x640", "models/build/yolox_480x640.sh FOLDER"),
    ] {
        let entry = manifest.get(name).unwrap();
        let error = entry.locate(&[dir.path()]).unwrap_err().to_string();
        assert!(error.contains(remedy) && error.contains(&dir.path().display().to_string()), "{error}");
        assert_eq!(entry.state(&[dir.path()]).unwrap(), FileState::Missing);
    }
}

#[test]
fn a_wrong_file_is_refused_with_both_hashes() {
    let dir = tempfile::tempdir().unwrap();
    let entry = entry_of(b"right");
    std::fs::write(dir.path().join(&entry.file), b"wrong").unwrap();
    let error = entry.locate(&[dir.path()]).unwrap_err();
    let ModelError::WrongHash { expected, found, .. } = &error else { panic!("{error}") };
    assert_eq!((expected, found), (&entry.sha256, &entry_of(b"wrong").sha256));
    assert!(matches!(entry.state(&[dir.path()]).unwrap(), FileState::Wrong(..)));
}

#[test]
fn the_first_folder_that_has_it_wins() {
    let (empty, full) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let entry = entry_of(b"model");
    std::fs::write(full.path().join(&entry.file), b"model").unwrap();
    let model = entry.locate(&[empty.path(), full.path()]).unwrap();
    assert_eq!(&*model.bytes, b"model");
    assert_eq!(model.version(), format!("nanodet-g@{}", &entry.sha256[..12]));
    assert_eq!(model.path(), full.path().join(&entry.file));
}

#[test]
fn fetch_takes_a_copy_only_if_it_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, entry) = (dir.path().join("cache"), entry_of(b"model"));
    let given = dir.path().join("given");
    std::fs::write(&given, b"something else").unwrap();
    assert!(matches!(fetch(&entry, &cache, Some(&given)), Err(ModelError::WrongHash { .. })));
    assert!(!cache.exists(), "nothing may be left behind");
    std::fs::write(&given, b"model").unwrap();
    let path = fetch(&entry, &cache, Some(&given)).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), b"model");
    assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 1);
}

#[test]
fn fetch_says_why_it_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let mut entry = entry_of(b"model");
    assert!(matches!(fetch(&entry, dir.path(), None), Err(ModelError::Built { .. })));
    // Nothing listens on the port of the discard service.
    entry.origin = Origin::Url("https://127.0.0.1:9/model.onnx".into());
    let error = fetch(&entry, dir.path(), None).unwrap_err();
    assert!(matches!(error, ModelError::Download { .. }), "{error}");
    assert!(error.to_string().contains("--from FILE"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
