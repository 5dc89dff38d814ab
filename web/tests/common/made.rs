//! Violations and passages for tests, by their JSON: the contract.

use serde_json::json;
use stopline_types::{CameraId, Event, EventId, Passage, RuleKind, UtcUs, Violation};

pub const START: &str = "2026-11-21T07:30:00Z";

pub fn start() -> UtcUs {
    UtcUs::parse(START).unwrap()
}

/// The `n`th violation, `n` minutes after the start.
pub fn violation(n: u32) -> Violation {
    let camera = CameraId::new(if n.is_multiple_of(2) { "gate-1" } else { "gate-2" }).unwrap();
    let utc = start().plus_s(60.0 * f64::from(n));
    let moment = |s: f64| json!({"time": {"utc": utc.plus_s(s), "error_ms": 20.0, "source": "sender_report"}, "box": [1, 2, 3, 4], "signal": "red"});
    let id = EventId::derive(&camera, utc, u64::from(n), Some(RuleKind::RedLight));
    let made = json!({
        "id": id, "camera": camera, "t_s": 1.0, "utc": utc, "error_ms": 20.0, "track": n, "class": "motorcycle",
        "box": [1, 2, 3, 4], "frame_px": [640, 360], "confidence": 0.9, "plate": null, "speed_kmh": null,
        "rule": "red_light", "mode": "live", "measured": {"red_for_s": 3.8}, "limit": {"red_for_s": 0.0},
        "signal": "red", "lane": null, "moments": {"before": moment(-1.0), "act": moment(0.0), "after": moment(1.0)},
        "analysed_fps": 8.0, "degraded": false, "law": null,
        "versions": {"model": "m", "scene": "s", "engine": "e"},
        "evidence": {"path": "gate/one", "manifest_sha256": "ab".repeat(32), "files": ["act.jpg", "clip.mp4"]},
    });
    serde_json::from_value(made).unwrap()
}

/// The `n`th passage.
pub fn passage(n: u32, plate: Option<&str>) -> Passage {
    let camera = CameraId::new("gate-1").unwrap();
    let utc = start().plus_s(f64::from(n));
    let made = json!({
        "id": EventId::derive(&camera, utc, u64::from(n), None), "camera": camera, "t_s": 1.0, "utc": utc,
        "error_ms": null, "track": n, "class": if n.is_multiple_of(2) { "car" } else { "motorcycle" }, "box": [1, 2, 3, 4],
        "frame_px": [640, 360], "confidence": 0.9,
        "plate": plate.map(|text| json!({"text": text, "confidence": 0.9})), "speed_kmh": null, "lane": null,
        "frames": 10, "entered": utc, "left": utc, "trajectory": [], "versions": {"model": "m", "scene": "s", "engine": "e"},
    });
    serde_json::from_value(made).unwrap()
}

pub fn event(n: u32) -> Event {
    Event::Violation(Box::new(violation(n)))
}
