//! How fast a model runs here: ONNX Runtime alone on a ready tensor, and stopline's whole way from a fitted picture to
//! detections, with the same session and in turns, so that both meet the same machine.
//!
//! `cargo run --release -p stopline-detect --example infer_rate -- [MODEL] [THREADS] [BATCH] [SECONDS] [PICTURE]`
//!
//! `PICTURE` (JPEG or PNG) is scaled to fit; without one the picture is noise, in which nothing is seen, so reading the
//! output costs less than on a road. Prints one JSON object; both rates are of the median run. Needs `make setup`.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use stopline_detect::{
    inference::{Detector, DetectorOptions, InferenceError, Runtime},
    models::Manifest,
};
use stopline_types::{BgrImage, CameraId, CaptureTime, Frame, SizePx, StreamRole, TimeSource, UtcUs};

type Failure = Box<dyn std::error::Error>;

#[allow(clippy::print_stdout, reason = "a program's result")]
fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let manifest = Manifest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/manifest.toml"))?;
    let name = args.next().unwrap_or_else(|| manifest.default_name().to_owned());
    let threads: usize = args.next().as_deref().unwrap_or("1").parse()?;
    let batch: usize = args.next().as_deref().unwrap_or("1").parse()?;
    let seconds: f64 = args.next().as_deref().unwrap_or("10").parse()?;
    let picture = args.next();

    let cache = cache()?;
    let runtime = Runtime::load(&cache.join("lib/libonnxruntime.so"))?;
    let entry = manifest.get(&name)?;
    let model = entry.locate(&[cache.join("models")])?;
    let mut detector =
        Detector::new(&runtime, &model, DetectorOptions { threads, max_batch: batch, confidence: None })?;
    let batch = detector.batch();
    let frame = frame(picture.as_deref(), detector.input())?;
    let frames = vec![&frame; batch];

    let found = detector.detect(&frames)?[0].len();
    detector.run_alone()?;
    let (begun, mut raw, mut whole) = (Instant::now(), Vec::new(), Vec::new());
    while raw.is_empty() || begun.elapsed().as_secs_f64() < seconds {
        raw.push(timed(|| detector.run_alone())?);
        whole.push(timed(|| detector.detect(&frames).map(drop))?);
    }
    let (runs, raw, whole) = (raw.len(), median(raw), median(whole));
    let fps = |time: Duration| batch as f64 / time.as_secs_f64();
    let result = serde_json::json!({
        "raw_onnxruntime_fps": fps(raw),
        "stopline_fps": fps(whole),
        "stopline_share": fps(whole) / fps(raw),
        "model": detector.version(),
        "input": detector.input(),
        "threads": threads,
        "batch": batch,
        "runs": runs,
        "detections_per_picture": found,
        "optimised_build": !cfg!(debug_assertions),
    });
    println!("{result}");
    Ok(())
}

fn timed(run: impl FnOnce() -> Result<(), InferenceError>) -> Result<Duration, InferenceError> {
    let begun = Instant::now();
    run()?;
    Ok(begun.elapsed())
}

/// Of the runs, because whatever else the machine does only ever adds time.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn cache() -> Result<PathBuf, Failure> {
    if let Some(dir) = std::env::var_os("STOPLINE_CACHE") {
        return Ok(dir.into());
    }
    Ok(std::env::home_dir().ok_or("no home folder; set STOPLINE_CACHE")?.join(".cache/stopline"))
}

fn frame(path: Option<&str>, input: SizePx) -> Result<Frame, Failure> {
    let (source, size, data) = match path {
        Some(path) => {
            let picture = image::open(path)?.to_rgb8();
            let source = SizePx { w: picture.width(), h: picture.height() };
            let size = source.fit(input, true);
            let fitted = image::imageops::resize(&picture, size.w, size.h, image::imageops::FilterType::Triangle);
            (source, size, fitted.pixels().flat_map(|p| [p.0[2], p.0[1], p.0[0]]).collect())
        }
        None => {
            let mut state = 1_u32;
            let noise = std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            });
            (input, input, noise.take(input.w as usize * input.h as usize * 3).collect())
        }
    };
    Ok(Frame {
        camera: CameraId::new("bench")?,
        role: StreamRole::Sub,
        seq: 0,
        time: CaptureTime { utc: UtcUs(0), error_ms: None, source: TimeSource::FileNominal },
        media_s: 0.0,
        source,
        image: BgrImage { size, data },
        crops: Vec::new(),
        part: None,
        received: None,
    })
}
