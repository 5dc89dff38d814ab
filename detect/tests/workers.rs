//! Workers with real detectors, on a model so small that what it must see is known: `tiny.onnx`, made by
//! `reference/tiny_model.py`. Needs `make setup`.
#![allow(clippy::unwrap_used, reason = "a test ends at once")]

mod support;

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use stopline_detect::{
    inference::{Detector, DetectorOptions, InferenceError},
    models::{Manifest, VerifiedModel},
    workers::{Looked, Workers},
};
use stopline_types::{BoxPx, Detection, Frame, SizePx, VehicleClass};

use support::{frame, runtime};

const MANIFEST: &str = r#"
default = "tiny"
[[model]]
name = "tiny"
file = "tiny.onnx"
sha256 = "e47b7f1f6ba147f818bed18a56866dcf05e9cedeb937a41cbbef7488892f44f3"
licence = "Apache-2.0"
notice = "none"
source = "none"
made = "reference/tiny_model.py"
origin = { script = "none" }
input = { tensor = "images", size = [32, 32], colour = "bgr", mean = [0, 0, 0], std = [1, 1, 1], place = "top_left", pad = 200, batch = "dynamic" }
head = { kind = "yolox", strides = [8, 16, 32], classes = 1 }
confidence = 0.5
nms = { iou = 0.5 }
classes = { truck = [0] }
"#;

fn tiny() -> VerifiedModel {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let manifest = Manifest::parse(MANIFEST, Path::new("tiny.toml")).unwrap();
    manifest.get("tiny").unwrap().locate(&[dir]).unwrap()
}

fn detector(max_batch: usize) -> Detector {
    Detector::new(&runtime(), &tiny(), DetectorOptions { max_batch, ..DetectorOptions::default() }).unwrap()
}

/// A whole picture of one brightness from a frame of 320×320.
fn picture(seq: u64, brightness: u8) -> Frame {
    let frame = frame(SizePx { w: 32, h: 32 }, SizePx { w: 320, h: 320 }, vec![brightness; 32 * 32 * 3]);
    Frame { seq, ..frame }
}

fn seen() -> Detection {
    Detection { class: VehicleClass::Truck, score: 0.72, bbox: BoxPx::from([40.0, 80.0, 160.0, 80.0]) }
}

fn same(found: &[Detection]) -> bool {
    let close = |a: f32, b: f32| (a - b).abs() < 1e-3;
    let [found] = found else { return false };
    let (got, want): ([f32; 4], [f32; 4]) = (found.bbox.into(), seen().bbox.into());
    found.class == seen().class && close(found.score, 0.72) && got.iter().zip(want).all(|(a, b)| close(*a, b))
}

#[test]
fn the_box_is_where_the_rows_say() {
    let (bright, dark) = (picture(0, 200), picture(1, 10));
    let mut detector = detector(4);
    let found = detector.detect(&[&bright; 6]).unwrap();
    assert_eq!(found.len(), 6);
    assert!(found.iter().all(|found| same(found)), "{found:?}");
    let error = detector.detect(&[&bright, &dark]).unwrap_err();
    assert!(matches!(error, InferenceError::NotFinite { seq: 1, .. }), "{error}");
    assert!(same(&detector.detect(&[&bright]).unwrap()[0]), "the detector goes on");
}

struct Owned(Frame);

impl AsRef<Frame> for Owned {
    fn as_ref(&self) -> &Frame {
        &self.0
    }
}

#[test]
fn frames_that_cannot_be_judged_are_counted_and_the_others_pass() {
    // Every tenth is dark, one does not fit.
    let frames: Vec<_> = (0..50).map(|seq| picture(seq, if seq % 10 == 3 { 10 } else { 200 })).collect();
    let wide = frame(SizePx { w: 33, h: 32 }, SizePx { w: 33, h: 32 }, vec![200; 33 * 32 * 3]);
    let waiting = Mutex::new(frames.into_iter().chain([wide]).map(Owned).collect::<Vec<_>>());
    let take = move |max: usize| {
        let mut waiting = waiting.lock().unwrap();
        let count = waiting.len().min(max);
        (count > 0).then(|| waiting.drain(..count).collect::<Vec<_>>())
    };
    let emitted = Arc::new(Mutex::new(Vec::new()));
    let emit = {
        let emitted = emitted.clone();
        move |frame: &Owned, found: Vec<Detection>, _: Looked| emitted.lock().unwrap().push((frame.0.seq, found))
    };
    let workers =
        Workers::start(vec![detector(4).into(), detector(4).into()], take, |_: &Owned, found| found, emit).unwrap();
    let stats = workers.join();
    let emitted = emitted.lock().unwrap();
    assert_eq!(emitted.len(), 45);
    assert!(emitted.iter().all(|(seq, found)| seq % 10 != 3 && same(found)));
    assert_eq!((stats.frames, stats.detections, stats.errors, stats.panics), (45, 45, 6, 0));
    assert!(!stats.inference.is_zero() && stats.batch_sizes[3] > 0, "{stats:?}");
}
