//! Small made truths: two motorcycles and a car on a road, and what is said of them.

use std::path::Path;

use stopline_types::{
    BoxPx, CameraId, CaptureTime, Event, EventId, Moments, Passage, PlateRead, RuleKind, RuleMode, SizePx, TimeSource,
    TrackPoint, UtcUs, VehicleClass, Versions, Violation, event::Moment,
};

use super::{Floor, Floors, Misses, Score, Truth, judge};

/// Ten frames a second for ten seconds, 1920×1080. Each drives to the right, 36 km/h (10 m/s, 150 px/s).
/// `a`: motorcycle, passes on red from 4 to 5 s, plate 40 px wide. `b`: motorcycle 200 px below, turns right on red,
/// lawfully; plate 20 px. `c`: car 600 px below, plate of one line, 70 px.
fn truth() -> Truth {
    let (mut frames, of) = (Vec::new(), [("a", 300.0, 40.0, 30.0), ("b", 500.0, 20.0, 15.0), ("c", 900.0, 70.0, 15.0)]);
    for i in 0..100 {
        let t = f64::from(i) / 10.0;
        let objects: Vec<_> = of
            .iter()
            .map(|(id, y, plate_w, plate_h)| {
                let x = 100.0 + 150.0 * t;
                serde_json::json!({
                    "id": id, "x": 10.0 * t, "y": 0.0, "heading_deg": -90.0, "speed_kmh": 36.0,
                    "box": [x, y - 100.0, x + 80.0, y], "inside": 1.0, "visible": 1.0,
                    "plate": {"side": "rear", "visible": 1.0, "corners":
                        [[x, y - 40.0], [x + plate_w, y - 40.0], [x + plate_w, y - 40.0 + plate_h], [x, y - 40.0 + plate_h]]}
                })
            })
            .collect();
        frames.push(serde_json::json!({"i": i, "t": t, "signals": {}, "objects": objects}));
    }
    let vehicle = |id: &str, cls: &str, plate: &str| serde_json::json!({"id": id, "cls": cls, "model": "m", "length_m": 2.0, "width_m": 1.0, "plate": plate});
    let value = serde_json::json!({
        "format": "stopline-truth/1", "scene": "made", "image": [1920, 1080], "fps": 10.0, "duration_s": 10.0,
        "vehicles": [vehicle("a", "motorcycle", "29-B1 123.45"), vehicle("b", "motorcycle", "29-C1 678.90"),
                     vehicle("c", "car", "30F-256.58")],
        "violations": [{"type": "red_light", "vehicle": "a", "t": 4.0, "t_end": 5.0},
                       {"type": "sings_loudly", "vehicle": "c", "t": 1.0, "t_end": 2.0}],
        "near_misses": [{"type": "red_light", "vehicle": "b", "t": 4.5, "t_end": 4.5, "note": "turns right, allowed"}],
        "frames": frames,
    });
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("truth.json");
    std::fs::write(&path, value.to_string()).expect("written");
    Truth::load(&path).expect("it reads")
}

const SUB: SizePx = SizePx { w: 640, h: 360 };

/// Where the truth has the one whose wheels are at `y`, in the small stream's pixels.
fn bbox(t_s: f64, y: f64) -> BoxPx {
    BoxPx::from([(100.0 + 150.0 * t_s) as f32, y as f32 - 100.0, 80.0, 100.0]).scaled(1.0 / 3.0, 1.0 / 3.0)
}

fn versions() -> Versions {
    Versions { model: "m".into(), scene: "s".into(), engine: "e".into() }
}

fn camera() -> CameraId {
    CameraId::new("made").expect("plain")
}

fn read(text: &str, confidence: f64) -> Option<PlateRead> {
    Some(PlateRead { sure: confidence >= 0.9, ..PlateRead::new(text, confidence) })
}

