//! Average speed between two cameras, end to end: both clips replayed, plates read, pairs made, against the rendered truth.
#![allow(missing_docs)]

mod common;

use std::collections::BTreeMap;

use common::{ConfigDir, json_lines, run, stderr, stdout};
use serde_json::Value;

const EXAMPLE: &str = "config/examples/road_speed";

/// Letters and digits of a plate as it is written.
fn plain(plate: &str) -> String {
    plate.chars().filter(char::is_ascii_alphanumeric).collect()
}

#[test]
fn the_rendered_section_accuses_only_who_was_too_fast() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let replayed: Vec<String> = [("main.mp4", "road_speed"), ("second/main.mp4", "road_speed-second")]
        .map(|(clip, camera)| {
            let clip = format!("fixtures/road_speed/{clip}");
            // Both clips begin at one instant.
            let start = "2026-11-21T00:00:00Z";
            let output = run(&["replay", &clip, "--camera", camera, "--config", EXAMPLE, "--start", start, "--json"]);
            assert!(output.status.success(), "{}", stderr(&output));
            let file = dir.path().join(camera);
            std::fs::write(&file, &output.stdout).expect("written");
            file.display().to_string()
        })
        .into();
    let sections = |clock: &[&str]| {
        let args = [&["sections", "--config", EXAMPLE, "--json", &replayed[0], &replayed[1]], clock].concat();
        let output = run(&args);
        assert!(output.status.success(), "{}", stderr(&output));
        json_lines(&stdout(&output))
    };
    assert!(sections(&[]).is_empty(), "a start given by hand is half a second unsure: too much for 400 m");

    let truth: Value =
        serde_json::from_str(&std::fs::read_to_string("fixtures/road_speed/truth.json").expect("the truth"))
            .expect("JSON");
    let rows = |key: &str| truth[key].as_array().expect("a list").clone();
    let plates: BTreeMap<String, String> = rows("vehicles")
        .iter()
        .filter_map(|v| Some((v["id"].as_str()?.to_owned(), plain(v["plate"].as_str()?))))
        .collect();
    let driven: BTreeMap<String, (f64, bool)> = rows("section")
        .iter()
        .filter_map(|s| {
            let plate = plates.get(s["vehicle"].as_str()?)?.clone();
            Some((plate, (s["mean_kmh"].as_f64()?, s["violation"].as_bool()?)))
        })
        .collect();

    let found = sections(&["--clock-error-ms", "20"]);
    assert!(found.len() >= 2, "{found:?}");
    for violation in &found {
        let plate = violation["plate"]["text"].as_str().expect("a plate");
        let figure = |name: &str| violation["measured"][name].as_f64().expect("a figure");
        let (kmh, offends) = driven.get(plate).unwrap_or_else(|| panic!("nobody bore {plate}"));
        assert!(*offends, "{plate} drove {kmh} km/h");
        assert!((figure("speed_kmh") - kmh).abs() <= figure("speed_error_kmh"), "{plate}: {kmh} km/h, {violation}");
        assert_eq!(violation["rule"], "section_speed");
        assert!(violation["law"]["code"].is_string(), "{violation}");
    }
}

#[test]
fn a_section_needs_cameras_that_are_there() {
    let config = ConfigDir::junction();
    config.engine(
        "[[section]]\nname = \"s\"\nentry = \"junction\"\nexit = \"nowhere\"\nlength_m = 400\nlength_error_m = 5\n\
         limit_kmh = { default = 80 }\n",
    );
    let output = run(&["sections", "--config", &config.arg(), "-"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("section \"s\": no camera \"nowhere\" here"), "{}", stderr(&output));
}
