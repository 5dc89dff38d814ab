//! How fast a model runs here: ONNX Runtime alone on a ready tensor, and stopline's whole way from a fitted picture to
//! detections, in turns within one run, so that both meet the same machine.
//!
//! `cargo run --release -p stopline-detect --example infer_rate -- [MODEL] [THREADS] [BATCH] [SECONDS] [PICTURE]`
//!
//! `PICTURE` (JPEG or PNG) is scaled to fit; without one the picture is noise, in which nothing is seen, so reading the
//! output costs less than on a road. Prints one JSON object. Needs `make setup`.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ort::{session::Session, value::TensorRef};
use stopline_detect::{
    inference::{Detector, DetectorOptions, Runtime},
    models::{Batch, Manifest},
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
    let batch = if entry.input.batch == Batch::One { 1 } else { batch };
    let frame = frame(picture.as_deref(), detector.input())?;
    let frames = vec![&frame; batch];

    // The same options as the detector's own session, set here by hand, so that neither can drift unseen.
    let environment = ort::environment::Environment::clone(runtime.environment());
    let mut raw = Session::builder(&environment)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .commit_from_file(model.path())?;
    let SizePx { w, h } = detector.input();
    let shape = [batch, 3, h as usize, w as usize];
    let ready = vec![0.5_f32; shape.iter().product()];

    let found = detector.detect(&frames)?[0].len();
    raw.run(ort::inputs![TensorRef::from_array_view((shape, &ready[..]))?])?;
    let (mut raw_time, mut our_time, mut runs) = (Duration::ZERO, Duration::ZERO, 0_u32);
    while runs == 0 || (raw_time + our_time).as_secs_f64() < seconds {
        let begun = Instant::now();
        drop(raw.run(ort::inputs![TensorRef::from_array_view((shape, &ready[..]))?])?);
        raw_time += begun.elapsed();
        let begun = Instant::now();
        detector.detect(&frames)?;
        our_time += begun.elapsed();
        runs += 1;
    }
    let pictures = f64::from(runs) * batch as f64;
    let fps = |time: Duration| pictures / time.as_secs_f64();
    let result = serde_json::json!({
        "raw_onnxruntime_fps": fps(raw_time),
        "stopline_fps": fps(our_time),
        "stopline_share": fps(our_time) / fps(raw_time),
        "model": detector.version(),
        "input": [w, h],
        "threads": threads,
        "batch": batch,
        "pictures": pictures,
        "detections_per_picture": found,
        "optimised_build": !cfg!(debug_assertions),
    });
    println!("{result}");
    Ok(())
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
        received: None,
    })
}
