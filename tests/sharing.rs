//! Cameras shared out among edges by Kafka: one is killed, the others run its cameras.
#![allow(missing_docs, clippy::print_stderr)]

mod common;
#[path = "../store/tests/common/mod.rs"]
mod store_common;

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use common::{ConfigDir, Simulator, junction_start, run, running::Running, stderr, stdout};
use store_common::broker::{Broker, free_port};

const CAMERAS: usize = 8;

fn camera(id: &str, url: &str) -> String {
    format!("# Comments may hold anything: hunter2\nid = \"{id}\"\n[streams.main]\nurl = \"{url}\"\n")
}

/// An edge and where its figures are.
struct Node {
    config: ConfigDir,
    running: Running,
    metrics: u16,
}

impl Node {
    fn start(kafka: &str) -> Self {
        let (config, metrics) = (ConfigDir::new(), free_port());
        config.engine(&format!(
            "data_dir = \"data\"\n[detector]\nmax_fps = 1.0\n[metrics]\nlisten = \"127.0.0.1:{metrics}\"\n{kafka}"
        ));
        Self { running: Running::start("edge", &config), config, metrics }
    }

    fn kill_9(self) -> ConfigDir {
        self.running.kill_9(&mut Vec::new());
        self.config
    }

    /// Cameras online here.
    fn online(&self) -> BTreeSet<String> {
        let mut text = String::new();
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.metrics)) else { return BTreeSet::new() };
        let asked = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        if asked.and_then(|()| stream.read_to_string(&mut text)).is_err() {
            return BTreeSet::new();
        }
        let lines = text.lines().filter(|line| line.starts_with("stopline_camera_state{") && line.ends_with(" 1"));
        let online = lines.filter(|line| line.contains("state=\"online\""));
        online.filter_map(|line| Some(line.split_once("camera=\"")?.1.split_once('"')?.0.to_owned())).collect()
    }
}

/// Seconds until `done`.
fn waited(what: &str, mut done: impl FnMut() -> bool) -> f64 {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{what}: not within two minutes");
        std::thread::sleep(Duration::from_millis(100));
    }
    begun.elapsed().as_secs_f64()
}

#[test]
fn the_cameras_of_a_killed_edge_run_elsewhere() {
    let broker = Broker::anywhere();
    let kafka = format!(
        "[kafka]\nbrokers = [\"127.0.0.1:{}\"]\npartitions = 2\nreplication = 1\nsession_timeout_s = 6\n\
         [kafka.sharing]\npartitions = {CAMERAS}\n",
        broker.port
    );
    let clips = tempfile::tempdir().expect("a temporary folder");
    let clip = junction_start(clips.path(), 10);
    let specs: Vec<_> = (0..CAMERAS).map(|n| format!("cam-{n}={clip}")).collect();
    let simulator = Simulator::start(&specs.iter().map(String::as_str).collect::<Vec<_>>(), None);
    let all: BTreeSet<_> = (0..CAMERAS).map(|n| format!("cam-{n}")).collect();

    let centre = ConfigDir::new();
    centre.engine(&kafka);
    for id in &all {
        centre.camera(id, &camera(id, &simulator.url(id, "main")));
    }
    let publish = |more: &[&str]| {
        let output = run(&[&["camera", "publish", "--config", &centre.arg()], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    assert!(publish(&[]).contains("cam-0: new"));
    assert!(publish(&[]).contains("cam-0: as it was"), "nothing is published twice");

    let (first, second) = (Node::start(&kafka), Node::start(&kafka));
    let shared = |a: &Node, b: &Node| {
        let (a, b) = (a.online(), b.online());
        !a.is_empty() && !b.is_empty() && a.is_disjoint(&b) && a.union(&b).cloned().collect::<BTreeSet<_>>() == all
    };
    let share_s = waited("the cameras are shared out", || shared(&first, &second));
    let file = std::fs::read_dir(second.config.path().join("data/shared_cameras")).expect("there").next();
    let text = std::fs::read_to_string(file.expect("one at least").expect("read").path()).expect("read");
    assert!(!text.contains("hunter2") && text.contains("rtsp://"), "{text}");

    let (lost, stays) = (first.online(), second.online());
    let _config = first.kill_9();
    let mut never_stopped = true;
    let taken_s = waited("the other takes them", || {
        let now = second.online();
        never_stopped &= stays.is_subset(&now);
        now == all
    });
    assert!(never_stopped, "cameras that stay are not touched");

    // A third comes; then a camera is changed and one removed.
    let third = Node::start(&kafka);
    let back_s = waited("they are shared out again", || shared(&second, &third));
    std::fs::remove_file(centre.path().join("cameras/cam-0.toml")).expect("removed");
    assert!(publish(&[]).contains("cam-0: is on the topic and has no file here"));
    assert!(publish(&["--prune"]).contains("cam-0: removed"));
    waited("the removed one ends", || {
        let mut now = second.online();
        now.extend(third.online());
        now.len() == CAMERAS - 1 && !now.contains("cam-0")
    });
    eprintln!(
        "{} cameras of a killed edge ran elsewhere after {taken_s:.1} s (session timeout 6 s); two edges shared {CAMERAS} \
         after {share_s:.1} s, again after {back_s:.1} s",
        lost.len()
    );
    for node in [second, third] {
        node.running.stop(&mut Vec::new());
    }
}

#[test]
fn a_password_never_goes_onto_the_topic() {
    let centre = ConfigDir::new();
    // Nobody is there: it must be refused before anyone is asked.
    centre.engine("[kafka]\nbrokers = [\"127.0.0.1:1\"]\n[kafka.sharing]\n");
    centre.camera("cam-1", &camera("cam-1", "rtsp://viewer:s3cret@10.0.0.5/101"));
    let output = run(&["camera", "publish", "--config", &centre.arg()]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("cam-1.toml: streams.main.url") && !said.contains("s3cret"), "{said}");
    centre.engine("[kafka]\nbrokers = [\"127.0.0.1:1\"]\n");
    let output = run(&["camera", "publish", "--config", &centre.arg()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no [kafka.sharing]"), "{}", stderr(&output));
}
