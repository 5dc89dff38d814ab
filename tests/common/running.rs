//! The engine as a process, and what its store holds afterwards.

use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use serde_json::Value;
use stopline_store::{
    Store,
    embedded::{Embedded, EmbeddedConfig, HUNG_AFTER},
};

use super::{ConfigDir, cached, stopline};

/// `stopline run --json`, or `edge`: each line is an event that is durable.
pub(crate) struct Running {
    child: Child,
    lines: mpsc::Receiver<Value>,
}

impl Running {
    pub(crate) fn start(command: &str, config: &ConfigDir) -> Self {
        let mut child = stopline()
            .args([command, "--config", &config.arg(), "--json"])
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
    pub(crate) fn collect(&self, acknowledged: &mut Vec<Value>, enough: impl Fn(&[Value]) -> bool) {
        let patience = Instant::now() + Duration::from_secs(90);
        while !enough(acknowledged) {
            let left = patience.saturating_duration_since(Instant::now());
            let event = self.lines.recv_timeout(left).expect("events come within 90 s");
            acknowledged.push(event);
        }
    }

    /// The process of the embedded ClickHouse.
    pub(crate) fn store_pid(&self) -> Option<i32> {
        let children = format!("/proc/{}/task", self.child.id());
        let tasks = std::fs::read_dir(children).ok()?;
        let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).find_map(|pid| {
            let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            command.contains("chdb").then(|| pid.parse().ok())?
        })
    }

    pub(crate) fn kill_9(mut self, acknowledged: &mut Vec<Value>) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited for");
        acknowledged.extend(self.lines.iter());
    }

    pub(crate) fn stop(mut self, acknowledged: &mut Vec<Value>) {
        signal(self.child.id() as i32, "-TERM");
        let status = self.child.wait().expect("waited for");
        acknowledged.extend(self.lines.iter());
        assert!(status.success(), "the engine ends well: {status}");
    }
}

pub(crate) fn signal(pid: i32, signal: &str) {
    let sent = std::process::Command::new("kill").args([signal, &pid.to_string()]).status().expect("kill");
    assert!(sent.success());
}

/// Every id is in ClickHouse, and no id is there twice.
pub(crate) fn assert_exactly_once(config: &ConfigDir, acknowledged: &HashSet<String>) {
    let stored = stored(config);
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "acknowledged and not in ClickHouse: {lost:?}");
}

/// The ids in the embedded ClickHouse of a configuration that nobody runs now; none is there twice.
pub(crate) fn stored(config: &ConfigDir) -> HashSet<String> {
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
    runtime.block_on(async {
        let store = Store::connect(embedded.endpoint()).expect("reached");
        let mut stored = HashSet::new();
        for counted in store.counts().await.expect("counted") {
            assert_eq!(counted.rows, counted.unique, "{:?} holds doubled rows", counted.table);
            stored.extend(store.ids(counted.table).await.expect("read").iter().map(ToString::to_string));
        }
        stored
    })
}
