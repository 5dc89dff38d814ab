//! With models so small that what they read is known (`detect/tests/tiny_plates.toml`). Needs `make setup`.
use std::{path::Path, sync::Mutex};

use stopline_detect::{
    analyze::LiveTrack,
    inference::{PlateLocator, PlateReader, Runtime},
    models::Manifest,
    plate::{Grammar, PlateMoments},
};
use stopline_ingest::{AnalysePlan, RingLimits, replay::FileCamera};
use stopline_types::{BoxPx, CaptureTime, Passage, RuleKind, SizePx, TimeSource};

use super::*;

const FRAME: SizePx = SizePx { w: 640, h: 360 };

fn eye() -> PlateEye {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("detect/tests/tiny_plates.toml");
    let manifest = Manifest::load(&path).expect("the tiny manifest");
    let model = |name: &str| manifest.get(name).and_then(|entry| entry.locate(&[root.join("detect/tests")]));
    let library = crate::config::cache_dir().join("lib/libonnxruntime.so");
    let runtime = Runtime::load(&library).unwrap_or_else(|e| panic!("run `make setup`: {e}"));
    let locator = PlateLocator::new(&runtime, &model("tiny-locator").expect("the locator")).expect("a session");
    let reader = PlateReader::new(&runtime, &model("tiny-reader").expect("the reader")).expect("a session");
    PlateEye::new(locator, reader, Arc::new(Grammar::built_in().expect("the grammar")))
}

/// The packets of a clip, the clip's first instant.
fn ring() -> (Ring, UtcUs) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/junction_day/sub.mp4");
    let plan = AnalysePlan { fit: SizePx { w: 64, h: 64 }, max_fps: 0.5, region: None, crops: Vec::new() };
    let limits = RingLimits { seconds: 60.0, bytes: 64 << 20 };
    let mut file = FileCamera::open(&path, camera(), None, plan, limits).expect("the sample");
    while file.next().expect("whole").is_some() {}
    (file.ring(), file.info().start.utc)
}

fn camera() -> CameraId {
    CameraId::new("cam-1").expect("plain")
}

fn moments(start: UtcUs, at_s: &[f64]) -> Vec<PlateMoment> {
    let mut moments = PlateMoments::default();
    for s in at_s {
        let time = CaptureTime { utc: start.plus_s(*s), error_ms: None, source: TimeSource::File };
        let bbox = BoxPx::from([200.0, 150.0, 120.0, 120.0]);
        let class = VehicleClass::Motorcycle;
        moments.see(time, FRAME, &[LiveTrack { track: 7, class, bbox, confidence: 0.9, speed_kmh: None }]);
    }
    moments.of(7)
}

fn event(name: &str, start: UtcUs) -> Event {
    let utc = start.plus_s(1.0);
    let moment = |s: f64| {
        serde_json::json!({"time": {"utc": start.plus_s(s), "error_ms": null, "source": "file"},
            "box": [200, 150, 120, 120], "signal": null})
    };
    let mut json = serde_json::json!({
        "event": name, "id": stopline_types::EventId::derive(&camera(), utc, 7, None), "camera": camera(), "t_s": 1.0, "utc": utc,
        "error_ms": null, "track": 7, "class": "motorcycle", "box": [200, 150, 120, 120], "frame_px": FRAME,
        "confidence": 0.9, "plate": null, "speed_kmh": null, "lane": null,
        "versions": {"model": "m", "scene": "s", "engine": "e"}
    });
    let more = match name {
        "passage" => serde_json::json!({"frames": 9, "entered": utc, "left": utc, "trajectory": []}),
        _ => {
            serde_json::json!({"rule": RuleKind::RedLight, "mode": "live", "measured": {}, "limit": {}, "signal": "red",
            "moments": {"before": moment(0.5), "act": moment(1.0), "after": moment(1.5)}, "analysed_fps": 10.0,
            "degraded": false, "law": null, "evidence": null})
        }
    };
    for (key, value) in more.as_object().expect("an object") {
        json[key] = value.clone();
    }
    serde_json::from_value(json).expect("an event")
}

fn plate_of(event: &Event) -> Option<&PlateRead> {
    match event {
        Event::Passage(Passage { plate, .. }) => plate.as_ref(),
        Event::Violation(violation) => violation.plate.as_ref(),
        Event::Incident(_) | Event::Review(_) => None,
    }
}

#[test]
fn a_violation_and_the_passage_that_comes_later_say_the_same() {
    let (ring, start) = ring();
    let mut reading = PlateReading::new(eye());
    let violation = PlateJob { event: event("violation", start), moments: moments(start, &[0.8, 1.2]) };
    let first = reading.attach(&ring, vec![violation], 6);
    let plate = plate_of(&first[0]).expect("a plate").clone();
    assert_eq!((plate.text.as_str(), plate.reads, plate.sure), ("59S106865", 2, true), "{plate:?}");
    let seen = plate.seen.expect("where it was seen");
    assert_eq!(seen.frame_px, FRAME);
    assert!(seen.bbox.x > 200.0 && seen.bbox.right() < 340.0, "in pixels of the whole frame: {seen:?}");

    // The passage has no packets left; it takes over what was read.
    let later = PlateJob { event: event("passage", start), moments: moments(start, &[500.0]) };
    assert_eq!(plate_of(&reading.attach(&ring, vec![later], 6)[0]), Some(&plate));
}

#[test]
fn without_packets_an_event_goes_on_and_is_counted() {
    let (ring, start) = ring();
    let mut reading = PlateReading::new(eye());
    let jobs = vec![
        PlateJob { event: event("passage", start), moments: moments(start, &[500.0]) },
        PlateJob { event: event("violation", start), moments: Vec::new() },
    ];
    let events = reading.attach(&ring, jobs, 6);
    assert_eq!(events.iter().filter(|event| plate_of(event).is_none()).count(), 2);
    assert!(reading.counts.to_string().contains("1 no picture"), "{}", reading.counts);
}

#[test]
fn the_desk_hands_everything_on_and_gives_back_what_it_cannot_take() {
    let (ring, start) = ring();
    let given: Arc<Mutex<Vec<Event>>> = Arc::default();
    let taken = Arc::clone(&given);
    let (go, wait) = std::sync::mpsc::channel::<()>();
    // The first event on holds the desk, so that its queue fills.
    let forward = move |event, _: &[PlateMoment], _: &Arc<Source>| {
        taken.lock().expect("whole").push(event);
        wait.recv().ok();
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples/junction_day/cameras/junction_day.toml");
    let source = Arc::new(Source { ring, camera: crate::config::camera_file(&file).expect("the example") });
    let (desk, thread) = PlateDesk::start(PlateReading::new(eye()), Duration::from_secs(1), forward).expect("a thread");
    let job = || PlateJob { event: event("passage", start), moments: moments(start, &[1.0]) };
    let (mut put, mut back) = (0, 0);
    while back == 0 && put < 3 * WAITING {
        match desk.put(job(), Arc::clone(&source)) {
            Ok(()) => put += 1,
            Err(event) => back += usize::from(plate_of(&event).is_none()),
        }
    }
    assert_eq!(back, 1, "a full queue gives the event back after {put}");
    drop((go, desk));
    thread.join();
    let given = given.lock().expect("whole");
    assert_eq!(given.len(), put);
    assert!(given.iter().any(|event| plate_of(event).is_some_and(|plate| plate.text == "59S106865")));
}