fn red_light(t_s: f64, y: f64, track: u64) -> Violation {
    let bbox = bbox(t_s, y);
    let utc = UtcUs(0).plus_s(t_s);
    let moment = Moment { time: CaptureTime { utc, error_ms: None, source: TimeSource::File }, bbox, signal: None };
    Violation {
        id: EventId::derive(&camera(), utc, track, Some(RuleKind::RedLight)),
        camera: camera(),
        t_s,
        utc,
        error_ms: None,
        track,
        class: VehicleClass::Motorcycle,
        bbox,
        frame_px: SUB,
        confidence: 0.8,
        plate: None,
        speed_kmh: Some(38.0),
        rule: RuleKind::RedLight,
        mode: RuleMode::Live,
        measured: Default::default(),
        limit: Default::default(),
        signal: None,
        signal_controller: None,
        doubts: Vec::new(),
        lane: None,
        moments: Moments { before: moment, act: moment, after: moment },
        analysed_fps: 10.0,
        degraded: false,
        law: None,
        versions: versions(),
        evidence: None,
    }
}

/// A track along the wheels at `y(t)` from `from_s` to `to_s`.
fn passage(track: u64, (from_s, to_s): (f64, f64), y: impl Fn(f64) -> f64) -> Passage {
    let steps = ((to_s - from_s) * 5.0) as u32;
    let at = |t_s: f64| (bbox(t_s, y(t_s)).foot().x, bbox(t_s, y(t_s)).foot().y);
    let best_s = f64::midpoint(from_s, to_s);
    Passage {
        id: EventId::derive(&camera(), UtcUs(0).plus_s(best_s), track, None),
        camera: camera(),
        t_s: best_s,
        utc: UtcUs(0).plus_s(best_s),
        error_ms: None,
        track,
        class: VehicleClass::Motorcycle,
        bbox: bbox(best_s, y(best_s)),
        frame_px: SUB,
        confidence: 0.7,
        plate: None,
        speed_kmh: None,
        lane: None,
        frames: steps,
        entered: UtcUs(0).plus_s(from_s),
        left: UtcUs(0).plus_s(to_s),
        trajectory: (0..=steps)
            .map(|i| {
                let dt_s = f64::from(i) * 0.2;
                let (x, y) = at(from_s + dt_s);
                TrackPoint { dt_s: dt_s as f32, x, y }
            })
            .collect(),
        versions: versions(),
    }
}

fn said(violations: Vec<Violation>) -> Score {
    let events: Vec<_> = violations.into_iter().map(|violation| Event::Violation(Box::new(violation))).collect();
    judge(&truth(), &events)
}

fn seen(passages: Vec<Passage>) -> super::PassageScore {
    let events: Vec<_> = passages.into_iter().map(Event::Passage).collect();
    judge(&truth(), &events).passages.expect("the truth knows its vehicles")
}

fn red(score: &Score) -> &super::RuleScore {
    &score.rules.iter().find(|(rule, _)| *rule == RuleKind::RedLight).expect("expected").1
}

#[test]
fn an_act_is_found_with_its_errors() {
    let score = said(vec![red_light(5.5, 300.0, 1)]);
    let red = red(&score);
    assert_eq!((red.expected, red.found, red.false_alarms, red.missed.len()), (1, 1, 0, 0));
    assert!((red.time_error_s.worst().expect("one") - 0.5).abs() < 1e-9, "half a second after it ended");
    assert!((red.speed_error_kmh.worst().expect("one") - 2.0).abs() < 1e-9);
    assert_eq!(score.without_rule["sings_loudly"], 1);
}

#[test]
fn silence_is_a_miss_and_no_false_alarm() {
    let score = said(vec![]);
    let red = red(&score);
    assert_eq!((red.found, red.missed.len(), red.false_alarms), (0, 1, 0));
    assert_eq!((red.recall(), red.precision()), (0.0, 1.0));
    assert_eq!(red.missed[0].who, "a");
}

