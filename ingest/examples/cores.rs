//! Cores that a camera takes here, beside `ffmpeg` doing at the same time what Frigate makes it do with the same stream.
//!
//! `cargo run --release -p stopline-ingest --example cores -- [SECONDS [ROUNDS]]` (default 20 and 3), from the repository's root.
//! Prints a table; `benches/RESULTS.md` says on what machine. Both sides are measured by the kernel's count of CPU time, so other
//! work on the machine matters little to their ratio; a core is a second of it for a second of film. Medians of the rounds.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod bench;

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bench::{Server, Watch, cpu_s, median, run_for, watch};
use stopline_ingest::{Camera, RingLimits, handoff::Hub};

/// Cameras watched at once, for a mean.
const CAMERAS: usize = 2;

/// What the other side writes in a second: five pictures of 1280×720 in YUV 4:2:0.
const FRIGATE_BYTES_S: f64 = 5.0 * 1280.0 * 720.0 * 1.5;

struct Case {
    name: &'static str,
    stream: &'static str,
    fps: f64,
    gate: bool,
    decode: bool,
}

const CASES: [Case; 6] = [
    Case { name: "1080p25 busy, all decoded", stream: "busy", fps: 25.0, gate: false, decode: true },
    Case { name: "1080p25 busy, gated", stream: "busy", fps: 25.0, gate: true, decode: true },
    Case { name: "1080p25 quiet, gated", stream: "quiet", fps: 25.0, gate: true, decode: true },
    Case { name: "1080p25 busy, into the ring only", stream: "busy", fps: 25.0, gate: false, decode: false },
    Case { name: "640x360 at 12.5, all decoded", stream: "sub", fps: 12.5, gate: false, decode: true },
    Case { name: "640x360 at 12.5, into the ring only", stream: "sub", fps: 12.5, gate: false, decode: false },
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments.next().map_or(20.0, |text| text.parse().expect("seconds"));
    let rounds: usize = arguments.next().map_or(3, |text| text.parse().expect("rounds"));
    let dir = tempfile::tempdir().unwrap();
    let served =
        clips(dir.path()).into_iter().flat_map(|(name, path)| ["--camera".to_owned(), format!("{name}={path}")]);
    let more = ["--port", "0", "--exit-on-stdin-close"].map(str::to_owned);
    let server = Server::start("rtsp_cameras.py", &served.chain(more).collect::<Vec<_>>());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("| stream | stopline, cores a camera | ffmpeg as Frigate runs it | ratio | decoded, left undecoded |");
    println!("|---|---|---|---|---|");
    for case in CASES {
        let url = server.ready["cameras"][case.stream]["main"].as_str().unwrap();
        let seen: Vec<Seen> = (0..rounds).map(|_| runtime.block_on(measure(&case, url, seconds))).collect();
        let of = |figure: fn(&Seen) -> f64| median(seen.iter().map(figure).collect());
        let (own, other, ratio) = (of(|s| s.own), of(|s| s.ffmpeg), of(|s| s.ffmpeg / s.own));
        let (decoded, gated) = (of(|s| s.decoded as f64), of(|s| s.gated as f64));
        println!("| {} | {own:.4} | {other:.3} | {ratio:.1} | {decoded}, {gated} |", case.name);
    }
}

struct Seen {
    own: f64,
    ffmpeg: f64,
    decoded: u64,
    gated: u64,
}

async fn measure(case: &Case, url: &str, seconds: f64) -> Seen {
    let hub = Hub::new();
    let ring = RingLimits { seconds: 20.0, bytes: 32 << 20 };
    let how = Watch { gate: case.gate, decode: case.decode, ring };
    let cameras: Vec<Camera> = (0..CAMERAS).map(|n| watch(url, &format!("{}-{n}", case.stream), &how, &hub)).collect();
    // Long enough for the gate to learn and to fall asleep.
    run_for(&cameras, &hub, Duration::from_secs(if case.gate { 25 } else { 4 })).await;
    let mut ffmpeg = frigate(url);
    let of_ffmpeg = ffmpeg.id().to_string();
    // Its start is not what is measured.
    run_for(&cameras, &hub, Duration::from_secs(3)).await;
    let counted = || {
        let counters = cameras.iter().map(|c| c.status().counters);
        counters.fold([0; 3], |s, c| [s[0] + c.frames_received, s[1] + c.frames_decoded, s[2] + c.frames_gated])
    };
    let before = (cpu_s("self"), cpu_s(&of_ffmpeg), counted(), bench::written(&of_ffmpeg));
    run_for(&cameras, &hub, Duration::from_secs_f64(seconds)).await;
    let after = counted();
    let [received, decoded, gated] = [0, 1, 2].map(|at| after[at] - before.2[at]);
    // By seconds of film, not of the wall: a busy machine may run late.
    let film_s = received as f64 / case.fps;
    let film_of_ffmpeg_s = (bench::written(&of_ffmpeg) - before.3) as f64 / FRIGATE_BYTES_S;
    let seen = Seen {
        own: (cpu_s("self") - before.0) / film_s,
        ffmpeg: (cpu_s(&of_ffmpeg) - before.1) / film_of_ffmpeg_s,
        decoded,
        gated,
    };
    ffmpeg.kill().ok();
    ffmpeg.wait().ok();
    bench::stop(cameras).await;
    seen
}

/// What Frigate starts for each camera whose pictures are looked at (its defaults for CPU decoding, version 0.18).
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

/// Makes the clips: the rendered junction as 1080p25, and its first picture standing still under a sensor's noise.
fn clips(dir: &Path) -> Vec<(&'static str, String)> {
    let encode = ["-an", "-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-g", "50", "-pix_fmt", "yuv420p"];
    let make = |name: &str, filter: &str, rate: &[&str]| {
        let path = dir.join(name).display().to_string();
        let source = ["-i", "fixtures/junction_day/main.mp4", "-vf", filter];
        bench::ffmpeg(&[&source[..], &encode, rate, &[&path]].concat());
        path
    };
    let busy =
        make("busy.mp4", "scale=1920:1080,fps=25", &["-b:v", "4M", "-maxrate", "5M", "-bufsize", "8M", "-t", "12"]);
    let still = "trim=end_frame=1,loop=-1:1,scale=1920:1080,fps=25,noise=alls=10:allf=t";
    let settling = make("settling.mp4", still, &["-crf", "26", "-t", "28"]);
    // The first seconds, in which the encoder settles, would look like an event at each turn of the loop.
    let quiet = dir.join("quiet.mp4").display().to_string();
    bench::ffmpeg(&["-ss", "4", "-i", &settling, "-c", "copy", &quiet]);
    vec![("busy", busy), ("quiet", quiet), ("sub", "fixtures/junction_day/sub.mp4".to_owned())]
}
