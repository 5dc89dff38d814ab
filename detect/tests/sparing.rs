//! A detector that spares what did not change, with the default model. Needs `make setup`.
#![allow(clippy::unwrap_used, reason = "a test ends at once")]

mod support;

use std::{process::Command, sync::Arc};

use stopline_detect::inference::{Detector, DetectorOptions, Known, SparingDetector};
use stopline_types::{Frame, SizePx, UtcUs};

use support::{frame, model, root, runtime};

const SIZE: SizePx = SizePx { w: 640, h: 360 };
const ALL: u64 = 640 * 360;

fn road(at_s: f64, bright: Option<[usize; 4]>) -> Frame {
    let mut data = vec![100u8; SIZE.w as usize * SIZE.h as usize * 3];
    if let Some([x, y, w, h]) = bright {
        for row in y..y + h {
            data[(row * 640 + x) * 3..(row * 640 + x + w) * 3].fill(220);
        }
    }
    let mut frame = frame(SIZE, SIZE, data);
    frame.time.utc = UtcUs(0).plus_s(at_s);
    frame
}

#[test]
fn only_what_changed_goes_through_the_model() {
    let detector = Detector::new(&runtime(), &model("nanodet-g"), DetectorOptions::default()).unwrap();
    let known = Arc::new(Known::default());
    let mut sparing = SparingDetector::new(detector, Arc::clone(&known));
    let mut looked = |frame: Frame| {
        let before = known.pixels().0;
        let found = sparing.detect(&[&frame]).unwrap().remove(0);
        (known.pixels().0 - before, found)
    };
    let (px, first) = looked(road(0.0, None));
    assert_eq!(px, ALL, "nothing is known of the camera");
    assert_eq!(looked(road(0.2, None)), (0, first), "the same picture");
    let (px, _) = looked(road(0.4, Some([300, 200, 20, 20])));
    assert!(px > 0 && px < ALL / 10, "{px} pixels");
    assert_eq!(looked(road(0.6, Some([300, 200, 20, 20]))).0, 0);
    assert_eq!(looked(road(0.8, Some([0, 0, 640, 300]))).0, ALL, "too much changed");
    assert_eq!(looked(road(1.9, Some([0, 0, 640, 300]))).0, ALL, "long ago");
    assert_eq!(looked(road(0.1, Some([0, 0, 640, 300]))).0, ALL, "time went backwards");
    assert_eq!(known.pixels().1, 7 * ALL);
}

#[test]
fn a_vehicle_that_stands_is_still_there_and_one_that_left_is_gone() {
    let clip = root("fixtures/junction_day/sub.mp4");
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-ss", "20", "-i"])
        .arg(&clip)
        .args(["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "bgr24", "-"])
        .output()
        .expect("ffmpeg");
    let bgr = decoded.stdout;
    assert_eq!(bgr.len(), 640 * 360 * 3);
    let detector = Detector::new(&runtime(), &model("nanodet-g"), DetectorOptions::default()).unwrap();
    let mut sparing = SparingDetector::new(detector, Arc::default());
    let at = |s: f64, data: Vec<u8>| {
        let mut frame = frame(SIZE, SIZE, data);
        frame.time.utc = UtcUs(0).plus_s(s);
        frame
    };
    let first = sparing.detect(&[&at(0.0, bgr.clone())]).unwrap().remove(0);
    assert!(!first.is_empty(), "somebody is there");
    assert_eq!(sparing.detect(&[&at(0.2, bgr.clone())]).unwrap().remove(0), first);
    // The strongest is painted over.
    let (gone, mut data) = (first[0].bbox, bgr);
    for y in gone.y as usize..(gone.bottom() as usize).min(360) {
        for x in gone.x as usize..(gone.right() as usize).min(640) {
            data[(y * 640 + x) * 3..][..3].fill(128);
        }
    }
    let after = sparing.detect(&[&at(0.4, data)]).unwrap().remove(0);
    assert!(after.iter().all(|found| found.bbox.iou(&gone) < 0.7), "{after:?}");
}
