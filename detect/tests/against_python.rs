//! The detector against the same model run and read by Python (`reference/detect.py`), picture by picture.
//! Needs `make setup` (`scripts/setup.sh --test`) and ffmpeg.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may end at once, and says what it skips")]

mod support;

use std::{path::Path, process::Command};

use stopline_detect::inference::{Detector, DetectorOptions};
use stopline_types::{Detection, Frame, SizePx};

use support::{cache, frame, model, root, runtime};

/// One of Python's: class, score, left, top, right, bottom.
type Theirs = (String, f32, f32, f32, f32, f32);

#[test]
fn hanoi_as_python_sees_it() {
    let clip = root("../shared/data/videos/hanoi_lythuongkiet_hangbai_16h30.mp4");
    if !clip.exists() {
        eprintln!("skipped: {} is not here", clip.display());
        return;
    }
    let size = SizePx { w: 640, h: 480 };
    let found = compare("nanodet-g", &clip, size, size, 24);
    assert!(found > 16 * 20, "{found} in 16 pictures of dense traffic");
    // Fitted into 416 × 416, the rest is padding.
    if cache().join("models/yolox_nano_416.onnx").exists() {
        compare("yolox-nano-416", &clip, SizePx { w: 416, h: 312 }, size, 48);
    } else {
        eprintln!("skipped: yolox-nano-416 is not in the cache");
    }
}

#[test]
fn the_drawn_junction_as_python_sees_it() {
    let clip = root("fixtures/junction_day/main.mp4");
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v", "-show_entries", "stream=width,height", "-of", "csv=p=0"])
        .arg(&clip)
        .output()
        .expect("ffprobe");
    let text = String::from_utf8(probe.stdout).unwrap();
    let sides: Vec<u32> = text.trim().split(',').map(|side| side.parse().unwrap()).collect();
    let source = SizePx { w: sides[0], h: sides[1] };
    compare("nanodet-g", &clip, source.fit(SizePx { w: 640, h: 480 }, false), source, 100);
}

/// Runs both over every `step`th picture and checks that they agree. Gives the number of detections.
fn compare(name: &str, clip: &Path, fitted: SizePx, source: SizePx, step: usize) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("frames.bgr24");
    decode(clip, fitted, step, &raw);
    let bytes = std::fs::read(&raw).unwrap();
    let pictures = bytes.chunks_exact(fitted.w as usize * fitted.h as usize * 3);
    let frames: Vec<Frame> = pictures.map(|data| frame(fitted, source, data.to_vec())).collect();
    assert!(frames.len() > 2, "{} pictures of {}", frames.len(), clip.display());

    let model = model(name);
    // In batches, where Python takes one at a time.
    let options = DetectorOptions { max_batch: 4, ..DetectorOptions::default() };
    let mut detector = Detector::new(&runtime(), &model, options).unwrap();
    let ours = detector.detect(&frames.iter().collect::<Vec<_>>()).unwrap();
    let theirs = python(name, model.path(), &raw, fitted, source);
    assert_eq!(ours.len(), theirs.len());
    for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        let place = format!("{name}, picture {number}: {ours:?} and {theirs:?}");
        assert_eq!(ours.len(), theirs.len(), "{place}");
        for theirs in theirs {
            assert!(ours.iter().any(|ours| same(ours, theirs)), "{theirs:?} is missing in {place}");
        }
    }
    let total = ours.iter().map(Vec::len).sum();
    eprintln!("{name}: {total} detections in {} pictures of {} agree", ours.len(), clip.display());
    total
}

/// Within a thousandth in score and a tenth of a pixel.
fn same(ours: &Detection, (class, score, left, top, right, bottom): &Theirs) -> bool {
    let b = &ours.bbox;
    let edges = [(b.x, left), (b.y, top), (b.right(), right), (b.bottom(), bottom)];
    ours.class.as_str() == class
        && (ours.score - score).abs() < 1e-3
        && edges.iter().all(|(ours, theirs)| (ours - **theirs).abs() < 0.1)
}

fn decode(clip: &Path, size: SizePx, step: usize, to: &Path) {
    let filter = format!("select=not(mod(n\\,{step})),scale={}:{}", size.w, size.h);
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(clip)
        .args(["-vf", &filter, "-fps_mode", "passthrough", "-pix_fmt", "bgr24", "-f", "rawvideo"])
        .arg(to)
        .status()
        .expect("ffmpeg");
    assert!(status.success(), "ffmpeg: {status}");
}

fn python(name: &str, model: &Path, frames: &Path, fitted: SizePx, source: SizePx) -> Vec<Vec<Theirs>> {
    let python = cache().join("venv/bin/python");
    let sides = [fitted.w, fitted.h, source.w, source.h].map(|side| side.to_string());
    let output = Command::new(&python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/detect.py"))
        .arg(root("models/manifest.toml"))
        .arg(name)
        .args([model, frames])
        .args(sides)
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}: run `make setup`", python.display()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\nno onnxruntime in {}? run `scripts/setup.sh --test`", python.display());
    serde_json::from_slice(&output.stdout).unwrap()
}
