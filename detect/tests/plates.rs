//! Plate models so small that what they must see is known: made by `reference/tiny_plates.py`. Needs `make setup`.
#![allow(clippy::unwrap_used, reason = "a test ends at once")]

mod support;

use std::{path::Path, sync::Arc};

use stopline_detect::{
    inference::{Detector, DetectorOptions, InferenceError, PlateLocator, PlateReader},
    models::{Head, Manifest, ModelError, VerifiedModel},
    plate::{Grammar, PlateEye},
};
use stopline_types::{BgrImage, BoxPx, PlateColour, PlateKind, SizePx, VehicleClass};

use support::runtime;

const MANIFEST: &str = include_str!("tiny_plates.toml");

fn model(text: &str, name: &str) -> VerifiedModel {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let manifest = Manifest::parse(text, Path::new("tiny.toml")).unwrap();
    manifest.get(name).unwrap().locate(&[dir]).unwrap()
}

fn eye() -> PlateEye {
    let locator = PlateLocator::new(&runtime(), &model(MANIFEST, "tiny-locator")).unwrap();
    let reader = PlateReader::new(&runtime(), &model(MANIFEST, "tiny-reader")).unwrap();
    PlateEye::new(locator, reader, Arc::new(Grammar::built_in().unwrap()))
}

fn picture(w: u32, h: u32, level: u8) -> BgrImage {
    BgrImage { size: SizePx { w, h }, data: vec![level; (w * h * 3) as usize] }
}

#[test]
fn a_plate_is_located_read_and_judged() {
    let mut eye = eye();
    // 128 × 64 lies in the middle of the 64 × 64 input at half its size, 16 rows down.
    let found = eye.look(&[&picture(128, 64, 200), &picture(64, 64, 200)]).unwrap();
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(found[0][0].bbox, BoxPx::from([64.0, 28.0, 48.0, 24.0]));
    assert_eq!(found[1][0].bbox, BoxPx::from([32.0, 30.0, 24.0, 12.0]));
    let look = &found[0][0].look;
    assert_eq!((look.text().as_str(), look.lines, look.colour), ("59S106865", Some(2), Some(PlateColour::White)));
    let read = eye.judge(std::slice::from_ref(look), Some(VehicleClass::Motorcycle)).unwrap();
    assert_eq!((read.display.as_str(), read.kind, read.sure), ("59-S1 068.65", Some(PlateKind::MotoLd5), true));
    assert!(read.model.starts_with("tiny-locator@") && read.model.contains("+tiny-reader@"), "{}", read.model);
    assert!(eye.judge(std::slice::from_ref(look), Some(VehicleClass::Car)).unwrap().class_mismatch);
    assert!(eye.look(&[]).unwrap().is_empty());
}

#[test]
fn a_small_picture_may_be_a_plate_alone_and_a_large_one_is_looked_at_in_tiles() {
    let mut eye = eye();
    let own = eye.look_closely(&picture(150, 75, 200)).unwrap();
    assert_eq!(own.len(), 1, "what was found in it is not the whole of it: {own:?}");
    let many = eye.look_closely(&picture(640, 360, 200)).unwrap();
    assert!(many.len() > 3, "one in each tile, and none twice: {}", many.len());
    for (at, a) in many.iter().enumerate() {
        assert!(many[..at].iter().all(|b| a.bbox.iou(&b.bbox) < 0.3));
    }
}

#[test]
fn numbers_that_are_none_are_an_error_that_names_the_output() {
    let mut eye = eye();
    let error = eye.look(&[&picture(64, 64, 200), &picture(64, 64, 10)]).unwrap_err();
    let InferenceError::PlateNotFinite { tensor: "map", index: 1, pictures: 2, .. } = &error else { panic!("{error}") };
    let mut reader = PlateReader::new(&runtime(), &model(MANIFEST, "tiny-reader")).unwrap();
    let error = reader.read(&[vec![10.0; 96 * 48]]).unwrap_err().to_string();
    assert!(error.contains("logits") && error.contains("tiny-reader@"), "{error}");
}