#[test]
fn false_alarms_say_why() {
    let why = |violations: Vec<Violation>| {
        let score = said(violations);
        let red = red(&score);
        assert_eq!(red.false_alarms, 1);
        (red.made_up[0].why.clone(), red.near_misses_accused())
    };
    assert_eq!(why(vec![red_light(4.5, 500.0, 2)]), ("near miss: turns right, allowed".to_owned(), 1));
    assert_eq!(why(vec![red_light(4.5, 900.0, 2)]), ("this car did no such thing".to_owned(), 0));
    assert_eq!(why(vec![red_light(4.5, 700.0, 2)]), ("nobody is there".to_owned(), 0));
    assert_eq!(why(vec![red_light(8.0, 300.0, 1)]), ("3.0 s after its act".to_owned(), 0));
    assert_eq!(why(vec![red_light(1.0, 300.0, 1)]), ("3.0 s before its act".to_owned(), 0));
    let (told, _) = why(vec![red_light(4.4, 300.0, 1), red_light(4.6, 300.0, 7)]);
    assert_eq!(told, "told twice: the act of a");
}

#[test]
fn the_nearer_of_two_in_a_queue_is_accused() {
    // The event's box lies between both but nearer to b's, who did nothing: a is missed.
    let score = said(vec![red_light(4.5, 430.0, 1)]);
    assert_eq!((red(&score).found, red(&score).near_misses_accused()), (0, 1));
}

#[test]
fn passages_are_matched_missed_doubled_and_mixed_up() {
    let a = |_: f64| 300.0;
    let score = seen(vec![passage(1, (0.5, 4.0), a), passage(2, (5.0, 9.0), a), passage(3, (0.0, 9.0), |_| 500.0)]);
    assert_eq!((score.expected, score.found, score.doubled), (3, 2, 1));
    assert_eq!(score.missed[0].who, "c");
    assert!(score.of_nobody.is_empty() && score.switches.is_empty());
    assert_eq!(score.class_right(), (3, 3));

    // Goes over from a to b at 5 s.
    let score = seen(vec![passage(1, (0.5, 9.5), |t_s| if t_s < 5.0 { 300.0 } else { 500.0 })]);
    assert_eq!(score.switches.len(), 1);
    assert_eq!((score.switches[0].from.as_str(), score.switches[0].to.as_str()), ("a", "b"));
    assert!((score.switches[0].t_s - 5.0).abs() < 0.3, "{:?}", score.switches);

    let score = seen(vec![passage(1, (0.5, 9.5), |_| 700.0)]);
    assert_eq!((score.found, score.of_nobody.len()), (0, 1));
    // A car called a motorcycle.
    let score = seen(vec![passage(1, (0.5, 9.5), |_| 900.0)]);
    assert_eq!(score.class_right(), (0, 1));
    assert_eq!(score.classes[&VehicleClass::Car][&VehicleClass::Motorcycle], 1);
}

#[test]
fn speeds_are_compared_with_the_truth_of_the_same_time() {
    let score = seen(vec![Passage { speed_kmh: Some(33.0), ..passage(1, (0.5, 9.5), |_| 300.0) }]);
    assert_eq!(score.speed_error_kmh.worst(), Some(-3.0));
    assert_eq!(score.steady_speed_error_kmh.len(), 1);
    let score = seen(vec![passage(1, (0.5, 9.5), |_| 300.0)]);
    assert_eq!((score.speed_error_kmh.len(), score.without_speed), (0, 1));
}

#[test]
fn a_wrong_plate_counts_as_wrong() {
    let of = |y: f64, plate| seen(vec![Passage { plate, ..passage(1, (0.5, 9.5), |_| y) }]).plates;
    let exact = of(300.0, read("29B112345", 0.95));
    // c's plate could be read as well: it has no passage, so it is unread.
    assert_eq!((exact.readable, exact.exact, exact.wrong, exact.unread), (2, 1, 0, 1));
    let wrong = of(300.0, read("29B112346", 0.95));
    assert_eq!((wrong.exact, wrong.wrong, wrong.sure_but_wrong), (0, 1, 1));
    assert_eq!((wrong.misread[0].plate.as_str(), wrong.misread[0].read.as_str()), ("29B112345", "29B112346"));
    let unsure = of(300.0, read("29B112346", 0.5));
    assert_eq!((unsure.wrong, unsure.sure_but_wrong), (1, 0));
    let unread = of(300.0, None);
    assert_eq!((unread.readable, unread.unread), (2, 2));
    // 20 pixels cannot be read: set aside, but a wrong text is wrong all the same.
    let small = of(500.0, read("29C167899", 0.95));
    assert_eq!((small.aside, small.aside_wrong, small.sure_but_wrong), (1, 1, 1));
    assert!((small.precision(), small.recall()) == (0.0, 0.0));
}

