//! A process to be killed.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use stopline_store::Endpoint;

use super::example;

/// A child that says what was acknowledged, until it is killed.
pub struct Victim {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Victim {
    /// Starts `crash_child JOB DIR`; `broker` is `host:port` of Kafka.
    pub fn start(job: &str, dir: &Path, endpoint: Option<&Endpoint>, broker: Option<&str>) -> Self {
        let mut command = Command::new(example("crash_child"));
        command.arg(job).arg(dir).stdout(Stdio::piped());
        if let Some(endpoint) = endpoint {
            command.env("STOPLINE_TEST_URL", &endpoint.url);
            command.env("STOPLINE_TEST_USER", &endpoint.user);
            command.env("STOPLINE_TEST_PASSWORD", &endpoint.password);
        }
        if let Some(broker) = broker {
            command.env("STOPLINE_TEST_BROKER", broker);
        }
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            // Whole lines only: a line cut off by the kill was not acknowledged.
            let mut out = out;
            let mut line = String::new();
            while out.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
                if sender.send(line.trim_end().to_owned()).is_err() {
                    break;
                }
                line.clear();
            }
        });
        Self { child, lines }
    }

    /// Lets it acknowledge something, kills it after `delay` more, and gives all it acknowledged.
    pub fn kill_after(mut self, delay: Duration) -> Vec<String> {
        let first = self.lines.recv_timeout(Duration::from_secs(30));
        let Ok(first) = first else { panic!("no acknowledgement: {:?}", self.child.wait()) };
        let until = Instant::now() + delay;
        let mut all = vec![first];
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            all.push(line);
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        all.extend(self.lines.iter());
        all
    }
}

/// 0 to `most_ms`, different at every run.
pub fn random(most_ms: u32) -> Duration {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Duration::from_micros(u64::from(now.subsec_micros() % (most_ms * 1000)))
}

pub fn kill_9(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}
