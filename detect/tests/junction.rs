//! The analyzer over a rendered junction, from detections to events, against the exact truth.
//!
//! `data/junction_sub.jsonl` holds what NanoDet-g int8 480×640 (scores of 0.2 and more, NMS at 0.5) found in a first
//! rendered clip of 15 s (25 vehicles; the clip itself is no longer kept), a line a frame; `data/junction.toml` is its
//! camera file, and the signal head is drawn by the truth's phases. So this needs no decoder, no model and no ONNX
//! Runtime, and a change of rules or tracker shows at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use stopline_detect::analyze::Analyzer;
use stopline_detect::law::Catalogue;
use stopline_detect::scene::{Scene, SceneConfig};
use stopline_types::{
    BgrImage, CameraId, CaptureTime, Crop, Detection, Event, Frame, RuleKind, SizePx, StreamRole, TimeSource, UtcUs,
    VehicleClass, Violation,
};

#[derive(Deserialize)]
struct Line {
    t: f64,
    dets: Vec<(VehicleClass, f32, f32, f32, f32, f32)>,
}

/// When the signal changed, seconds.
const PHASES: [(f64, &str); 3] = [(0.0, "yellow"), (1.2, "red"), (9.0, "green")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn scene_of(file: &str) -> Scene {
    let text = std::fs::read_to_string(root().join(file)).expect(file);
    let mut table: toml::Table = toml::from_str(&text).expect(file);
    let config: SceneConfig = table.remove("scene").expect("[scene]").try_into().expect(file);
    Scene::resolve(&config).unwrap_or_else(|errors| panic!("{file}: {errors:?}"))
}

fn catalogue() -> Catalogue {
    Catalogue::load(&root().join("config/law/violations.csv")).expect("the shipped catalogue")
}

/// A head of 21 × 53 pixels with one lamp lit, as it stands in the sub stream.
fn head(state: &str) -> Crop {
    let (k, bgr) = match state {
        "red" => (0, [60, 70, 250]),
        "yellow" => (1, [90, 220, 240]),
        _ => (2, [200, 230, 90]),
    };
    let (w, h) = (21, 53);
    let mut data = vec![40; 3 * w * h];
    for y in 0..h {
        for x in 0..w {
            let (dx, dy) = (x as f32 - 10.0, y as f32 - (9.0 + 17.5 * k as f32));
            if dx * dx + dy * dy < 42.0 {
                data[3 * (y * w + x)..][..3].copy_from_slice(&bgr);
            }
        }
    }
    Crop { index: 0, x: 565, y: 69, image: BgrImage { size: [w as u32, h as u32].into(), data } }
}

fn frame(t_s: f64, seq: u64, size: SizePx, crops: Vec<Crop>) -> Frame {
    let start = UtcUs::parse("2026-11-21T07:30:00Z").expect("an instant");
    Frame {
        camera: CameraId::new("junction").expect("plain"),
        role: StreamRole::Sub,
        seq,
        time: CaptureTime { utc: start.plus_s(t_s), error_ms: Some(20.0), source: TimeSource::File },
        media_s: t_s,
        source: size,
        image: BgrImage { size: SizePx { w: 1, h: 1 }, data: vec![0; 3] },
        crops,
        part: None,
        received: None,
    }
}

fn analyzer() -> Analyzer {
    let scene = scene_of("detect/tests/data/junction.toml");
    let camera = CameraId::new("junction").expect("plain");
    Analyzer::new(camera, Some(Arc::new(scene)), Arc::new(catalogue()), "nanodet-g@test".to_owned())
}

fn run(every: usize, size: SizePx) -> Vec<Event> {
    let lines = include_str!("data/junction_sub.jsonl");
    let mut analyzer = analyzer();
    let mut events = Vec::new();
    for (seq, line) in lines.lines().enumerate().step_by(every) {
        let line: Line = serde_json::from_str(line).expect("a line");
        let phase = PHASES.iter().rev().find(|p| p.0 <= line.t).expect("a phase");
        let found = line.dets.iter().map(|(class, score, x, y, w, h)| Detection {
            class: *class,
            score: *score,
            bbox: [*x, *y, *w, *h].into(),
        });
        let frame = frame(line.t, seq as u64, size, vec![head(phase.1)]);
        events.extend(analyzer.observe(&frame, found.collect()));
    }
    events.extend(analyzer.finish());
    // Each call's events are in order; a violation is decided later than another that began later.
    events.sort_by_key(|e| (e.utc(), e.id()));
    events
}

const SUB: SizePx = SizePx { w: 640, h: 360 };

fn violations(events: &[Event]) -> Vec<&Violation> {
    let only = |e: &'_ Event| matches!(e, Event::Violation(_));
    events
        .iter()
        .filter(|e| only(e))
        .filter_map(|e| if let Event::Violation(v) = e { Some(&**v) } else { None })
        .collect()
}

#[test]
fn finds_what_happened_and_nothing_else() {
    let events = run(1, SUB);
    let found = violations(&events);
    // Truth: r1 crosses 0.26 s after red began (front at 1.46 s), r2 at 5.0 s, w1 rides against lane 1 from 5.29 to
    // 6.34 s, s1 drives 78 km/h where 50 are allowed.
    let rules: Vec<_> = found.iter().map(|v| v.rule).collect();
    assert_eq!(rules, [RuleKind::RedLight, RuleKind::RedLight, RuleKind::WrongWay, RuleKind::Speed]);
    let [r1, r2, w1, s1] = found.as_slice() else { panic!("four") };
    assert_eq!((r1.class, r2.class, w1.class), (VehicleClass::Car, VehicleClass::Motorcycle, VehicleClass::Motorcycle));
    assert!((r1.t_s - r1.measured["red_for_s"] + r1.measured["front_red_for_s"] - 1.46).abs() < 0.15, "{r1:?}");
    assert!((r2.t_s - r2.measured["red_for_s"] + r2.measured["front_red_for_s"] - 5.0).abs() < 0.3, "{r2:?}");
    assert!((5.29..6.34).contains(&w1.t_s), "{w1:?}");
    assert!((s1.measured["speed_kmh"] - 78.0).abs() < 2.5, "{s1:?}");
    assert_eq!(s1.law.as_ref().map(|l| l.code.as_str()), Some("CAR_SPEED_20_35"));
    for v in &found {
        assert!(!v.degraded && (v.analysed_fps - 12.5).abs() < 0.2, "{v:?}");
        let m = v.moments;
        assert!(m.before.time.utc < m.act.time.utc && m.act.time.utc <= m.after.time.utc, "{v:?}");
        assert_eq!(v.utc, m.act.time.utc);
    }
}

#[test]
fn half_the_frames_find_the_same() {
    // 6.25 frames a second. r1 crosses 0.26 s after red began: with a frame every 0.16 s that is within what the
    // moment of the change may err by, so it may be let off.
    let events = run(2, SUB);
    let found = violations(&events);
    let sure: Vec<_> = found.iter().filter(|v| v.t_s > 2.5).map(|v| v.rule).collect();
    assert_eq!(sure, [RuleKind::RedLight, RuleKind::WrongWay, RuleKind::Speed]);
    assert!(
        found.iter().filter(|v| v.t_s <= 2.5).all(|v| v.rule == RuleKind::RedLight && v.class == VehicleClass::Car)
    );
}

#[test]
fn passages_of_what_moves() {
    let events = run(1, SUB);
    let passages: Vec<_> =
        events.iter().filter_map(|e| if let Event::Passage(p) = e { Some(p) } else { None }).collect();
    // 25 vehicles are in the truth; some stay half hidden at the edge, some tracks break.
    assert!((20..=32).contains(&passages.len()), "{}", passages.len());
    for p in &passages {
        assert!(p.trajectory.len() <= 64 && p.trajectory.len() >= 2);
        assert!(p.entered <= p.utc && p.utc <= p.left);
        assert!(p.bbox.x >= 0.0 && p.bbox.right() <= 640.1 && p.bbox.bottom() <= 360.1, "{p:?}");
        assert_ne!(p.class, VehicleClass::Pedestrian);
    }
}

#[test]
fn the_same_input_gives_the_same_events() {
    let json = |events: &[Event]| serde_json::to_string(events).expect("JSON");
    assert_eq!(json(&run(1, SUB)), json(&run(1, SUB)));
}

#[test]
fn a_stream_of_another_shape_suspends_the_rules() {
    let events = run(1, SizePx { w: 640, h: 480 });
    assert!(violations(&events).is_empty());
    let mut analyzer = analyzer();
    analyzer.observe(&frame(0.0, 0, SizePx { w: 640, h: 480 }, vec![]), vec![]);
    let reason = analyzer.live().suspended.expect("a reason");
    assert!(reason.contains("1280×720") && reason.contains("640×480"), "{reason}");
}

#[test]
fn a_thing_that_stands_still_is_no_passage_and_a_new_session_starts_afresh() {
    let mut analyzer = analyzer();
    let detection =
        |x: f32| vec![Detection { class: VehicleClass::Car, score: 0.7, bbox: [x, 200.0, 60.0, 40.0].into() }];
    let mut passages = 0;
    for i in 0..100 {
        passages += analyzer.observe(&frame(f64::from(i) * 0.1, 0, SUB, vec![]), detection(300.0)).len();
    }
    assert_eq!(analyzer.live().tracks.len(), 1);
    // The media begins again: the old track ends; the thing still stands.
    passages += analyzer.observe(&frame(0.0, 0, SUB, vec![]), detection(300.0)).len();
    for i in 1..60 {
        passages += analyzer.observe(&frame(f64::from(i) * 0.1, 0, SUB, vec![]), detection(300.0)).len();
    }
    assert_eq!(passages, 0);
    for i in 60..90 {
        let x = 300.0 + 4.0 * (i - 60) as f32;
        passages += analyzer.observe(&frame(f64::from(i) * 0.1, 0, SUB, vec![]), detection(x)).len();
    }
    assert_eq!(passages + analyzer.finish().len(), 1);
}

#[test]
fn shipped_scenes_resolve() {
    for file in ["detect/tests/data/junction.toml", "config/examples/hanoi/cameras/lythuongkiet.toml"] {
        let scene = scene_of(file);
        assert_eq!(scene.crop_requests().len(), 1);
        assert!(scene.ground.is_some_and(|g| g.error_m < 0.05), "{file}");
    }
}
