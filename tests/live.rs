//! The whole path on real RTSP cameras: events survive `kill -9` of the engine and of the store exactly once, and a
//! camera at fault harms no other.
#![allow(missing_docs)]

mod common;

use std::{
    collections::{BTreeSet, HashSet},
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use common::{ConfigDir, JUNCTION_MAIN, JUNCTION_SUB, Simulator, cached, junction_camera, stopline};
use serde_json::Value;
use stopline_store::{
    Store,
    embedded::{Embedded, EmbeddedConfig, HUNG_AFTER},
};

/// `stopline run --json`: each line is an event that is durable.
struct Running {
    child: Child,
    lines: mpsc::Receiver<Value>,
}

impl Running {
    fn start(config: &ConfigDir) -> Self {
        let mut child = stopline()
            .args(["run", "--config", &config.arg(), "--json"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the engine starts");
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // A line cut by kill -9 is no acknowledgement.
                if let Ok(event) = serde_json::from_str(&line)
                    && sender.send(event).is_err()
                {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// Collects durable events until `enough` says so.
    fn collect(&self, acknowledged: &mut Vec<Value>, enough: impl Fn(&[Value]) -> bool) {
        let patience = Instant::now() + Duration::from_secs(90);
        while !enough(acknowledged) {
            let left = patience.saturating_duration_since(Instant::now());
            let event = self.lines.recv_timeout(left).expect("events come within 90 s");
            acknowledged.push(event);
        }
    }

    /// The process of the embedded ClickHouse.
    fn store_pid(&self) -> Option<i32> {
        let children = format!("/proc/{}/task", self.child.id());
        let tasks = std::fs::read_dir(children).ok()?;
        let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).find_map(|pid| {
            let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            command.contains("chdb").then(|| pid.parse().ok())?
        })
    }

    fn kill_9(mut self, acknowledged: &mut Vec<Value>) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited for");
        acknowledged.extend(self.lines.iter());
    }

    fn stop(mut self, acknowledged: &mut Vec<Value>) {
        signal(self.child.id() as i32, "-TERM");
        let status = self.child.wait().expect("waited for");
        acknowledged.extend(self.lines.iter());
        assert!(status.success(), "the engine ends well: {status}");
    }
}

fn signal(pid: i32, signal: &str) {
    let sent = std::process::Command::new("kill").args([signal, &pid.to_string()]).status().expect("kill");
    assert!(sent.success());
}

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
    let first = Running::start(&config);
    first.collect(&mut acknowledged, |events| of_kind(events, "passage") >= 3);
    signal(first.store_pid().expect("the embedded ClickHouse runs"), "-KILL");
    let so_far = acknowledged.len();
    first.collect(&mut acknowledged, |events| events.len() >= so_far + 3 && of_kind(events, "violation") >= 1);
    first.kill_9(&mut acknowledged);

    let second = Running::start(&config);
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

/// Every id is in ClickHouse, and no id is there twice.
fn assert_exactly_once(config: &ConfigDir, acknowledged: &HashSet<String>) {
    let embedded = Embedded::start(EmbeddedConfig {
        exe: env!("CARGO_BIN_EXE_stopline").into(),
        args: vec!["chdb".into(), "--args".into()],
        library: cached("lib/libchdb.so"),
        data_dir: config.path().join("data/clickhouse"),
        port: 0,
        database: "stopline".into(),
        hung_after: HUNG_AFTER,
    })
    .expect("the store opens again");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stored = runtime.block_on(async {
        let store = Store::connect(embedded.endpoint()).expect("reached");
        let mut stored = HashSet::new();
        for counted in store.counts().await.expect("counted") {
            assert_eq!(counted.rows, counted.unique, "{:?} holds doubled rows", counted.table);
            stored.extend(store.ids(counted.table).await.expect("read").iter().map(ToString::to_string));
        }
        stored
    });
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "acknowledged and not in ClickHouse: {lost:?}");
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
