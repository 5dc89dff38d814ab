//! `stopline bench`: what this machine does, with the limit beside it in the same run.
//!
//! The limits are the libraries alone: FFmpeg decoding and nothing else, ONNX Runtime on a ready tensor and nothing
//! else. Rounds are interleaved, so that a machine whose speed drifts does not favour one side; figures are medians.

use std::time::Instant;

use anyhow::Context as _;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;
use stopline_detect::{analyze::Analyzer, inference::Detector, scene::Scene};
use stopline_ingest::{AnalysePlan, RingLimits, replay::FileCamera};
use stopline_types::{CameraId, Frame};

use super::{say, say_json};
use crate::{
    Outcome,
    cli::{BenchArgs, BenchOf},
    config::EngineConfig,
    engine::detection,
};

/// Frames that the inference rounds look at.
const FRAMES: usize = 60;

/// Medians over the rounds, frames a second on one thread unless said otherwise.
#[derive(Debug, Serialize)]
struct Figures {
    clip: String,
    model: String,
    rounds: u32,
    /// FFmpeg alone: decode, no scaling.
    raw_decode_fps: f64,
    /// Our decode: into the ring, decoded, scaled to the detector's input.
    decode_fps: f64,
    /// ONNX Runtime alone on a ready tensor.
    raw_inference_fps: f64,
    /// Our detector: preprocessing, inference, decoding the head, NMS.
    detect_fps: f64,
    /// Our detector, tracker and rules.
    analyse_fps: f64,
    /// Median of the rounds' ratios.
    decode_of_raw: f64,
    /// Median of the rounds' ratios.
    detect_of_raw: f64,
}

#[derive(Default)]
struct Rounds {
    raw_decode: Vec<f64>,
    decode: Vec<f64>,
    raw_inference: Vec<f64>,
    detect: Vec<f64>,
    analyse: Vec<f64>,
}

pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<Outcome> {
    let config = match crate::config::Config::load(&args.config.dir) {
        Ok(config) => config.engine,
        Err(_) => EngineConfig::load(&std::env::temp_dir())?,
    };
    match &args.of {
        Some(BenchOf::DetectorRecall(recall)) => return super::detector_recall::run(recall, &config),
        Some(BenchOf::Plates(plates)) => return super::bench_plates::run(plates, &config),
        Some(BenchOf::Pages(pages)) => return super::bench_pages::run(pages),
        Some(BenchOf::Density(density)) => return super::bench_density::run(density, &config),
        None => {}
    }
    let mut detector = detection::detectors(&config, 1)?.pop().context("no detector")?;
    let mut rounds = Rounds::default();
    for _ in 0..args.rounds.max(1) {
        rounds.raw_decode.push(rate(|| Ok(stopline_ingest::decode_alone(&args.clip)?))?);
        let mut frames = Vec::new();
        rounds.decode.push(rate(|| decode(args, &detector, &mut frames))?);
        rounds.raw_inference.push(rate(|| alone(&mut detector))?);
        rounds.detect.push(rate(|| detect(&mut detector, &frames, None))?);
        let mut analyzer = analyzer(&detector)?;
        rounds.analyse.push(rate(|| detect(&mut detector, &frames, Some(&mut analyzer)))?);
    }
    let ratio = |ours: &[f64], limit: &[f64]| median(ours.iter().zip(limit).map(|(a, b)| a / b).collect());
    let figures = Figures {
        clip: args.clip.display().to_string(),
        model: detector.version().to_owned(),
        rounds: args.rounds.max(1),
        decode_of_raw: ratio(&rounds.decode, &rounds.raw_decode),
        detect_of_raw: ratio(&rounds.detect, &rounds.raw_inference),
        raw_decode_fps: median(rounds.raw_decode),
        decode_fps: median(rounds.decode),
        raw_inference_fps: median(rounds.raw_inference),
        detect_fps: median(rounds.detect),
        analyse_fps: median(rounds.analyse),
    };
    if args.json {
        say_json(&figures)?
    } else {
        say(table(&figures))?
    }
    Ok(Outcome::Success)
}

fn alone(detector: &mut Detector) -> anyhow::Result<usize> {
    for _ in 0..FRAMES / detector.batch() {
        detector.run_alone()?;
    }
    Ok(FRAMES / detector.batch() * detector.batch())
}

/// Units of work a second; `work` gives how many it did.
fn rate(work: impl FnOnce() -> anyhow::Result<usize>) -> anyhow::Result<f64> {
    let began = Instant::now();
    let done = work()?;
    Ok(done as f64 / began.elapsed().as_secs_f64())
}

fn decode(args: &BenchArgs, detector: &Detector, kept: &mut Vec<Frame>) -> anyhow::Result<usize> {
    // No limit on the rate: every frame of the clip is scaled.
    let plan = AnalysePlan { fit: detector.input(), max_fps: 1000.0, crops: Vec::new(), region: None };
    let limits = RingLimits { seconds: 20.0, bytes: 64 << 20 };
    let mut file = FileCamera::open(&args.clip, CameraId::new("bench")?, None, plan, limits)?;
    let mut frames = 0;
    while let Some(frame) = file.next()? {
        frames += 1;
        if kept.len() < FRAMES {
            kept.push(frame);
        }
    }
    Ok(frames)
}

fn detect(detector: &mut Detector, frames: &[Frame], mut then: Option<&mut Analyzer>) -> anyhow::Result<usize> {
    for frame in frames {
        let found = detector.detect(&[frame])?.pop().context("the detector gave no result")?;
        if let Some(analyzer) = &mut then {
            analyzer.observe(frame, found);
        }
    }
    Ok(frames.len())
}

fn analyzer(detector: &Detector) -> anyhow::Result<Analyzer> {
    let text = include_str!("../../config/examples/junction_day/cameras/junction_day.toml");
    let file: crate::config::CameraFile = toml::from_str(text).context("the junction's camera file")?;
    let scene = Scene::resolve(&file.scene.context("the junction has no scene")?);
    let scene = scene.map_err(|faults| anyhow::anyhow!("the junction's scene: {faults:?}"))?;
    Ok(Analyzer::new(CameraId::new("bench")?, Some(scene.into()), detection::law()?, detector.version().to_owned()))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn table(figures: &Figures) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["one thread", "frames/s", "of the limit"]);
    let f = figures;
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    table.add_row(["FFmpeg alone: decode".to_owned(), format!("{:.0}", f.raw_decode_fps), "limit".into()]);
    table.add_row([
        "stopline: ring, decode, scale".to_owned(),
        format!("{:.0}", f.decode_fps),
        percent(f.decode_of_raw),
    ]);
    table.add_row(["ONNX Runtime alone".to_owned(), format!("{:.1}", f.raw_inference_fps), "limit".into()]);
    table.add_row(["stopline: detector".to_owned(), format!("{:.1}", f.detect_fps), percent(f.detect_of_raw)]);
    table.add_row(["stopline: detector, tracker, rules".to_owned(), format!("{:.1}", f.analyse_fps), String::new()]);
    format!("{table}\n{}, {}, medians of {} rounds", f.clip, f.model, f.rounds)
}
