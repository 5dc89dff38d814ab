//! What the measurements share: cameras to look at, and what the kernel counts of a process.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use stopline_ingest::{
    AnalysePlan, Camera, CameraSpec, Devices, Ring, RingLimits, config::StreamsConfig, handoff::Hub,
};
use stopline_types::{CameraId, CameraState, SizePx};

/// What the kernel counts in on every Linux there is (`getconf CLK_TCK`).
const TICKS_PER_S: f64 = 100.0;
const PAGE: u64 = 4096;

/// A process that serves cameras. Dropped, it ends.
pub struct Server {
    pub child: Child,
    pub ready: serde_json::Value,
}

impl Server {
    /// Runs a script of `simulator/`; see there.
    pub fn start(script: &str, arguments: &[String]) -> Self {
        let mut command = Command::new("/usr/bin/python3");
        command.arg(format!("simulator/{script}")).args(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3; run `make setup`");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).expect("the simulator says when it is ready");
        Self { child, ready }
    }

    /// A crowd of cheap cameras.
    pub fn crowd(clips: &[(&str, &str)], more: &[&str]) -> Self {
        let clips = clips.iter().flat_map(|(name, path)| ["--clip".to_owned(), format!("{name}={path}")]);
        Self::start("crowd.py", &clips.chain(more.iter().map(|text| (*text).to_owned())).collect::<Vec<_>>())
    }

    pub fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{path}", self.ready["port"])
    }

    pub fn cpu_s(&self) -> f64 {
        cpu_s(&self.child.id().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// How a camera is watched.
pub struct Watch {
    pub gate: bool,
    /// Nothing is decoded otherwise.
    pub decode: bool,
    pub ring: RingLimits,
}

pub fn watch(url: &str, id: &str, how: &Watch, hub: &Arc<Hub>) -> Camera {
    let id = CameraId::new(id).unwrap();
    let config: StreamsConfig =
        serde_json::from_value(serde_json::json!({"main": {"url": url}, "gate": how.gate})).unwrap();
    let plan = AnalysePlan { fit: SizePx { w: 640, h: 480 }, max_fps: 5.0, crops: Vec::new(), region: None };
    let spec = CameraSpec {
        id: id.clone(),
        name: id.to_string(),
        streams: Some(config.resolve(None).unwrap()),
        plan: how.decode.then_some(plan),
        ring: Ring::new(how.ring),
    };
    let runtime = tokio::runtime::Handle::current();
    Camera::start(spec, hub.mailbox(&id, 1.0), &Devices::default(), &runtime).unwrap()
}

pub fn is_running(camera: &Camera) -> bool {
    matches!(camera.status().state, CameraState::Online | CameraState::Degraded)
}

/// Takes frames as workers do, for so long, and until all run.
pub async fn run_for(cameras: &[Camera], hub: &Arc<Hub>, time: Duration) {
    let began = std::time::Instant::now();
    while began.elapsed() < time || !cameras.iter().all(is_running) {
        drop(hub.take(cameras.len(), Duration::ZERO));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub async fn stop(cameras: Vec<Camera>) {
    for camera in cameras {
        camera.stop().await;
    }
}

/// CPU time of a process in user and system, seconds.
pub fn cpu_s(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name, in brackets, may hold blanks; utime and stime are fields 14 and 15.
    let rest = stat.rsplit(')').next().unwrap();
    let ticks: f64 = rest.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().unwrap()).sum();
    ticks / TICKS_PER_S
}

/// Bytes that a process has written.
pub fn written(process: &str) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{process}/io")).unwrap();
    io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse().unwrap()
}

/// Memory of this process that is in RAM, bytes.
pub fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * PAGE
}

pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

pub fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// `ffmpeg` in our hands.
pub fn ffmpeg(arguments: &[&str]) {
    let status = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments).status();
    assert!(status.expect("ffmpeg; run `make setup`").success(), "ffmpeg {arguments:?}");
}

/// The junction's small picture at 500 kbit/s, 12.5 frames a second, a key frame every two seconds.
pub fn sub_500k(dir: &Path) -> String {
    let path = dir.join("sub500.mp4").display().to_string();
    let encode = ["-an", "-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-g", "25", "-pix_fmt", "yuv420p"];
    let rate = ["-b:v", "500k", "-minrate", "500k", "-maxrate", "500k", "-bufsize", "500k", "-nal-hrd", "cbr"];
    ffmpeg(&[&["-i", "fixtures/junction_day/sub.mp4"][..], &encode, &rate, &["-t", "24", &path]].concat());
    path
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