#[test]
fn pictures_that_are_none_are_named() {
    let mut eye = eye();
    let mut short = picture(64, 64, 200);
    short.data.pop();
    for bad in [short, picture(0, 0, 0)] {
        let error = eye.look(&[&picture(64, 64, 200), &bad]).unwrap_err();
        assert!(matches!(error, InferenceError::PlatePicture { index: 1, .. }), "{error}");
    }
}

#[test]
fn graphs_that_are_not_the_manifests_are_refused() {
    let refuse = |from: &str, to: &str| {
        assert!(MANIFEST.contains(from), "{from}");
        let text = MANIFEST.replacen(from, to, 1);
        let locator = PlateLocator::new(&runtime(), &model(&text, "tiny-locator")).map(|_| ());
        let reader = PlateReader::new(&runtime(), &model(&text, "tiny-reader")).map(|_| ());
        locator.and(reader).unwrap_err().to_string()
    };
    for (from, to, said) in [
        ("size = [64, 64]", "size = [96, 64]", "image: Tensor<f32> [-1, 3, 64, 96]"),
        ("stride = 8", "stride = 16", "map: Tensor<f32> [-1, 13, 4, 4]"),
        ("tensor = \"image\"", "tensor = \"picture\"", "picture: Tensor<f32>"),
        ("slots = 10", "slots = 9", "logits: Tensor<f32> [-1, 9, 37]"),
        ("WXYZ", "WXY", "logits: Tensor<f32> [-1, 10, 36]"),
        ("size = [96, 48]", "size = [96, 32]", "plates: Tensor<f32> [-1, 1, 32, 96]"),
    ] {
        let error = refuse(from, to);
        assert!(error.contains(said), "{to}: {error}");
    }
    let reader = model(MANIFEST, "tiny-reader");
    let error = PlateLocator::new(&runtime(), &reader).unwrap_err().to_string();
    assert!(error.contains("plate_reader") && error.contains("plate_locator"), "{error}");
    let error = Detector::new(&runtime(), &reader, DetectorOptions::default()).unwrap_err().to_string();
    assert!(error.contains("plate_reader") && error.contains("find vehicles"), "{error}");
}

#[test]
fn manifests_that_make_no_sense_are_refused_by_key() {
    for (from, to, key) in [
        ("reader = \"tiny-reader\" }", "reader = \"tiny-locator\" }", "plates.reader"),
        ("reader = \"tiny-reader\" }", "reader = \"nobody\" }", "plates.reader"),
        ("locator = \"tiny-locator\",", "locator = \"vehicles\",", "plates.locator"),
        ("default = \"vehicles\"", "default = \"tiny-reader\"", "default"),
        ("slots = 10", "slots = 0", "model.tiny-reader.head.slots"),
        ("sure_above = 0.8", "sure_above = 1.5", "model.tiny-reader.head.sure_above"),
        ("margin = 0.05", "margin = -1", "model.tiny-reader.head.margin"),
        ("WXYZ", "WXYY", "model.tiny-reader.head.alphabet"),
        ("place = \"stretch\"", "place = \"centre\"", "model.tiny-reader.input"),
        ("colour = \"rgb\"", "colour = \"grey\"", "model.tiny-locator.input.colour"),
        ("place = \"top_left\"", "place = \"stretch\"", "model.vehicles.input"),
    ] {
        let error = Manifest::parse(&MANIFEST.replacen(from, to, 1), Path::new("m.toml")).unwrap_err();
        assert!(matches!(&error, ModelError::Value { key: found, .. } if found == key), "{to}: {error}");
    }
    let manifest = Manifest::parse(MANIFEST, Path::new("m.toml")).unwrap();
    let missing = manifest.get("tiny-reader").unwrap().locate(&["/nowhere"]).unwrap_err().to_string();
    assert!(missing.contains("make setup"), "{missing}");
    assert!(matches!(manifest.get("tiny-reader").unwrap().head, Head::PlateReader { slots: 10, .. }));
}
