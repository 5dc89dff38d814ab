//! What the tests of this crate share.
#![allow(clippy::unwrap_used, dead_code, missing_docs, unreachable_pub)]
pub mod broker;
pub mod victim;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use stopline_store::{
    Endpoint, Store,
    embedded::{Embedded, EmbeddedConfig},
};
use stopline_types::{
    BoxPx, CameraId, CaptureTime, Event, EventId, Incident, Moments, Passage, PlateRead, Review, RuleKind, RuleMode,
    SignalState, TimeSource, UtcUs, VehicleClass, Verdict, Versions, Violation, event::Moment,
};

/// libchdb in the cache folder; set-up puts it there.
pub fn library() -> PathBuf {
    let cache = std::env::var_os("STOPLINE_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache").join("stopline")
    });
    let library = cache.join("lib").join("libchdb.so");
    assert!(library.is_file(), "{} is missing: run `make setup`", library.display());
    library
}

/// The example of this crate that stands in for the hidden command.
pub fn child_exe() -> PathBuf {
    example("chdb_child")
}

pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test has a path");
    let target = test.parent().and_then(Path::parent).expect("target/debug/deps/test");
    let exe = target.join("examples").join(name);
    assert!(exe.is_file(), "{} is missing: cargo builds examples with the tests of a whole package", exe.display());
    exe
}

pub fn config(dir: &Path) -> EmbeddedConfig {
    EmbeddedConfig {
        exe: child_exe(),
        args: Vec::new(),
        library: library(),
        data_dir: dir.to_owned(),
        port: 0,
        database: "stopline".to_owned(),
        hung_after: stopline_store::embedded::HUNG_AFTER,
    }
}

pub fn embedded(dir: &Path) -> Embedded {
    Embedded::start(config(dir)).expect("the embedded ClickHouse starts")
}

pub async fn store(endpoint: &Endpoint) -> Store {
    let store = Store::connect(endpoint).expect("the address is good");
    store.migrate().await.expect("the tables are made");
    store
}

pub fn camera(name: &str) -> CameraId {
    CameraId::new(name).expect("a plain name")
}

/// 2026-11-21 07:30 UTC and `seconds`.
pub fn at(seconds: f64) -> UtcUs {
    UtcUs::parse("2026-11-21T07:30:00Z").expect("a time").plus_s(seconds)
}

fn versions() -> Versions {
    Versions { model: "test@000000000000".into(), scene: "0123456789ab".into(), engine: "0.1.0".into() }
}

fn bbox() -> BoxPx {
    [10.0, 20.0, 30.0, 40.0].into()
}

pub fn passage(camera_name: &str, seconds: f64, plate: Option<&str>) -> Event {
    let utc = at(seconds);
    let camera = camera(camera_name);
    Event::Passage(Passage {
        id: EventId::derive(&camera, utc, (seconds * 1e3) as u64, None),
        camera,
        t_s: seconds,
        utc,
        error_ms: Some(20.0),
        track: (seconds * 1e3) as u64,
        class: VehicleClass::Motorcycle,
        bbox: bbox(),
        frame_px: [640, 360].into(),
        confidence: 0.8,
        plate: plate.map(|text| PlateRead::new(text, 0.9)),
        speed_kmh: Some(31.5),
        lane: Some("1".into()),
        frames: 12,
        entered: utc,
        left: utc.plus_s(2.0),
        trajectory: vec![[0.0, 1.0, 2.0].into(), [2.0, 3.0, 4.0].into()],
        versions: versions(),
    })
}

pub fn violation(camera_name: &str, seconds: f64, rule: RuleKind) -> Violation {
    let utc = at(seconds);
    let camera = camera(camera_name);
    let moment = |dt: f64| Moment {
        time: CaptureTime { utc: utc.plus_s(dt), error_ms: Some(20.0), source: TimeSource::SenderReport },
        bbox: bbox(),
        signal: Some(SignalState::Red),
    };
    Violation {
        id: EventId::derive(&camera, utc, (seconds * 1e3) as u64, Some(rule)),
        camera,
        t_s: seconds,
        utc,
        error_ms: Some(20.0),
        track: (seconds * 1e3) as u64,
        class: VehicleClass::Motorcycle,
        bbox: bbox(),
        frame_px: [640, 360].into(),
        confidence: 0.8,
        plate: Some(PlateRead::new("59S106865", 0.9)),
        speed_kmh: None,
        rule,
        mode: RuleMode::Live,
        measured: [("red_for_s".to_owned(), 3.8)].into(),
        limit: [("red_for_s".to_owned(), 0.5)].into(),
        signal: Some(SignalState::Red),
        signal_controller: None,
        doubts: Vec::new(),
        lane: None,
        moments: Moments { before: moment(-1.0), act: moment(0.0), after: moment(1.0) },
        analysed_fps: 6.0,
        degraded: false,
        law: None,
        versions: versions(),
        evidence: None,
    }
}

pub fn review(of: &Violation, revision: u32, verdict: Verdict) -> Review {
    Review {
        id: Review::id_of(of.id, revision),
        violation: of.id,
        camera: of.camera.clone(),
        utc: of.utc.plus_s(60.0 + f64::from(revision)),
        revision,
        verdict,
        reason: (verdict == Verdict::Rejected).then(|| "plate_unreadable".into()),
        note: "ghi chú".into(),
        plate: None,
        user: "lan".into(),
    }
}

pub fn incident(camera_name: &str, seconds: f64) -> Event {
    let utc = at(seconds);
    let camera = camera(camera_name);
    Event::Incident(Incident {
        id: EventId::of(&["incident", camera.as_str(), &utc.to_string()]),
        camera,
        t_s: seconds,
        utc,
        error_ms: None,
        kind: "queue".into(),
        lane: None,
        measured: [("length_m".to_owned(), 120.0)].into(),
    })
}

/// Polls until `done`, with a bound far above what it should take.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}
