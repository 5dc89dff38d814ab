//! `stopline replay` and `score` on the rendered junction: real video, real model, exact truth.
#![allow(missing_docs)]
#![allow(clippy::print_stderr, reason = "a test says what it skips")]

mod common;

use common::{ConfigDir, json_lines, junction_start, run, stderr, stdout};
use serde_json::Value;

#[test]
fn replay_prints_the_contract_and_the_same_twice() {
    let config = ConfigDir::junction();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (clip, start) = (junction_start(dir.path(), 12), "2026-11-21T00:30:00Z");
    let args = ["replay", &clip, "--camera", "junction", "--config", &config.arg(), "--start", start, "--json"];
    let (first, second) = (run(&args), run(&args));
    assert!(first.status.success(), "{}", stderr(&first));
    assert_eq!(stdout(&first), stdout(&second), "the same file and configuration print the same events");
    let events = json_lines(&stdout(&first));
    let mut last = 0.0;
    for event in &events {
        for field in ["event", "id", "camera", "t_s", "utc", "error_ms", "track", "class", "box", "plate", "speed_kmh"]
        {
            assert!(event.get(field).is_some(), "{field} is missing in {event}");
        }
        let t_s = event["t_s"].as_f64().expect("seconds");
        assert!(t_s >= last, "in order of time");
        last = t_s;
        let right_edge = event["box"][0].as_f64().expect("x") + event["box"][2].as_f64().expect("w");
        assert!(right_edge <= 640.5, "boxes are in pixels of the file's frame: {event}");
    }
    let violation = events.iter().find(|event| event["event"] == "violation").expect("there are violations");
    for field in ["rule", "measured", "limit", "signal", "law", "moments", "analysed_fps"] {
        assert!(violation.get(field).is_some(), "{field} is missing in {violation}");
    }
    assert!(events.iter().any(|event| event["event"] == "passage"), "there are passages");
}

/// Every clip with a floor, as its main and its sub-stream show it: what was reached stands in `fixtures/*/floor.toml`.
#[test]
fn every_clip_keeps_its_floor() {
    let mut held = 0;
    for entry in std::fs::read_dir("fixtures").expect("the fixtures") {
        let dir = entry.expect("an entry").path();
        let name = dir.file_name().expect("a name").to_string_lossy().into_owned();
        let (truth, floor) =
            (dir.join("truth.json").display().to_string(), dir.join("floor.toml").display().to_string());
        if !dir.join("floor.toml").is_file() {
            continue;
        }
        let config = format!("config/examples/{name}");
        for clip in ["main.mp4", "sub.mp4"] {
            let clip = dir.join(clip).display().to_string();
            let args = ["score", "--truth", &truth, "--replay", &clip, "--camera", &name, "--config", &config];
            let output = run(&[&args[..], &["--floor", &floor]].concat());
            assert!(output.status.success(), "{clip}\n{}\n{}", stderr(&output), stdout(&output));
            held += 1;
        }
    }
    assert!(held >= 2, "no floor was held");
}

