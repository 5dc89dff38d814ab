//! Real RTSP servers for the tests, and cameras that watch them.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

pub mod proxy;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use stopline_ingest::{
    AnalysePlan, Camera, CameraSpec, CropRequest, Devices, Ring, RingLimits,
    config::{CredentialsConfig, Streams, StreamsConfig},
    handoff::{Hub, Mailbox},
};
use stopline_types::{CameraId, CameraStatus, Frame, SizePx};

/// Far above what anything here takes; only a hang reaches it.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const PASSWORD: &str = "cau-hoi-7Q";

/// A server with cameras; killed when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    pub main: String,
    pub sub: String,
}

impl Server {
    /// Cameras out of the ordinary; see `odd_cameras.py`.
    pub fn odd(arguments: &[&str]) -> Self {
        let mut command = Command::new("/usr/bin/python3");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/odd_cameras.py")).args(arguments);
        let (child, ready) = Self::spawn(&mut command);
        let port = u16::try_from(ready["port"].as_u64().unwrap()).unwrap();
        Self { child, port, main: String::new(), sub: String::new() }
    }

    /// The rendered junction as camera `gate`, `main` and `sub`.
    pub fn start(port: u16, login: bool) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let clip = |name: &str| root.join("fixtures/junction_day").join(name).display().to_string();
        let mut command = Command::new("/usr/bin/python3");
        command.arg(root.join("simulator/rtsp_cameras.py")).args([
            "--port",
            &port.to_string(),
            "--exit-on-stdin-close",
        ]);
        command.args(["--camera", &format!("gate={},{}", clip("main.mp4"), clip("sub.mp4"))]);
        if login {
            command.args(["--user", "viewer", "--password", PASSWORD]);
        }
        let (child, ready) = Self::spawn(&mut command);
        let url = |role: &str| ready["cameras"]["gate"][role].as_str().unwrap().to_owned();
        Self {
            port: u16::try_from(ready["port"].as_u64().unwrap()).unwrap(),
            main: url("main"),
            sub: url("sub"),
            child,
        }
    }

    fn spawn(command: &mut Command) -> (Child, serde_json::Value) {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3; run `make setup`");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line)
            .unwrap_or_else(|e| panic!("the simulator said {line:?}: {e}; run `make setup`"));
        (child, ready)
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub fn streams(json: serde_json::Value, password: Option<&Path>) -> Streams {
    let credentials = password.map(|path| CredentialsConfig {
        user: "viewer".into(),
        password_env: None,
        password_file: Some(PathBuf::from(path)),
    });
    serde_json::from_value::<StreamsConfig>(json).unwrap().resolve(credentials.as_ref()).unwrap()
}

pub fn password_file(dir: &tempfile::TempDir, password: &str) -> PathBuf {
    let path = dir.path().join(password);
    std::fs::write(&path, password).unwrap();
    path
}

pub fn gate() -> CameraId {
    CameraId::new("gate").unwrap()
}

pub fn plan() -> AnalysePlan {
    AnalysePlan {
        fit: SizePx { w: 640, h: 480 },
        max_fps: 25.0,
        crops: vec![CropRequest { x: 0.5, y: 0.5, w: 0.1, h: 0.1 }],
        region: None,
    }
}

pub fn start_with(streams: Streams, mailbox: Mailbox, devices: &Devices) -> Camera {
    start_planned(streams, mailbox, devices, plan())
}

pub fn start_planned(streams: Streams, mailbox: Mailbox, devices: &Devices, plan: AnalysePlan) -> Camera {
    let ring = Ring::new(RingLimits { seconds: 10.0, bytes: 32 << 20 });
    let id = mailbox.camera().unwrap();
    let spec = CameraSpec { name: id.to_string(), id, streams: Some(streams), plan: Some(plan), ring };
    Camera::start(spec, mailbox, devices, &tokio::runtime::Handle::current()).unwrap()
}

pub fn start(streams: Streams, mailbox: Mailbox) -> Camera {
    start_with(streams, mailbox, &Devices::default())
}

pub async fn until(camera: &Camera, what: &str, is: impl Fn(&CameraStatus) -> bool) -> CameraStatus {
    let started = Instant::now();
    loop {
        let status = camera.status();
        if is(&status) {
            return status;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}: {status:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The next frame that a worker would get.
pub async fn frame(hub: &Arc<Hub>) -> Frame {
    let hub = Arc::clone(hub);
    let take = move || {
        let turns = hub.take(1, PATIENCE).unwrap();
        turns.first().map(|turn| turn.as_ref().clone()).expect("a frame in time")
    };
    tokio::task::spawn_blocking(take).await.unwrap()
}
