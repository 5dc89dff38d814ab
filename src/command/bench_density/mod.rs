//! `stopline bench density`: what a camera takes of the whole engine, by stage, beside the shape of the usual pipeline.
//!
//! Ours is the engine as it runs, a child process with its own store, on cameras of `simulator/crowd.py`: a small stream analysed
//! at five frames a second, the large one kept for evidence, the gate on. Beside it, afterwards on the same small stream, the shape
//! of Frigate: one `ffmpeg` for each camera down to five frames a second in the detector's own size, and one call of the same
//! model for each frame; no tracker, no rules, no store, no ring.
//!
//! Figures are CPU time by seconds of film that came, so that a machine with other work gives the same ones. How many cameras
//! two cores carry follows from them; memory may be the limit before.

mod ours;
mod theirs;

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::Context as _;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;

use super::{say, say_json};
use crate::{Outcome, cli::DensityArgs, config::EngineConfig};

/// Frames a second that each camera is looked at.
const ANALYSED_FPS: f64 = 5.0;
/// Frames a second of both streams of a simulated camera.
const STREAM_FPS: f64 = 12.5;
const CORES: f64 = 2.0;

/// What one kind of road takes.
#[derive(Debug, Serialize)]
struct Road {
    road: &'static str,
    cameras: usize,
    /// Cores a camera, by stage.
    stages: Vec<(&'static str, f64)>,
    /// Cores a camera, all of it.
    ours: f64,
    /// Frames of a camera to be looked at in a second of film: what the figures are for.
    asked_fps: f64,
    /// Of those, looked at; less where the machine had other work.
    analysed_fps: f64,
    /// Share of the frames of the analysed stream left undecoded by the gate.
    gated: f64,
    /// Resident memory of the engine and its store, MiB.
    resident_mib: f64,
    /// Cores a camera of the usual pipeline: decoding, model.
    theirs_decode: f64,
    theirs_model: f64,
    /// Cameras that two cores carry, by these figures.
    ours_on_two_cores: f64,
    theirs_on_two_cores: f64,
}

pub(super) fn run(args: &DensityArgs, config: &EngineConfig) -> anyhow::Result<Outcome> {
    let dir = tempfile::tempdir()?;
    let quiet = still(dir.path())?;
    let busy = ["fixtures/junction_day/main.mp4".to_owned(), "fixtures/junction_day/sub.mp4".to_owned()];
    let mut roads = Vec::new();
    for (road, [main, sub]) in [("busy", busy), ("quiet", quiet)] {
        let crowd = Crowd::start(&main, &sub)?;
        let own = ours::measure(args, &crowd, dir.path(), road)?;
        let theirs = theirs::measure(args, &crowd, config)?;
        let all: f64 = own.stages.iter().map(|(_, cores)| cores).sum();
        roads.push(Road {
            road,
            cameras: args.cameras,
            ours: all,
            asked_fps: own.asked_fps,
            analysed_fps: own.analysed_fps,
            gated: own.gated,
            resident_mib: own.resident_mib,
            stages: own.stages,
            theirs_decode: theirs.decode,
            theirs_model: theirs.model,
            ours_on_two_cores: CORES / all,
            theirs_on_two_cores: CORES / (theirs.decode + theirs.model),
        });
    }
    if args.json {
        say_json(&roads)?;
    } else {
        say(table(&roads))?;
    }
    Ok(Outcome::Success)
}

fn table(roads: &[Road]) -> String {
    let mut text = String::new();
    for road in roads {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        table.set_header([format!("{} road, cores a camera", road.road), String::new()]);
        for (stage, cores) in &road.stages {
            table.add_row([(*stage).to_owned(), format!("{cores:.4}")]);
        }
        table.add_row(["stopline, all of it".to_owned(), format!("{:.4}", road.ours)]);
        table.add_row(["ffmpeg to five frames a second".to_owned(), format!("{:.4}", road.theirs_decode)]);
        table.add_row(["the model, once a frame".to_owned(), format!("{:.4}", road.theirs_model)]);
        let ratio = road.ours_on_two_cores / road.theirs_on_two_cores;
        text += &format!(
            "{table}\n{} cameras, each to be looked at {:.1} times a second (this machine managed {:.1}), {:.0} % of the frames left undecoded, {:.0} MiB resident\n\
             two cores carry {:.0} cameras of ours and {:.0} of the other: {ratio:.1} times\n\n",
            road.cameras,
            road.asked_fps,
            road.analysed_fps,
            road.gated * 100.0,
            road.resident_mib,
            road.ours_on_two_cores,
            road.theirs_on_two_cores,
        );
    }
    text.trim_end().to_owned()
}

/// The simulated cameras.
struct Crowd {
    child: Child,
    port: u64,
}

impl Crowd {
    fn start(main: &str, sub: &str) -> anyhow::Result<Self> {
        let mut command = Command::new("/usr/bin/python3");
        command.args(["simulator/crowd.py", "--clip", &format!("main={main}"), "--clip", &format!("sub={sub}")]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("/usr/bin/python3: the simulated cameras need Debian's python3 (run `make setup`)")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("piped")?).read_line(&mut line)?;
        let ready: Option<serde_json::Value> = serde_json::from_str(&line).ok();
        let port = ready.and_then(|ready| ready["port"].as_u64());
        let this = Self { child, port: port.unwrap_or_default() };
        port.context("the simulated cameras did not start (run the bench in the checkout)")?;
        Ok(this)
    }

    fn url(&self, stream: &str, camera: usize) -> String {
        format!("rtsp://127.0.0.1:{}/{stream}/{camera}", self.port)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

/// A road on which nothing happens: the junction's first picture under a sensor's noise, large and small.
fn still(dir: &Path) -> anyhow::Result<[String; 2]> {
    let mut made = Vec::new();
    for (name, last) in [("main", ""), ("sub", ",scale=640:360")] {
        let path = |what: &str| dir.join(format!("{name}{what}.mp4")).display().to_string();
        let (settling, still) = (path("-settling"), path(""));
        let noise = "trim=end_frame=1,loop=-1:1,scale=1920:1080,fps=12.5,noise=alls=10:allf=t";
        let filter = format!("{noise}{last}");
        let encode = ["-an", "-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-g", "25", "-pix_fmt", "yuv420p"];
        let source = ["-i", "fixtures/junction_day/main.mp4", "-vf", &filter];
        ffmpeg(&[&source[..], &encode, &["-crf", "26", "-t", "28", &settling]].concat())?;
        // The first seconds, in which the encoder settles, would look like an event at each turn of the loop.
        ffmpeg(&["-ss", "4", "-i", &settling, "-c", "copy", &still])?;
        made.push(still);
    }
    made.try_into().map_err(|_| anyhow::anyhow!("two clips"))
}

fn ffmpeg(arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments).status().context("ffmpeg")?;
    anyhow::ensure!(status.success(), "ffmpeg: {status}");
    Ok(())
}

/// CPU time of a thread or process by its folder in /proc, and its name.
fn cpu_s(folder: &Path) -> Option<(String, f64)> {
    /// What the kernel counts in on every Linux there is (`getconf CLK_TCK`).
    const TICKS_PER_S: f64 = 100.0;
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    let (head, rest) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let ticks: f64 = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    Some((name, ticks / TICKS_PER_S))
}

fn process_cpu_s(pid: u32) -> f64 {
    cpu_s(Path::new(&format!("/proc/{pid}"))).map_or(0.0, |(_, s)| s)
}