#[test]
fn plates_of_violations_are_judged_by_the_vehicle_that_did_it() {
    let plate = read("29C167890", 0.99);
    let score = said(vec![Violation { plate, ..red_light(4.5, 300.0, 1) }]);
    let plates = &red(&score).plates;
    assert_eq!((plates.exact, plates.wrong, plates.sure_but_wrong), (0, 1, 1), "it is b's plate on a's act");
}

#[test]
fn a_loop_is_judged_loop_by_loop() {
    let events: Vec<_> = [4.5, 14.5, 24.5]
        .into_iter()
        .zip(1..)
        .map(|(t_s, track)| {
            let act = red_light(t_s % 10.0, 300.0, track);
            Event::Violation(Box::new(Violation { t_s, ..act }))
        })
        .collect();
    let score = judge(&truth().looped(24.6), &events);
    let red = red(&score);
    // The third is cut off by the end: neither expected nor held against.
    assert_eq!((red.expected, red.found, red.false_alarms, red.aside, red.aside_found), (2, 2, 0, 1, 1));
    assert_eq!(red.near_misses, 3);
}

#[test]
fn floors_are_held() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("floor.toml");
    let text = "[replay]\npassages = 0.3\nplates_exact = 0.5\nspeed_median_kmh = 2.0\n[replay.rules.red_light]\nrecall = 1.0\nprecision = 0.67\n";
    std::fs::write(&path, text).expect("written");
    let floor = Floors::load(&path).expect("it reads").replay;
    let act = |track, y| Event::Violation(Box::new(red_light(4.5, y, track)));
    let way = |kmh, plate| {
        Event::Passage(Passage { speed_kmh: Some(kmh), plate: read(plate, 0.9), ..passage(9, (0.5, 9.5), |_| 300.0) })
    };
    let good = judge(&truth(), &[act(1, 300.0), way(37.0, "29B112345")]);
    assert_eq!(floor.faults(&good), Vec::<String>::new());
    let bad = judge(&truth(), &[act(1, 500.0), act(2, 900.0), way(30.0, "29B112340")]);
    let faults = floor.faults(&bad).join("; ");
    for fault in ["red_light: recall", "red_light: precision", "plates read exactly", "speed error"] {
        assert!(faults.contains(fault), "{fault} is not in {faults}");
    }
    assert_eq!(Floor::of_every_rule(Some(1.0), None).faults(&good), Vec::<String>::new());
    assert_eq!(Floor::of_every_rule(None, Some(0.5)).faults(&bad).len(), 1);
    std::fs::write(&path, "[replay.rules.red_ligth]\nrecall = 1.0\n").expect("written");
    assert!(Floors::load(&path).expect_err("no such rule").to_string().contains("red_ligth"));
}

#[test]
fn pictures_of_misses_are_written() {
    let video = Path::new("fixtures/junction_day/sub.mp4");
    let truth = Truth::load(Path::new("fixtures/junction_day/truth.json")).expect("the fixture reads");
    let mut score = judge(&truth, &[]);
    score.passages = None;
    score.rules.retain(|(rule, _)| matches!(rule, RuleKind::RedLight | RuleKind::NoStopping));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let written = Misses::of(&truth, &score).write(video, dir.path()).expect("written");
    assert_eq!(written, 4, "three red lights and a parked car");
    let page = std::fs::read_to_string(dir.path().join("index.html")).expect("the page");
    for entry in std::fs::read_dir(dir.path()).expect("read").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".jpg") {
            assert!(page.contains(&name), "{name} is on the page");
            let picture = image::open(entry.path()).expect("a picture");
            assert_eq!((picture.width(), picture.height()), (1920, 810));
        }
    }
    assert_eq!(page.matches("<img").count(), 4);
    assert!(Misses::of(&truth, &score).write(Path::new("Cargo.toml"), dir.path()).is_err(), "no video");
}
