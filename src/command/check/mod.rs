//! `stopline check`: is everything there, does every camera answer, will the machine carry the load?
//!
//! Each part is tried for real: the detector runs on a grey picture, the store answers a query, each camera is
//! connected to. A table says what was found; the exit code is 1 if anything is at fault.

mod cameras;
mod parts;

use std::{path::Path, time::Duration};

use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;

use super::{say, say_json};
use crate::{Outcome, config::Config};

/// What was found out.
#[derive(Debug, Serialize)]
struct Report {
    good: bool,
    parts: Vec<parts::Part>,
    cameras: Vec<cameras::Probed>,
    load: Option<Load>,
}

/// What the cameras ask of the detector against what it can do.
#[derive(Debug, Serialize)]
struct Load {
    /// Frames a second that all cameras together would have looked at.
    asked_fps: f64,
    /// Frames a second that this machine's workers can look at, from a measured run.
    possible_fps: f64,
    /// Cores that decoding and looking at them all would take.
    expected_cores: f64,
    /// Frames a second that each camera gets when the asked rate is too much.
    each_fps: f64,
}

pub(crate) fn run(dir: &Path, offline: bool, timeout_s: f64, json: bool) -> anyhow::Result<Outcome> {
    let config = Config::load(dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (mut parts, inference) = parts::local(&config);
    parts.extend(parts::bucket(&config));
    parts.push(runtime.block_on(parts::store(&config)));
    let mut probed = if offline {
        Vec::new()
    } else {
        runtime.block_on(cameras::probe_all(&config, Duration::from_secs_f64(timeout_s.clamp(0.5, 120.0))))
    };
    if let Some(inference) = inference {
        cameras::estimate(&mut probed, config.engine.detector.max_fps, inference);
    }
    let load = inference.map(|inference| load(&config, inference, &probed));
    let good = parts.iter().all(|part| part.good) && probed.iter().all(|camera| camera.good);
    let report = Report { good, parts, cameras: probed, load };
    if json {
        say_json(&report)?;
    } else {
        say(render(&report, &config, offline))?;
    }
    Ok(Outcome::of(report.good))
}

fn load(config: &Config, inference: Duration, probed: &[cameras::Probed]) -> Load {
    let most = config.engine.detector.max_fps;
    let rate = |id: &str| {
        let analysed = probed.iter().find(|p| p.camera == id && p.analysed).and_then(|p| p.fps);
        analysed.unwrap_or(most).min(most)
    };
    let asked_fps: f64 =
        config.cameras.iter().filter(|camera| camera.enabled).map(|camera| rate(camera.id.as_str())).sum();
    let possible_fps = config.engine.workers() as f64 / inference.as_secs_f64().max(1e-6);
    let share = if asked_fps > possible_fps { possible_fps / asked_fps } else { 1.0 };
    let each_fps = asked_fps * share / config.cameras.len().max(1) as f64;
    let expected_cores = probed.iter().filter_map(|p| p.expected_cores).sum();
    Load { asked_fps, possible_fps, expected_cores, each_fps }
}

fn render(report: &Report, config: &Config, offline: bool) -> String {
    let mut parts = Table::new();
    parts.load_style(UTF8_BORDERS_ONLY);
    parts.set_header(["part", "state", "what"]);
    for part in &report.parts {
        parts.add_row([part.name, if part.good { "good" } else { "FAULT" }, part.says.as_str()]);
    }
    let mut text = parts.to_string();
    if config.cameras.is_empty() {
        text += &format!("\n\nno cameras in {}", config.dir.join("cameras").display());
    } else if offline {
        text += &format!("\n\n{} cameras in order on paper; not connected to (--offline)", config.cameras.len());
    } else {
        text += "\n\n";
        text += &cameras::table(&report.cameras);
    }
    if let Some(load) = &report.load
        && !config.cameras.is_empty()
    {
        text += &format!(
            "\n\nload: the cameras ask for {:.0} frames/s, this machine can look at {:.0}: each camera gets {:.1}",
            load.asked_fps, load.possible_fps, load.each_fps
        );
        if load.expected_cores > 0.0 {
            let has = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            text += &format!(
                "; all that was asked for, of the cameras that answer: {:.1} cores of {has}",
                load.expected_cores
            );
        }
    }
    text + if report.good { "\ngood" } else { "\nnot good: see FAULT above" }
}
