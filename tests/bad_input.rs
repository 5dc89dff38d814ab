//! Bad input: each fault a clear error that names what is wrong, with the right exit code.
#![allow(missing_docs)]

mod common;

use common::{ConfigDir, JUNCTION_SUB, cached, junction_camera, run, stderr};

/// Runs a replay with the configuration and gives the exit code and what was said.
fn replay(config: &ConfigDir, file: &str) -> (Option<i32>, String) {
    let output = run(&["replay", file, "--camera", "junction", "--config", &config.arg(), "--json"]);
    (output.status.code(), stderr(&output))
}

#[track_caller]
fn assert_says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "expected {word:?} in:\n{said}");
    }
}

#[test]
fn a_missing_folder_and_an_unknown_camera() {
    let output = run(&["replay", JUNCTION_SUB, "--camera", "x", "--config", "/nonexistent/folder"]);
    assert_eq!(output.status.code(), Some(2));
    assert_says(&stderr(&output), &["/nonexistent/folder", "no such folder"]);

    let config = ConfigDir::junction();
    let output = run(&["replay", JUNCTION_SUB, "--camera", "gate-9", "--config", &config.arg()]);
    assert_eq!(output.status.code(), Some(2));
    assert_says(&stderr(&output), &["gate-9", "known: junction"]);
}

#[test]
fn broken_toml_and_unknown_keys_name_file_line_and_key() {
    let config = ConfigDir::junction();
    config.camera("broken", "id = \"a\"\n[streams.main\nurl = 1\n");
    config.camera("unknown", "[streams.main]\nurl = \"rtsp://127.0.0.1/x\"\nframerate = 5\n");
    let (code, said) = replay(&config, JUNCTION_SUB);
    assert_eq!(code, Some(2));
    assert_says(&said, &["broken.toml", "line 2", "unknown.toml", "framerate"]);
}

#[test]
fn a_scene_that_makes_no_sense_names_the_key() {
    let config = ConfigDir::new();
    let good = junction_camera("junction", "rtsp://127.0.0.1:1/main", None, None);
    let mut table: toml::Table = good.parse().expect("TOML");
    let scene = table["scene"].as_table_mut().expect("a scene");
    scene.insert("frame_px".into(), toml::Value::Array(vec![64.into(), 36.into()]));
    config.camera("junction", &toml::to_string(&table).expect("TOML"));
    let (code, said) = replay(&config, JUNCTION_SUB);
    assert_eq!(code, Some(2));
    assert_says(&said, &["junction.toml", "scene.", "outside"]);
}

#[test]
fn a_missing_model_and_a_wrong_one() {
    let config = ConfigDir::junction();
    let models = tempfile::tempdir().expect("a temporary folder");
    config.engine(&format!("[runtime]\nmodels_dir = {:?}\n", models.path()));
    let (code, said) = replay(&config, JUNCTION_SUB);
    assert_eq!(code, Some(1));
    assert_says(&said, &["nanodet", "make setup"]);

    let real = cached("models");
    for entry in std::fs::read_dir(real).expect("models").flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("nanodet") {
            std::fs::write(models.path().join(name), b"not a model").expect("written");
        }
    }
    let (code, said) = replay(&config, JUNCTION_SUB);
    assert_eq!(code, Some(1));
    assert_says(&said, &["nanodet_g_int8.onnx has sha256", "expected 1cc0d641"]);

    config.engine("[detector]\nmodel = \"yolo-dream\"\n");
    let (code, said) = replay(&config, JUNCTION_SUB);
    assert_eq!(code, Some(1));
    assert_says(&said, &["yolo-dream", "nanodet-g"]);
}

#[test]
fn a_missing_library() {
    let config = ConfigDir::junction();
    config.engine("[runtime]\nonnxruntime = \"/nonexistent/libonnxruntime.so\"\n");
    let (code, said) = replay(&config, JUNCTION_SUB);
    assert_eq!(code, Some(1));
    assert_says(&said, &["/nonexistent/libonnxruntime.so"]);
}

#[test]
fn files_that_are_no_video_or_end_early() {
    let config = ConfigDir::junction();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| dir.path().join(name).display().to_string();

    let (code, said) = replay(&config, &path("none.mp4"));
    assert_eq!(code, Some(2));
    assert_says(&said, &["none.mp4"]);

    std::fs::write(dir.path().join("text.mp4"), "this is no film").expect("written");
    let (code, said) = replay(&config, &path("text.mp4"));
    assert_eq!(code, Some(1));
    assert_says(&said, &["text.mp4"]);

    // A transport stream can be cut anywhere, unlike an MP4, whose index may be lost.
    let whole = dir.path().join("whole.ts");
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i", JUNCTION_SUB, "-c", "copy"])
        .arg(&whole)
        .status()
        .expect("ffmpeg: run `make setup`");
    assert!(made.success());
    let bytes = std::fs::read(&whole).expect("made");
    std::fs::write(dir.path().join("cut.ts"), &bytes[..bytes.len() * 2 / 3]).expect("written");
    let output = run(&["replay", &path("cut.ts"), "--camera", "junction", "--config", &config.arg(), "--json"]);
    let events = String::from_utf8_lossy(&output.stdout).lines().count();
    assert!(events > 0, "what could be read is analysed");
}

#[test]
fn wrong_use_is_exit_code_two() {
    assert_eq!(run(&["replay"]).status.code(), Some(2));
    assert_eq!(run(&["run", "--config", "/nonexistent/folder"]).status.code(), Some(2));
    assert_eq!(run(&["verify", "/nonexistent/package"]).status.code(), Some(2));
    assert!(run(&["--help"]).status.success());
}
