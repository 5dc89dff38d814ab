//! `stopline read-plates` and the plates of replayed events, with the shipped models.
#![allow(missing_docs)]
#![allow(clippy::print_stderr, reason = "a test says what it skips")]

mod common;

use std::collections::BTreeMap;

use common::{ConfigDir, json_lines, run, stderr, stdout};
use image::{Rgb, RgbImage};
use serde_json::Value;

/// Whether the manifest names models for plates.
fn plates_are_read() -> bool {
    let manifest = include_str!("../models/manifest.toml");
    let read = manifest.lines().any(|line| line.starts_with("plates = "));
    if !read {
        eprintln!("skipped: models/manifest.toml names no plate models yet");
    }
    read
}

#[test]
fn bad_pictures_are_named_and_the_others_are_read() {
    if !plates_are_read() {
        return;
    }
    let config = ConfigDir::new();
    let path = |name: &str| config.path().join(name).display().to_string();
    RgbImage::from_pixel(640, 480, Rgb([120, 125, 118])).save(path("road.png")).expect("written");
    RgbImage::from_pixel(1, 1, Rgb([1, 2, 3])).save(path("dot.png")).expect("written");
    std::fs::write(path("text.jpg"), "this is no picture").expect("written");
    std::fs::write(path("empty.png"), "").expect("written");
    let files = ["road.png", "text.jpg", "missing.png", "empty.png", "dot.png"].map(path);
    let mut args = vec!["read-plates", "--json", "--config"];
    let folder = config.arg();
    args.push(&folder);
    args.extend(files.iter().map(String::as_str));
    let output = run(&args);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let lines = json_lines(&stdout(&output));
    assert_eq!(lines.len(), files.len(), "one line each, in the order given");
    for (line, file) in lines.iter().zip(&files) {
        assert_eq!(line["file"], file.as_str());
        assert_eq!(line["plates"], serde_json::json!([]), "an empty road has no plate: {line}");
        let bad = ["text.jpg", "missing.png", "empty.png"].iter().any(|name| file.ends_with(name));
        let said = line["error"].as_str().unwrap_or_default();
        assert_eq!(bad, said.contains(file.as_str()), "{line}");
        assert_eq!(bad, stderr(&output).contains(file.as_str()), "{}", stderr(&output));
    }
    assert_eq!(run(&["read-plates"]).status.code(), Some(2), "no picture named is wrong use");
}

#[test]
fn a_violation_and_the_passage_of_its_track_say_the_same_plate() {
    if !plates_are_read() {
        return;
    }
    let config = ConfigDir::junction();
    let folder = config.arg();
    // Two vehicles do wrong in the first 16 s. The analysed stream of a file is its only one: the large one.
    let cut = config.path().join("cut.mp4").display().to_string();
    let cutting = ["-v", "error", "-i", common::JUNCTION_MAIN, "-t", "16", "-c", "copy", &cut];
    let status = std::process::Command::new("ffmpeg").args(cutting).status().expect("ffmpeg: run `make setup`");
    assert!(status.success(), "ffmpeg: {status}");
    let args = ["replay", &cut, "--camera", "junction", "--config", &folder, "--json"];
    let output = run(&args);
    assert!(output.status.success(), "{}", stderr(&output));
    let events = json_lines(&stdout(&output));
    let passages: BTreeMap<u64, &Value> = events
        .iter()
        .filter(|event| event["event"] == "passage")
        .filter_map(|event| Some((event["track"].as_u64()?, &event["plate"])))
        .collect();
    let mut compared = 0;
    for violation in events.iter().filter(|event| event["event"] == "violation" && !event["plate"].is_null()) {
        let Some(plate) = violation["track"].as_u64().and_then(|track| passages.get(&track)) else { continue };
        assert_eq!(violation["plate"]["text"], plate["text"], "{violation}");
        compared += 1;
    }
    assert!(compared > 0, "no violation has a plate");
    for plate in passages.values().filter(|plate| !plate.is_null()) {
        assert_eq!(plate["sure"], plate["doubts"].as_array().is_some_and(Vec::is_empty), "{plate}");
        assert!(plate["seen"]["box"].is_array() && plate["reads"].as_u64() > Some(0), "{plate}");
    }
}
