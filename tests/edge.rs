//! Cameras on one machine, the store on another: `stopline edge` → broker → `stopline sink`.
#![allow(missing_docs)]

mod common;
#[path = "../store/tests/common/mod.rs"]
mod store_common;

use std::{collections::HashSet, time::Duration};

use common::{
    ConfigDir, JUNCTION_MAIN, JUNCTION_SUB, Simulator, junction_camera, run,
    running::{Running, stored},
    stderr, stopline,
};
use store_common::broker::Broker;

#[test]
fn events_of_an_edge_are_in_the_store_of_a_sink_once() {
    let broker = Broker::anywhere();
    let kafka = format!(
        "data_dir = \"data\"\n[detector]\nmax_fps = 6.0\n[kafka]\nbrokers = [\"127.0.0.1:{}\"]\npartitions = 2\nreplication = 1\n\
         session_timeout_s = 6\n",
        broker.port
    );
    let simulator = Simulator::start(&[&format!("cam-1={JUNCTION_MAIN},{JUNCTION_SUB}")], None);
    let (edge, sink) = (ConfigDir::new(), ConfigDir::new());
    edge.engine(&kafka);
    sink.engine(&kafka);
    let (main, sub) = (simulator.url("cam-1", "main"), simulator.url("cam-1", "sub"));
    edge.camera("cam-1", &junction_camera("cam-1", &main, Some(&sub), None));

    let mut acknowledged = Vec::new();
    let first = Running::start("edge", &edge);
    first.collect(&mut acknowledged, |events| events.len() >= 3);
    first.kill_9(&mut acknowledged);
    let second = Running::start("edge", &edge);
    let so_far = acknowledged.len();
    second.collect(&mut acknowledged, |events| events.len() >= so_far + 3);
    // It ends well only when the broker has everything.
    second.stop(&mut acknowledged);
    assert!(!edge.path().join("data/clickhouse").exists(), "an edge has no store");

    let ids: HashSet<_> = acknowledged.iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(ids.len(), acknowledged.len(), "each event is acknowledged once");
    // Nobody can look while a sink runs on the embedded store. Each of these may meet the one before, not yet taken for dead.
    for _ in 0..6 {
        let mut child =
            stopline().args(["sink", "--config", &sink.arg(), "--duration", "15"]).spawn().expect("it starts");
        assert!(child.wait().expect("waited for").success());
        if ids.is_subset(&stored(&sink)) {
            return;
        }
    }
    let there = stored(&sink);
    panic!("{} of {} are there", ids.intersection(&there).count(), ids.len());
}

#[test]
fn without_brokers_nobody_starts() {
    let config = ConfigDir::junction();
    for command in ["edge", "sink"] {
        let output = run(&[command, "--config", &config.arg(), "--duration", "1"]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("no [kafka] with brokers"), "{}", stderr(&output));
    }
    // Brokers that are away: cameras would run; it ends in time all the same.
    config.engine("[kafka]\nbrokers = [\"127.0.0.1:1\"]\n[detector]\nmax_fps = 1.0\n");
    let begun = std::time::Instant::now();
    let output = run(&["edge", "--config", &config.arg(), "--duration", "1"]);
    assert!(output.status.success(), "nothing was found, nothing waits: {}", stderr(&output));
    assert!(begun.elapsed() < Duration::from_secs(120));
}