#[test]
fn a_score_tells_what_was_found_and_fails_below_a_floor() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (events, truth) = (dir.path().join("none.jsonl").display().to_string(), "fixtures/junction_day/truth.json");
    std::fs::write(&events, "").expect("written");
    let output = run(&["score", "--truth", truth, "--events", &events, "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let score: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let rules = score["rules"].as_array().expect("rules");
    let red = &rules.iter().find(|rule| rule[0] == "red_light").expect("red_light")[1];
    assert_eq!((&red["expected"], &red["found"], &red["near_misses"]), (&3.into(), &0.into(), &3.into()), "{red}");
    let passages = &score["passages"];
    assert!(passages["expected"].as_u64() > Some(40) && passages["found"] == 0, "{passages}");
    assert!(passages["plates"]["readable"].as_u64() > Some(10), "{passages}");

    let floor = run(&["score", "--truth", truth, "--events", &events, "--floor", "fixtures/junction_day/floor.toml"]);
    assert_eq!(floor.status.code(), Some(1));
    assert!(stderr(&floor).contains("red_light: recall: 0 %"), "{}", stderr(&floor));
    let no_video =
        run(&["score", "--truth", truth, "--events", &events, "--misses", &dir.path().display().to_string()]);
    assert_eq!(no_video.status.code(), Some(2), "{}", stderr(&no_video));
}

#[test]
fn evidence_of_a_replay_verifies_and_tampering_shows() {
    let config = ConfigDir::junction();
    let out = tempfile::tempdir().expect("a temporary folder");
    let evidence = out.path().join("evidence");
    let folder = evidence.display().to_string();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (clip, start) = (junction_start(dir.path(), 12), "2026-11-21T00:30:00Z");
    let args = ["replay", &clip, "--camera", "junction", "--config", &config.arg(), "--start", start, "--json"];
    let output = run(&[&args[..], &["--evidence", &folder]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let events = json_lines(&stdout(&output));
    let packages: Vec<_> = events.iter().filter_map(|event| event["evidence"]["path"].as_str()).collect();
    let violations = events.iter().filter(|event| event["event"] == "violation").count();
    assert_eq!(packages.len(), violations, "each violation has its package");

    let verified = run(&["verify", &folder]);
    assert!(verified.status.success(), "{}", stdout(&verified));
    let still = evidence.join(packages[0]).join("act.jpg");
    let mut bytes = std::fs::read(&still).expect("the still is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&still, bytes).expect("written");
    let verified = run(&["verify", &folder]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(stdout(&verified).contains("act.jpg"), "names the file: {}", stdout(&verified));
}

#[test]
fn a_camera_without_a_scene_gives_passages_and_no_violation() {
    let config = ConfigDir::new();
    config.camera("plain", "name = \"plain\"\n[streams.main]\nurl = \"rtsp://127.0.0.1:1/x\"\n");
    let clip = junction_start(config.path(), 12);
    let output = run(&["replay", &clip, "--camera", "plain", "--config", &config.arg(), "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let events = json_lines(&stdout(&output));
    assert!(events.len() > 5, "{} events", events.len());
    assert!(events.iter().all(|event| event["event"] == "passage"));
}

/// Floors on a real clip that parts were tuned on (see benches/RESULTS.md), so that a change for the worse shows.
#[test]
fn real_traffic_in_hanoi_keeps_its_floor_and_its_proofs() {
    let clip = "../shared/data/videos/hanoi_lythuongkiet_hangbai_16h30.mp4";
    if !std::path::Path::new(clip).exists() {
        eprintln!("skipped: {clip} is not here");
        return;
    }
    let out = tempfile::tempdir().expect("a temporary folder");
    let evidence = out.path().join("evidence").display().to_string();
    let config = ConfigDir::new();
    let scene = std::fs::read_to_string("config/examples/hanoi/cameras/lythuongkiet.toml").expect("the example");
    config.camera("lythuongkiet", &scene);
    let args = ["replay", clip, "--camera", "lythuongkiet", "--config", &config.arg(), "--json"];
    let output = run(&[&args[..], &["--evidence", &evidence]].concat());
    assert!(output.status.success(), "each violation has its proof: {}", stderr(&output));
    let events = out.path().join("events.jsonl");
    std::fs::write(&events, &output.stdout).expect("written");
    let truth = clip.replace(".mp4", ".json");
    let args = ["score", "--truth", &truth, "--events", &events.display().to_string(), "--json"];
    let score: Value = serde_json::from_str(&stdout(&run(&args))).expect("JSON");
    let rules = score["rules"].as_array().expect("rules");
    let red = rules.iter().find(|rule| rule[0] == "red_light").map(|rule| rule[1].clone()).expect("red_light");
    assert!(red["found"].as_u64() >= Some(9), "{red}");
    assert!(red["false_alarms"].as_u64() <= Some(2), "{red}");
}
