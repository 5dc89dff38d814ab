//! Many cameras at once: what they take, and that nothing grows.
//!
//! From the repository's root, `cargo run --release -p stopline-ingest --example crowd --` and
//! - `receive [CAMERAS [SECONDS]]`: so many streams of 500 kbit/s into rings of 20 s, nothing decoded (default 375, 40 s);
//! - `memory [CAMERAS]`: resident memory that a decoded camera takes (default 16), without its ring;
//! - `soak [MINUTES [CAMERAS]]`: cameras that break off at random and come back (default 10 and 64); memory, descriptors and tasks each
//!   half minute. Exits with 1 if any grew after the first minute.
//!
//! The cameras are `simulator/crowd.py`'s: cheap ones, so that two cores carry them and what is measured.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod bench;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use bench::{Server, Watch, cpu_s, descriptors, resident, run_for, threads, watch};
use stopline_ingest::{Camera, RingLimits, handoff::Hub};

const MIB: f64 = (1 << 20) as f64;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: f64| arguments.get(at).map_or(default, |text| text.parse().expect("a number"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match arguments.first().map(String::as_str) {
        Some("receive") => runtime.block_on(receive(number(1, 375.0) as usize, number(2, 40.0))),
        Some("memory") => runtime.block_on(memory(number(1, 16.0) as usize)),
        Some("soak") => return runtime.block_on(soak(number(1, 10.0) * 60.0, number(2, 64.0) as usize)),
        _ => {
            println!("expected receive, memory or soak; see the head of examples/crowd.rs");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

async fn receive(count: usize, seconds: f64) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::crowd(&[("sub", &bench::sub_500k(dir.path()))], &[]);
    let empty = resident();
    let hub = Hub::new();
    let how = Watch { gate: false, decode: false, ring: RingLimits { seconds: 20.0, bytes: 8 << 20 } };
    let mut cameras = Vec::new();
    for n in 0..count {
        cameras.push(watch(&server.url(&format!("sub/{n}")), &format!("c{n}"), &how, &hub));
        if n % 25 == 24 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let full = |c: &Camera| c.evidence_ring().stats().seconds >= how.ring.seconds;
    while !cameras.iter().all(full) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let sum = |of: fn(&Camera) -> u64| cameras.iter().map(of).sum::<u64>();
    let bytes = |c: &Camera| c.status().counters.bytes_received;
    let before = (cpu_s("self"), server.cpu_s(), sum(bytes), Instant::now());
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    let wall_s = before.3.elapsed().as_secs_f64();
    println!("{count} streams, rings full, {wall_s:.0} s:");
    println!("  {:.0} kbit/s each", (sum(bytes) - before.2) as f64 * 8e-3 / wall_s / count as f64);
    println!(
        "  {:.3} core (the simulated cameras: {:.3})",
        (cpu_s("self") - before.0) / wall_s,
        (server.cpu_s() - before.1) / wall_s
    );
    let kept = sum(|c| c.evidence_ring().stats().bytes as u64);
    println!(
        "  resident {:.0} MiB, {:.0} MiB of it packets, {:.0} MiB before the first camera",
        resident() as f64 / MIB,
        kept as f64 / MIB,
        empty as f64 / MIB
    );
    println!(
        "  {} packets lost, {} reconnects, {} threads",
        sum(|c| c.status().counters.packets_lost),
        sum(|c| c.status().counters.reconnects),
        threads()
    );
    bench::stop(cameras).await;
}

async fn memory(count: usize) {
    let dir = tempfile::tempdir().unwrap();
    let main = dir.path().join("main.mp4").display().to_string();
    let encode = ["-an", "-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-g", "50", "-pix_fmt", "yuv420p"];
    let source = ["-i", "fixtures/junction_day/main.mp4", "-vf", "fps=25"];
    bench::ffmpeg(&[&source[..], &encode, &["-b:v", "4M", "-t", "12", &main]].concat());
    let server = Server::crowd(&[("main", &main), ("sub", "fixtures/junction_day/sub.mp4")], &[]);
    for (name, path) in [("1080p25", "main"), ("640x360 at 12.5", "sub")] {
        let hub = Hub::new();
        // A ring of next to nothing: its bytes are counted by its budget.
        let how = Watch { gate: false, decode: true, ring: RingLimits { seconds: 0.0, bytes: 1 } };
        let one = vec![watch(&server.url(&format!("{path}/first")), "first", &how, &hub)];
        run_for(&one, &hub, Duration::from_secs(10)).await;
        let before = resident();
        let more: Vec<Camera> =
            (0..count).map(|n| watch(&server.url(&format!("{path}/{n}")), &format!("c{n}"), &how, &hub)).collect();
        run_for(&more, &hub, Duration::from_secs(20)).await;
        let each = resident().saturating_sub(before) as f64 / MIB / count as f64;
        println!("{name}: {each:.1} MiB a decoded camera, its ring not counted ({count} cameras)");
        bench::stop(one).await;
        bench::stop(more).await;
    }
}

/// What must not grow.
struct Look {
    resident_mib: f64,
    descriptors: usize,
    threads: usize,
    tasks: usize,
}

impl Look {
    fn now() -> Self {
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        Self { resident_mib: resident() as f64 / MIB, descriptors: descriptors(), threads: threads(), tasks }
    }
}

async fn soak(seconds: f64, count: usize) -> ExitCode {
    let server = Server::crowd(&[("sub", "fixtures/junction_day/sub.mp4")], &["--break-every", "15"]);
    let hub = Hub::new();
    let how = Watch { gate: false, decode: true, ring: RingLimits { seconds: 5.0, bytes: 1 << 20 } };
    let cameras: Vec<Camera> =
        (0..count).map(|n| watch(&server.url(&format!("sub/{n}")), &format!("c{n}"), &how, &hub)).collect();
    println!("| s | online of {count} | reconnects | frames decoded | resident MiB | descriptors | threads | tasks |");
    println!("|---|---|---|---|---|---|---|---|");
    let began = Instant::now();
    let mut looks: Vec<Look> = Vec::new();
    let mut said_s = 0.0;
    while began.elapsed().as_secs_f64() < seconds {
        drop(hub.take(count, Duration::ZERO));
        tokio::time::sleep(Duration::from_millis(100)).await;
        let at = began.elapsed().as_secs_f64();
        if at < said_s + 30.0 {
            continue;
        }
        said_s = at;
        let online = cameras.iter().filter(|c| bench::is_running(c)).count();
        let of = |f: fn(&Camera) -> u64| cameras.iter().map(f).sum::<u64>();
        let (reconnects, decoded) =
            (of(|c| c.status().counters.reconnects), of(|c| c.status().counters.frames_decoded));
        let look = Look::now();
        println!(
            "| {at:.0} | {online} | {reconnects} | {decoded} | {:.1} | {} | {} | {} |",
            look.resident_mib, look.descriptors, look.threads, look.tasks
        );
        if at >= 60.0 {
            looks.push(look);
        }
    }
    assert_eq!(cameras.iter().map(Camera::panics).sum::<u64>(), 0);
    bench::stop(cameras).await;
    let end = Look::now();
    println!("after the stop: {} descriptors, {} threads, {} tasks", end.descriptors, end.threads, end.tasks);
    // Each breathes with the sessions that happen to stand; growth is what the later half has on top of the earlier one.
    let halves = looks.split_at(looks.len() / 2);
    let mean = |half: &[Look], of: fn(&Look) -> f64| half.iter().map(of).sum::<f64>() / half.len().max(1) as f64;
    let grew = |name: &str, of: fn(&Look) -> f64, most: f64| {
        let (early, late) = (mean(halves.0, of), mean(halves.1, of));
        println!("{name}: mean {early:.1} in the first half after the first minute, {late:.1} in the second");
        late > early * most
    };
    let grown = [
        grew("resident MiB", |l| l.resident_mib, 1.05),
        grew("descriptors", |l| l.descriptors as f64, 1.10),
        grew("threads", |l| l.threads as f64, 1.05),
        grew("tasks", |l| l.tasks as f64, 1.10),
    ];
    let flat = !grown.contains(&true);
    println!("{}", if flat { "nothing grew" } else { "IT GREW" });
    if flat { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
