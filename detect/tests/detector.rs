//! The detector on the real library and model. Needs `make setup`.
#![allow(clippy::unwrap_used, reason = "a test ends at once")]

mod support;

use std::path::Path;

use stopline_detect::{
    inference::{Detector, DetectorOptions, InferenceError, Runtime},
    models::{Batch, Head},
};
use stopline_types::{SizePx, VehicleClass};

use support::{cache, frame, manifest, model, runtime};

#[test]
fn an_empty_road_holds_nothing() {
    let mut detector = Detector::new(&runtime(), &model("nanodet-g"), DetectorOptions::default()).unwrap();
    assert_eq!(detector.input(), SizePx { w: 640, h: 480 });
    let grey = frame(SizePx { w: 640, h: 480 }, SizePx { w: 640, h: 480 }, vec![128; 640 * 480 * 3]);
    let small = frame(SizePx { w: 64, h: 48 }, SizePx { w: 1920, h: 1080 }, vec![90; 64 * 48 * 3]);
    let found = detector.detect(&[&grey, &small, &grey]).unwrap();
    assert_eq!(found, vec![vec![], vec![], vec![]]);
}

#[test]
fn pictures_that_do_not_fit_are_named() {
    let mut detector = Detector::new(&runtime(), &model("nanodet-g"), DetectorOptions::default()).unwrap();
    let size = SizePx { w: 641, h: 480 };
    let too_wide = frame(size, size, vec![0; 641 * 480 * 3]);
    let error = detector.detect(&[&too_wide]).unwrap_err();
    assert!(matches!(error, InferenceError::Picture { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("cam-1") && text.contains("641×480") && text.contains("640×480"), "{text}");
    let size = SizePx { w: 64, h: 48 };
    for short in [vec![0; 64 * 48 * 3 - 1], Vec::new()] {
        assert!(matches!(detector.detect(&[&frame(size, size, short)]), Err(InferenceError::Picture { .. })));
    }
    let none = SizePx { w: 0, h: 0 };
    assert!(matches!(detector.detect(&[&frame(none, size, Vec::new())]), Err(InferenceError::Picture { .. })));
}

#[test]
fn a_graph_that_is_not_the_manifests_is_refused() {
    let runtime = runtime();
    let refuse = |change: &dyn Fn(&mut stopline_detect::models::ModelEntry)| {
        let mut entry = manifest().get("nanodet-g").unwrap().clone();
        change(&mut entry);
        let model = entry.locate(&[cache().join("models")]).unwrap();
        Detector::new(&runtime, &model, DetectorOptions::default()).unwrap_err().to_string()
    };
    let error = refuse(&|entry| (entry.input.size, entry.input.step) = (SizePx { w: 320, h: 224 }, None));
    assert!(error.contains("the input") && error.contains("224") && error.contains("images"), "{error}");
    let error = refuse(&|entry| entry.head = Head::Yolox { strides: vec![8, 16, 32], classes: 80 });
    assert!(error.contains("the output") && error.contains("124") && error.contains("85"), "{error}");
    let error = refuse(&|entry| entry.input.tensor = "picture".into());
    assert!(error.contains("picture") && error.contains("images"), "{error}");
    let error = refuse(&|entry| {
        entry.input.batch = match entry.input.batch {
            Batch::One => Batch::Dynamic,
            Batch::Dynamic => Batch::One,
        };
    });
    assert!(error.contains("the input"), "{error}");
}

#[test]
fn bytes_that_are_no_model_are_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut entry = manifest().get("nanodet-g").unwrap().clone();
    std::fs::write(dir.path().join(&entry.file), b"hello").unwrap();
    entry.sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824".into();
    let model = entry.locate(&[dir.path()]).unwrap();
    let error = Detector::new(&runtime(), &model, DetectorOptions::default()).unwrap_err();
    assert!(matches!(error, InferenceError::Engine { .. }), "{error}");
}

#[test]
fn a_library_that_is_missing_or_another_is_named() {
    let error = Runtime::load(Path::new("/nonexistent/libonnxruntime.so")).unwrap_err();
    assert!(error.to_string().contains("make setup"), "{error}");
    runtime();
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("libonnxruntime.so");
    std::fs::write(&other, b"").unwrap();
    assert!(matches!(Runtime::load(&other), Err(InferenceError::LibraryFixed { .. })));
}

#[test]
fn boxes_lie_in_the_frame() {
    let mut detector = Detector::new(
        &runtime(),
        &model("nanodet-g"),
        DetectorOptions { confidence: Some(0.02), ..DetectorOptions::default() },
    )
    .unwrap();
    // Noise with a low confidence gives many boxes, most of them at the edges.
    let (size, source) = (SizePx { w: 640, h: 360 }, SizePx { w: 1920, h: 1080 });
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let noise = frame(size, source, noise.take(640 * 360 * 3).collect());
    let found = detector.detect(&[&noise]).unwrap().remove(0);
    assert!(!found.is_empty());
    assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
    for detection in &found {
        assert!(VehicleClass::ALL.contains(&detection.class));
        let b = detection.bbox;
        assert!(b.x >= 0.0 && b.y >= 0.0 && b.right() <= 1920.01 && b.bottom() <= 1080.01 && b.w > 0.0 && b.h > 0.0);
    }
}
