//! Cameras over RTSP: a real server on loopback, with the rendered junction sample.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use stopline_ingest::{
    AnalysePlan, Camera, Codec, CropRequest, RingLimits, SessionFault,
    config::{CredentialsConfig, Streams, StreamsConfig},
    handoff::{Hub, Mailbox},
    probe::probe,
};
use stopline_types::{CameraId, CameraState, CameraStatus, Frame, SizePx, StreamRole, TimeSource};

/// Far above what anything here takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "cau-hoi-7Q";

/// The simulated cameras; killed when dropped.
struct Server {
    child: Child,
    port: u16,
    main: String,
    sub: String,
}

impl Server {
    /// Cameras out of the ordinary: `/jpeg`, `/sound` and `/h265`.
    fn odd() -> Self {
        let mut command = Command::new("/usr/bin/python3");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/odd_cameras.py"));
        let (child, ready) = Self::spawn(&mut command);
        let port = u16::try_from(ready["port"].as_u64().unwrap()).unwrap();
        Self { child, port, main: String::new(), sub: String::new() }
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

    fn start(port: u16, login: bool) -> Self {
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

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn kill(&mut self) {
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

fn streams(json: serde_json::Value, password: Option<&Path>) -> Streams {
    let credentials = password.map(|path| CredentialsConfig {
        user: "viewer".into(),
        password_env: None,
        password_file: Some(PathBuf::from(path)),
    });
    serde_json::from_value::<StreamsConfig>(json).unwrap().resolve(credentials.as_ref()).unwrap()
}

fn password_file(dir: &tempfile::TempDir, password: &str) -> PathBuf {
    let path = dir.path().join(password);
    std::fs::write(&path, password).unwrap();
    path
}

fn gate() -> CameraId {
    CameraId::new("gate").unwrap()
}

fn start(streams: Streams, mailbox: Mailbox) -> Camera {
    let plan = AnalysePlan {
        fit: SizePx { w: 640, h: 480 },
        max_fps: 25.0,
        crops: vec![CropRequest { x: 0.5, y: 0.5, w: 0.1, h: 0.1 }],
        region: None,
    };
    let limits = RingLimits { seconds: 10.0, bytes: 32 << 20 };
    Camera::start(gate(), "Gate".into(), streams, plan, mailbox, limits, &tokio::runtime::Handle::current()).unwrap()
}

async fn until(camera: &Camera, what: &str, is: impl Fn(&CameraStatus) -> bool) -> CameraStatus {
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
async fn frame(hub: &Arc<Hub>) -> Frame {
    let hub = Arc::clone(hub);
    let take = move || {
        let turns = hub.take(1, PATIENCE).unwrap();
        turns.first().map(|turn| turn.as_ref().clone()).expect("a frame in time")
    };
    tokio::task::spawn_blocking(take).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_evidence_and_reconnection() {
    let mut server = Server::start(0, true);
    let dir = tempfile::tempdir().unwrap();
    let json = serde_json::json!({"main": {"url": server.main}, "sub": {"url": server.sub}});
    let hub = Hub::new();
    let camera = start(streams(json, Some(&password_file(&dir, PASSWORD))), hub.mailbox(&gate(), 1.0));

    // Frames of the small stream, at the detector's size, in order.
    let mut before: Option<Frame> = None;
    for _ in 0..20 {
        let now = frame(&hub).await;
        assert_eq!(
            (now.role, now.source, now.image.size),
            (StreamRole::Sub, SizePx { w: 640, h: 360 }, SizePx { w: 640, h: 360 })
        );
        assert_eq!((now.crops[0].x, now.crops[0].y, now.crops[0].image.size), (320, 180, SizePx { w: 64, h: 36 }));
        assert!(now.received.is_some());
        if let Some(before) = &before {
            assert!(now.seq > before.seq && now.time.utc > before.time.utc && now.media_s > before.media_s);
        }
        before = Some(now);
    }
    until(&camera, "both streams", |s| s.state == CameraState::Online && s.reason.is_empty()).await;

    // Its clock is ours, so the offset is the delay.
    until(&camera, "a sender report", |s| s.clock_error_ms.is_some_and(|e| e < 500.0)).await;
    let offset_ms = camera.clock_offset_ms().unwrap();
    assert!(offset_ms.abs() < 1000.0, "{offset_ms}");

    // Evidence of the large stream: what was there seconds ago, cut at a key frame.
    let ring = camera.evidence_ring();
    let at = frame(&hub).await.time.utc;
    while !ring.covers(at.plus_s(1.0)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let cut = ring.cut(at.plus_s(-1.0), at.plus_s(1.0)).unwrap();
    let clip = dir.path().join("clip.mp4");
    let info = cut.write_mp4(&clip).unwrap();
    assert_eq!(info.codec, Codec::H264);
    let still = &cut.stills(&[at]).unwrap()[0];
    assert_eq!(still.image.size, SizePx { w: 1920, h: 1080 });
    assert!(still.time.since_s(at).abs() <= 0.08, "{still:?}");
    let args = ["-v", "error", "-show_entries", "frame=key_frame", "-of", "csv=p=0", clip.to_str().unwrap()];
    let decoded = Command::new("ffprobe").args(args).output().expect("ffprobe; run `make setup`");
    let decoded = String::from_utf8(decoded.stdout).unwrap();
    let frames: Vec<_> = decoded.lines().filter(|line| !line.is_empty()).collect();
    assert!(frames[0].starts_with('1'), "{decoded}");
    assert_eq!(frames.len(), info.packets, "{decoded}");

    // The server falls silent without closing, and goes on.
    server.signal("STOP");
    let silent = until(&camera, "the stall", |s| s.state == CameraState::Stalled).await;
    assert!(silent.reason.contains("no frame for 2 s"), "{}", silent.reason);
    server.signal("CONT");
    let again = until(&camera, "the end of the stall", |s| s.state == CameraState::Online).await;
    assert_eq!(again.counters.reconnects, 0, "{again:?}");

    // The server goes away and comes back.
    server.kill();
    let gone = until(&camera, "the end to be noticed", |s| s.state == CameraState::Offline).await;
    assert!(!gone.reason.is_empty() && !gone.reason.contains(PASSWORD), "{}", gone.reason);
    let port = server.port;
    drop(server);
    let server = Server::start(port, true);
    let back = until(&camera, "the return", |s| s.state == CameraState::Online).await;
    assert!(back.counters.reconnects >= 2, "{back:?}");
    let decoded = back.counters.frames_decoded;
    let new = frame(&hub).await;
    assert!(new.time.utc > before.unwrap().time.utc);
    let last = until(&camera, "more frames", |s| s.counters.frames_decoded > decoded + 5).await;
    assert!(last.counters.frames_received > last.counters.frames_decoded, "both streams are counted");
    assert_eq!(camera.panics(), 0);
    camera.stop().await;
    drop(server);
    assert!(ring.covers(stopline_types::UtcUs(i64::MAX)), "nothing more will come");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_are_told_apart() {
    let server = Server::start(0, true);
    let dir = tempfile::tempdir().unwrap();
    let (right, wrong) = (password_file(&dir, PASSWORD), password_file(&dir, "sai-mat-khau"));
    let sub = || serde_json::json!({"sub": {"url": server.sub}});
    let fault = async |streams: Streams| {
        let error = probe(&gate(), &streams, PATIENCE).await.remove(&StreamRole::Sub).unwrap().unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("camera gate, sub stream rtsp://127.0.0.1:") && text.contains("; came"), "{text}");
        assert!(!text.contains(PASSWORD) && !text.contains("sai-mat-khau"), "{text}");
        error.fault
    };
    assert_eq!(fault(streams(sub(), Some(&wrong))).await, SessionFault::WrongLogin { user: "viewer".into() });
    assert_eq!(fault(streams(sub(), None)).await, SessionFault::LoginWanted);
    let elsewhere = serde_json::json!({"sub": {"url": format!("rtsp://127.0.0.1:{}/none", server.port)}});
    assert_eq!(fault(streams(elsewhere, Some(&right))).await, SessionFault::Refused { status: 404 });
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = serde_json::json!({"sub": {"url": format!("rtsp://viewer:{PASSWORD}@{closed}/x")}});
    assert!(matches!(fault(streams(nobody, None)).await, SessionFault::Unreachable { .. }));

    // A camera with a wrong password is offline and says why; the other cameras do not notice.
    let hub = Hub::new();
    let camera = start(streams(sub(), Some(&wrong)), hub.mailbox(&gate(), 1.0));
    let status = until(&camera, "the refusal", |s| s.state == CameraState::Offline).await;
    assert!(status.reason.contains("user name or password is wrong"), "{}", status.reason);
    let json = serde_json::json!({"sub": {"url": server.sub}});
    let other = start(streams(json, Some(&right)), hub.mailbox(&gate(), 1.0));
    until(&other, "frames", |s| s.state == CameraState::Online && s.counters.frames_decoded > 0).await;
    camera.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_tells_what_comes() {
    let server = Server::start(0, false);
    let json = serde_json::json!({"main": {"url": server.main}, "sub": {"url": server.sub}});
    let probes = probe(&gate(), &streams(json, None), PATIENCE).await;
    for (role, size) in [(StreamRole::Main, SizePx { w: 1920, h: 1080 }), (StreamRole::Sub, SizePx { w: 640, h: 360 })]
    {
        let probe = probes[&role].as_ref().unwrap();
        assert_eq!((probe.codec, probe.size, probe.gop), (Codec::H264, size, Some(25)), "{probe:?}");
        assert!((probe.fps.unwrap() - 12.5).abs() < 0.2, "{probe:?}");
        assert!((100.0..10_000.0).contains(&probe.kbit_s.unwrap()), "{probe:?}");
        assert_eq!(probe.time_source, TimeSource::SenderReport);
        assert!(probe.clock_offset_ms.unwrap().abs() < 1000.0 && probe.clock_distrusted.is_none(), "{probe:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_says_nothing_stalls_out() {
    // Accepts and never answers: the connection must not hold the camera for ever.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let json = serde_json::json!({"sub": {"url": format!("rtsp://{}/x", silent.local_addr().unwrap())}});
    let hub = Hub::new();
    let camera = start(streams(json, None), hub.mailbox(&gate(), 1.0));
    let status = until(&camera, "giving up", |s| s.state == CameraState::Offline).await;
    assert!(status.reason.contains("within 10 s; came none"), "{}", status.reason);
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unusual_cameras_are_taken_or_refused_with_the_reason() {
    let server = Server::odd();
    let at = |path: &str| {
        let url = format!("rtsp://127.0.0.1:{}/{path}", server.port);
        streams(serde_json::json!({"main": {"url": url}}), None)
    };
    let probe = async |path: &str| probe(&gate(), &at(path), PATIENCE).await.remove(&StreamRole::Main).unwrap();
    let jpeg = probe("jpeg").await.unwrap_err();
    assert_eq!(jpeg.fault, SessionFault::UnsupportedCodec { came: "jpeg".into() });
    let sound = probe("sound").await.unwrap_err().fault;
    assert!(matches!(&sound, SessionFault::NoVideo { came } if came.contains("audio (pcma)")), "{sound}");

    // H.265, analysed and kept by the same stream.
    let hub = Hub::new();
    let camera = start(at("h265"), hub.mailbox(&gate(), 1.0));
    let first = frame(&hub).await;
    assert_eq!((first.role, first.source), (StreamRole::Main, SizePx { w: 320, h: 240 }));
    let ring = camera.evidence_ring();
    while !ring.covers(first.time.utc.plus_s(1.0)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let cut = ring.cut(first.time.utc, first.time.utc.plus_s(1.0)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let clip = dir.path().join("clip.mp4");
    let info = cut.write_mp4(&clip).unwrap();
    assert_eq!(info.codec, Codec::H265);
    let mut again = stopline_ingest::replay::FileCamera::open(
        &clip,
        gate(),
        None,
        AnalysePlan { fit: SizePx { w: 320, h: 240 }, max_fps: 0.0, crops: Vec::new(), region: None },
        RingLimits { seconds: 1.0, bytes: 1 << 20 },
    )
    .unwrap();
    let mut frames = 0;
    while again.next().unwrap().is_some() {
        frames += 1;
    }
    assert_eq!(frames, info.packets);
    camera.stop().await;
}
