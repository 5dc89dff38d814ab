//! Camera files added, changed, broken and removed while the engine runs, as `/metrics` and the log tell.
#![allow(missing_docs)]

mod common;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use common::{ConfigDir, JUNCTION_MAIN, JUNCTION_SUB, Simulator, junction_camera, stopline};

const PATIENCE: Duration = Duration::from_secs(90);

/// `stopline run` with what it logs.
struct Running {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Running {
    fn start(config: &ConfigDir) -> Self {
        let mut child = stopline()
            .args(["run", "--config", &config.arg()])
            .env("STOPLINE_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the engine starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let log = Arc::<Mutex<String>>::default();
        let into = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = into.lock().expect("not poisoned");
                *log += &line;
                log.push('\n');
            }
        });
        Self { child, log }
    }

    fn log(&self) -> String {
        self.log.lock().expect("not poisoned").clone()
    }

    #[track_caller]
    fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "waited in vain for {what}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    #[track_caller]
    fn until_logged(&self, words: &[&str]) {
        self.until(&words.join(" … "), || {
            self.log().lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn metrics(address: &str) -> String {
    let mut text = String::new();
    let Ok(mut stream) = TcpStream::connect(address) else { return text };
    let asked = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    asked.and_then(|()| stream.read_to_string(&mut text)).expect("the metrics answer");
    text
}

fn value(address: &str, metric: &str) -> Option<f64> {
    metrics(address).lines().find_map(|line| line.strip_prefix(metric)?.trim().parse().ok())
}

#[test]
fn camera_files_are_followed_while_the_engine_runs() {
    let secret = "right-Horse-7";
    let clips = format!("{JUNCTION_MAIN},{JUNCTION_SUB}");
    let cameras: Vec<String> = (1..=2).map(|i| format!("cam-{i}={clips}")).collect();
    let simulator = Simulator::start(&cameras.iter().map(String::as_str).collect::<Vec<_>>(), Some(secret));
    let config = ConfigDir::new();
    config.engine(
        "data_dir = \"data\"\n[web]\nlisten = \"127.0.0.1:0\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n[detector]\nmax_fps = 2.0\n",
    );
    let password = config.path().join("password");
    std::fs::write(&password, secret).expect("written");
    let file = |id: &str| junction_camera(id, &simulator.url(id, "sub"), None, Some(&password));
    config.camera("cam-1", &file("cam-1"));

    let engine = Running::start(&config);
    let address = engine.until("the address of the metrics", || {
        let log = engine.log();
        let from = log.split("metrics: http://").nth(1)?;
        Some(from.split("/metrics").next()?.to_owned())
    });
    let online = |id: &str, state: &str| {
        let metric = format!("stopline_camera_state{{camera=\"{id}\",state=\"{state}\"}}");
        (value(&address, &metric) == Some(1.0)).then_some(())
    };
    let received =
        |id: &str| value(&address, &format!("stopline_frames_received_total{{camera=\"{id}\"}}")).unwrap_or(0.0);
    engine.until("the first camera", || (received("cam-1") > 5.0).then_some(()));

    // Added.
    config.camera("cam-2", &file("cam-2"));
    engine.until("the second camera", || (received("cam-2") > 5.0).then_some(()));

    // Broken, twice: what is in force stays.
    let good = file("cam-2");
    config.camera("cam-2", &format!("{good}\n[streams\n"));
    engine.until_logged(&["cam-2.toml", "refused", "the old one stays in force"]);
    config.camera("cam-2", &good.replace("rtsp://", "ftp://"));
    engine.until_logged(&["cam-2.toml, line ", "streams.main.url"]);
    let frames = received("cam-2");
    engine.until("frames of the old one", || (received("cam-2") > frames + 5.0).then_some(()));

    // Turned off, and on again.
    config.camera("cam-2", &format!("enabled = false\n{good}"));
    engine.until("the pause", || online("cam-2", "suspended"));
    config.camera("cam-2", &good);
    engine.until("the return", || (received("cam-2") > 5.0).then_some(()));

    // Removed; the other one never noticed.
    std::fs::remove_file(config.path().join("cameras/cam-2.toml")).expect("removed");
    engine.until("the removal", || (!metrics(&address).contains("cam-2")).then_some(()));
    assert_eq!(value(&address, "stopline_reconnects_total{camera=\"cam-1\"}"), Some(0.0));
    assert!(!engine.log().contains(secret) && !metrics(&address).contains(secret));
}
