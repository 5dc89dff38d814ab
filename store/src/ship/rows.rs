//! Events as rows of the tables of `migrations`.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use stopline_types::{Event, PlateColour, PlateKind, PlateRead, Quantities, RuleMode, Violation};

use crate::spool::Spooled;

#[derive(Debug, Clone, Row, Serialize, Deserialize)]
pub(super) struct PassageRow {
    id: [u8; 16],
    camera: String,
    utc: i64,
    error_ms: Option<f64>,
    track: u64,
    class: String,
    plate: String,
    plate_confidence: f64,
    plate_sure: bool,
    plate_kind: String,
    plate_colour: String,
    plate_mismatch: bool,
    speed_kmh: Option<f64>,
    lane: String,
    confidence: f64,
    frames: u32,
    model: String,
    scene: String,
    body: String,
    version: u64,
}

#[derive(Debug, Clone, Row, Serialize, Deserialize)]
pub(super) struct ViolationRow {
    id: [u8; 16],
    camera: String,
    utc: i64,
    error_ms: Option<f64>,
    track: u64,
    class: String,
    plate: String,
    plate_confidence: f64,
    plate_sure: bool,
    plate_kind: String,
    plate_colour: String,
    plate_mismatch: bool,
    speed_kmh: Option<f64>,
    lane: String,
    confidence: f64,
    rule: String,
    mode: String,
    measured: Vec<(String, f64)>,
    allowed: Vec<(String, f64)>,
    signal: String,
    degraded: bool,
    law: String,
    model: String,
    scene: String,
    evidence: String,
    manifest_sha256: String,
    body: String,
    version: u64,
}

#[derive(Debug, Clone, Row, Serialize, Deserialize)]
pub(super) struct ReviewRow {
    id: [u8; 16],
    violation: [u8; 16],
    revision: u32,
    camera: String,
    utc: i64,
    verdict: String,
    reason: String,
    reviewer: String,
    body: String,
    version: u64,
}

#[derive(Debug, Clone, Row, Serialize, Deserialize)]
pub(super) struct IncidentRow {
    id: [u8; 16],
    camera: String,
    utc: i64,
    error_ms: Option<f64>,
    kind: String,
    measured: Vec<(String, f64)>,
    body: String,
    version: u64,
}

/// What every row takes from its place in the spool: the event's JSON and, as version, when it was appended. Both are
/// the same at every sending.
struct Stored<'a> {
    body: &'a str,
    version: u64,
}

impl<'a> From<&'a Spooled> for Stored<'a> {
    fn from(spooled: &'a Spooled) -> Self {
        Self { body: &spooled.json, version: u64::try_from(spooled.at.0).unwrap_or(0) }
    }
}

/// A vehicle whose plate was not read has an empty one.
fn plate_of(plate: Option<&PlateRead>) -> PlateRead {
    plate.cloned().unwrap_or_else(|| PlateRead::new("", 0.0))
}

fn pairs(quantities: &Quantities) -> Vec<(String, f64)> {
    quantities.iter().map(|(name, value)| (name.clone(), *value)).collect()
}

fn mode(mode: RuleMode) -> &'static str {
    match mode {
        RuleMode::Live => "live",
        RuleMode::Shadow => "shadow",
        RuleMode::Off => "off",
    }
}

impl PassageRow {
    pub(super) fn of(spooled: &Spooled) -> Option<Self> {
        let Event::Passage(event) = &spooled.event else { return None };
        let Stored { body, version } = spooled.into();
        let plate = plate_of(event.plate.as_ref());
        Some(Self {
            id: event.id.bytes(),
            camera: event.camera.to_string(),
            utc: event.utc.0,
            error_ms: event.error_ms,
            track: event.track,
            class: event.class.to_string(),
            plate: plate.text,
            plate_confidence: plate.confidence,
            plate_sure: plate.sure,
            plate_kind: plate.kind.map_or("", PlateKind::as_str).to_owned(),
            plate_colour: plate.colour.map_or("", PlateColour::as_str).to_owned(),
            plate_mismatch: plate.class_mismatch,
            speed_kmh: event.speed_kmh,
            lane: event.lane.clone().unwrap_or_default(),
            confidence: event.confidence,
            frames: event.frames,
            model: event.versions.model.clone(),
            scene: event.versions.scene.clone(),
            body: body.to_owned(),
            version,
        })
    }
}

impl ViolationRow {
    pub(super) fn of(spooled: &Spooled) -> Option<Self> {
        let Event::Violation(event) = &spooled.event else { return None };
        let event: &Violation = event;
        let Stored { body, version } = spooled.into();
        let evidence = event.evidence.as_ref();
        let plate = plate_of(event.plate.as_ref());
        Some(Self {
            id: event.id.bytes(),
            camera: event.camera.to_string(),
            utc: event.utc.0,
            error_ms: event.error_ms,
            track: event.track,
            class: event.class.to_string(),
            plate: plate.text,
            plate_confidence: plate.confidence,
            plate_sure: plate.sure,
            plate_kind: plate.kind.map_or("", PlateKind::as_str).to_owned(),
            plate_colour: plate.colour.map_or("", PlateColour::as_str).to_owned(),
            plate_mismatch: plate.class_mismatch,
            speed_kmh: event.speed_kmh,
            lane: event.lane.clone().unwrap_or_default(),
            confidence: event.confidence,
            rule: event.rule.to_string(),
            mode: mode(event.mode).to_owned(),
            measured: pairs(&event.measured),
            allowed: pairs(&event.limit),
            signal: event.signal.map(|signal| signal.to_string()).unwrap_or_default(),
            degraded: event.degraded,
            law: event.law.as_ref().map(|law| law.code.clone()).unwrap_or_default(),
            model: event.versions.model.clone(),
            scene: event.versions.scene.clone(),
            evidence: evidence.map(|evidence| evidence.path.clone()).unwrap_or_default(),
            manifest_sha256: evidence.map(|evidence| evidence.manifest_sha256.clone()).unwrap_or_default(),
            body: body.to_owned(),
            version,
        })
    }
}

impl ReviewRow {
    pub(super) fn of(spooled: &Spooled) -> Option<Self> {
        let Event::Review(event) = &spooled.event else { return None };
        let Stored { body, version } = spooled.into();
        Some(Self {
            id: event.id.bytes(),
            violation: event.violation.bytes(),
            revision: event.revision,
            camera: event.camera.to_string(),
            utc: event.utc.0,
            verdict: event.verdict.as_str().to_owned(),
            reason: event.reason.clone().unwrap_or_default(),
            reviewer: event.user.clone(),
            body: body.to_owned(),
            version,
        })
    }
}

impl IncidentRow {
    pub(super) fn of(spooled: &Spooled) -> Option<Self> {
        let Event::Incident(event) = &spooled.event else { return None };
        let Stored { body, version } = spooled.into();
        Some(Self {
            id: event.id.bytes(),
            camera: event.camera.to_string(),
            utc: event.utc.0,
            error_ms: event.error_ms,
            kind: event.kind.clone(),
            measured: pairs(&event.measured),
            body: body.to_owned(),
            version,
        })
    }
}
