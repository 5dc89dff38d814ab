//! Cores that a camera takes here, beside `ffmpeg` doing at the same time what Frigate makes it do with the same stream.
//!
//! `cargo run --release -p stopline-ingest --example cores -- [SECONDS]` (default 30), from the repository's root. Prints a
//! table; `benches/RESULTS.md` says on what machine. Both sides are measured by the kernel's count of CPU time, so other work on
//! the machine matters little to their ratio.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use stopline_ingest::{
    AnalysePlan, Camera, CameraSpec, Devices, Ring, RingLimits, config::StreamsConfig, handoff::Hub,
};
use stopline_types::{CameraId, CameraState, SizePx};

/// Cameras watched at once, for a mean.
const CAMERAS: usize = 2;

struct Case {
    name: &'static str,
    stream: &'static str,
    gate: bool,
}

const CASES: [Case; 4] = [
    Case { name: "1080p25 busy, all decoded", stream: "busy", gate: false },
    Case { name: "1080p25 busy, gated", stream: "busy", gate: true },
    Case { name: "1080p25 quiet, gated", stream: "quiet", gate: true },
    Case { name: "640x360 at 12.5, all decoded", stream: "sub", gate: false },
];

fn main() {
    let seconds: f64 = std::env::args().nth(1).map_or(30.0, |text| text.parse().expect("seconds"));
    let dir = tempfile::tempdir().unwrap();
    let clips = clips(dir.path());
    let (_server, urls) = serve(&clips);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("| stream | stopline, cores a camera | ffmpeg as Frigate runs it | ratio | decoded, left undecoded |");
    println!("|---|---|---|---|---|");
    for case in CASES {
        let url = urls["cameras"][case.stream]["main"].as_str().unwrap();
        println!("{}", runtime.block_on(measure(&case, url, seconds)));
    }
}

async fn measure(case: &Case, url: &str, seconds: f64) -> String {
    let hub = Hub::new();
    let cameras: Vec<Camera> = (0..CAMERAS).map(|n| watch(case, url, n, &hub)).collect();
    let began = std::time::Instant::now();
    // Long enough for the gate to learn and to fall asleep.
    let warm_up = Duration::from_secs(if case.gate { 25 } else { 4 });
    let running = |c: &Camera| matches!(c.status().state, CameraState::Online | CameraState::Degraded);
    while began.elapsed() < warm_up || !cameras.iter().all(running) {
        drop(hub.take(CAMERAS, Duration::ZERO));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut ffmpeg = frigate(url);
    let counted = |cameras: &[Camera]| {
        let counters = cameras.iter().map(|c| c.status().counters);
        counters.fold((0, 0), |sum, c| (sum.0 + c.frames_decoded, sum.1 + c.frames_gated))
    };
    let (own, of_ffmpeg, frames) = (cpu_s("self"), cpu_s(&ffmpeg.id().to_string()), counted(&cameras));
    let began = std::time::Instant::now();
    while began.elapsed().as_secs_f64() < seconds {
        drop(hub.take(CAMERAS, Duration::ZERO));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let wall_s = began.elapsed().as_secs_f64();
    let own = (cpu_s("self") - own) / wall_s / CAMERAS as f64;
    let of_ffmpeg = (cpu_s(&ffmpeg.id().to_string()) - of_ffmpeg) / wall_s;
    let after = counted(&cameras);
    ffmpeg.kill().ok();
    ffmpeg.wait().ok();
    for camera in &cameras {
        camera.stop().await;
    }
    let (decoded, gated) = (after.0 - frames.0, after.1 - frames.1);
    let ratio = of_ffmpeg / own;
    format!("| {} | {own:.3} | {of_ffmpeg:.3} | {ratio:.1} | {decoded}, {gated} |", case.name)
}

fn watch(case: &Case, url: &str, n: usize, hub: &std::sync::Arc<Hub>) -> Camera {
    let id = CameraId::new(&format!("{}-{n}", case.stream)).unwrap();
    let config: StreamsConfig =
        serde_json::from_value(serde_json::json!({"main": {"url": url}, "gate": case.gate})).unwrap();
    let spec = CameraSpec {
        id: id.clone(),
        name: id.to_string(),
        streams: Some(config.resolve(None).unwrap()),
        plan: AnalysePlan { fit: SizePx { w: 640, h: 480 }, max_fps: 5.0, crops: Vec::new(), region: None },
        ring: Ring::new(RingLimits { seconds: 20.0, bytes: 32 << 20 }),
    };
    let runtime = tokio::runtime::Handle::current();
    Camera::start(spec, hub.mailbox(&id, 1.0), &Devices::default(), &runtime).unwrap()
}

/// Frigate's default arguments for a detect stream of 1280×720 at 5 frames a second (its `ffmpeg_presets.py`).
fn frigate(url: &str) -> Child {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-hide_banner", "-loglevel", "warning", "-threads", "2", "-avoid_negative_ts", "make_zero"])
        .args(["-fflags", "+genpts+discardcorrupt", "-rtsp_transport", "tcp", "-timeout", "5000000"])
        .args(["-use_wallclock_as_timestamps", "1", "-i", url])
        .args(["-r", "5", "-vf", "fps=5,scale=1280:720", "-threads", "2", "-f", "rawvideo", "-pix_fmt", "yuv420p"])
        .arg("pipe:");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("ffmpeg; run `make setup`")
}

/// CPU time of a process in user and system, seconds.
fn cpu_s(process: &str) -> f64 {
    /// What the kernel counts in on every Linux there is (`getconf CLK_TCK`).
    const TICKS_PER_S: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name, in brackets, may hold blanks; utime and stime are fields 14 and 15.
    let rest = stat.rsplit(')').next().unwrap();
    let ticks: f64 = rest.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().unwrap()).sum();
    ticks / TICKS_PER_S
}

/// Makes the clips: the rendered junction as 1080p25, and its first picture standing still under a sensor's noise.
fn clips(dir: &Path) -> Vec<(&'static str, String)> {
    let junction = "fixtures/junction_day/main.mp4";
    let encode = ["-an", "-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-g", "50", "-pix_fmt", "yuv420p"];
    let make = |name: &str, before: &[&str], filter: &str, rate: &[&str]| {
        let path = dir.join(name).display().to_string();
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y"]).args(before).args(["-i", junction, "-vf", filter]).args(encode).args(rate);
        assert!(command.args(["-t", "12"]).arg(&path).status().unwrap().success(), "{name}");
        path
    };
    let busy = make("busy.mp4", &[], "scale=1920:1080,fps=25", &["-b:v", "4M", "-maxrate", "5M", "-bufsize", "8M"]);
    let still = "trim=end_frame=1,loop=-1:1,scale=1920:1080,fps=25,noise=alls=4:allf=t";
    let quiet = make("quiet.mp4", &[], still, &["-crf", "26"]);
    vec![("busy", busy), ("quiet", quiet), ("sub", "fixtures/junction_day/sub.mp4".to_owned())]
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn serve(clips: &[(&str, String)]) -> (Server, serde_json::Value) {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["simulator/rtsp_cameras.py", "--port", "0", "--exit-with-parent"]);
    for (name, path) in clips {
        command.args(["--camera", &format!("{name}={path}")]);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().expect("python3; run `make setup`");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Server(child), serde_json::from_str(&line).expect("the simulator says when it is ready"))
}
