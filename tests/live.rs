//! The whole path on real RTSP cameras: events survive `kill -9` of the engine and of the store exactly once, and a
//! camera at fault harms no other.
#![allow(missing_docs)]

mod common;

use std::collections::{BTreeSet, HashSet};

use common::{
    ConfigDir, JUNCTION_MAIN, JUNCTION_SUB, Simulator, junction_camera,
    running::{Running, assert_exactly_once, signal},
};
use serde_json::Value;

fn of_kind(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["event"] == kind).count()
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_kill_9() {
    let secret = "right-Horse-7";
    let clips = format!("{JUNCTION_MAIN},{JUNCTION_SUB}");
    let cameras: Vec<String> = (1..=2).map(|i| format!("cam-{i}={clips}")).collect();
    let simulator = Simulator::start(&cameras.iter().map(String::as_str).collect::<Vec<_>>(), Some(secret));
    let config = ConfigDir::new();
    config.engine("data_dir = \"data\"\n[web]\nlisten = \"127.0.0.1:0\"\n[detector]\nmax_fps = 6.0\n");
    let password = config.path().join("password");
    std::fs::write(&password, secret).expect("written");
    for id in ["cam-1", "cam-2"] {
        let (main, sub) = (simulator.url(id, "main"), simulator.url(id, "sub"));
        config.camera(id, &junction_camera(id, &main, Some(&sub), Some(&password)));
    }
    // A camera nobody answers for, and one with a wrong password: the others must not notice.
    config.camera("absent", &junction_camera("absent", "rtsp://127.0.0.1:1/main", None, None));
    let wrong = config.path().join("wrong-password");
    std::fs::write(&wrong, "wrong").expect("written");
    config.camera("locked", &junction_camera("locked", &simulator.url("cam-1", "main"), None, Some(&wrong)));

    let mut acknowledged = Vec::new();
    let first = Running::start("run", &config);
    first.collect(&mut acknowledged, |events| of_kind(events, "passage") >= 3);
    signal(first.store_pid().expect("the embedded ClickHouse runs"), "-KILL");
    let so_far = acknowledged.len();
    first.collect(&mut acknowledged, |events| events.len() >= so_far + 3 && of_kind(events, "violation") >= 1);
    first.kill_9(&mut acknowledged);

    let second = Running::start("run", &config);
    let so_far = acknowledged.len();
    second.collect(&mut acknowledged, |events| events.len() >= so_far + 3);
    second.stop(&mut acknowledged);

    let cameras: BTreeSet<_> = acknowledged.iter().filter_map(|event| event["camera"].as_str()).collect();
    assert_eq!(cameras.into_iter().collect::<Vec<_>>(), ["cam-1", "cam-2"]);
    let ids: Vec<_> = acknowledged.iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect();
    let different: HashSet<_> = ids.iter().cloned().collect();
    assert_eq!(ids.len(), different.len(), "each event is acknowledged once");
    assert_exactly_once(&config, &different);
    assert_evidence(&config, &acknowledged);
}

fn assert_evidence(config: &ConfigDir, acknowledged: &[Value]) {
    let root = config.path().join("data/evidence");
    let violations: Vec<_> = acknowledged.iter().filter(|event| event["event"] == "violation").collect();
    for violation in &violations {
        let path = violation["evidence"]["path"].as_str().expect("each violation has its package");
        stopline_store::evidence::verify(&root.join(path), None).expect("the package verifies");
    }
    stopline_store::evidence::verify(&root, None).expect("the chains verify");
}
