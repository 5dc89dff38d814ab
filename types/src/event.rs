//! What happened: the contract that the spool, ClickHouse, the HTTP API and `stopline replay --json` share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    BoxPx, CameraId, CaptureTime, EventId, PlateRead, RuleKind, RuleMode, SignalState, SizePx, UtcUs, VehicleClass,
};

/// Version of the JSON below, written as `schema` beside every stored event.
pub const SCHEMA_VERSION: u32 = 1;

/// Named figures with their unit in the name, e.g. `speed_kmh`, `dwell_s`, `past_line_px`.
pub type Quantities = BTreeMap<String, f64>;

/// One event. In JSON the kind stands in `event`, the fields beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "most events are passages: boxed they would only be allocated once more")]
#[serde(tag = "event", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Event {
    /// A vehicle's pass through the scene.
    Passage(Passage),
    /// A rule that matched a passage: a candidate until a person confirms it.
    Violation(Box<Violation>),
    /// Something about the road, not one vehicle.
    Incident(Incident),
    /// A person's decision about a violation.
    Review(Review),
}

impl Event {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> EventId {
        match self {
            Self::Passage(e) => e.id,
            Self::Violation(e) => e.id,
            Self::Incident(e) => e.id,
            Self::Review(e) => e.id,
        }
    }

    /// The camera it belongs to.
    #[must_use]
    pub fn camera(&self) -> &CameraId {
        match self {
            Self::Passage(e) => &e.camera,
            Self::Violation(e) => &e.camera,
            Self::Incident(e) => &e.camera,
            Self::Review(e) => &e.camera,
        }
    }

    /// When it happened.
    #[must_use]
    pub fn utc(&self) -> UtcUs {
        match self {
            Self::Passage(e) => e.utc,
            Self::Violation(e) => e.utc,
            Self::Incident(e) => e.utc,
            Self::Review(e) => e.utc,
        }
    }

    /// The word in `event`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Passage(_) => "passage",
            Self::Violation(_) => "violation",
            Self::Incident(_) => "incident",
            Self::Review(_) => "review",
        }
    }
}

/// One point of a trajectory.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 3]", into = "[f32; 3]")]
pub struct TrackPoint {
    /// Seconds since the passage began.
    pub dt_s: f32,
    /// Foot point, pixels of the stream's frame.
    pub x: f32,
    /// Foot point, pixels of the stream's frame.
    pub y: f32,
}

impl From<[f32; 3]> for TrackPoint {
    fn from([dt_s, x, y]: [f32; 3]) -> Self {
        Self { dt_s, x, y }
    }
}

impl From<TrackPoint> for [f32; 3] {
    fn from(p: TrackPoint) -> Self {
        [p.dt_s, p.x, p.y]
    }
}

/// One vehicle's pass through the scene. Every vehicle makes one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Passage {
    /// Derived from what happened: the same act seen again has the same id.
    pub id: EventId,
    /// The camera.
    pub camera: CameraId,
    /// Seconds of the file or session at which it was best seen (the box below is of that frame).
    pub t_s: f64,
    /// The same instant in UTC.
    pub utc: UtcUs,
    /// Error of `utc` in milliseconds; null: unknown.
    pub error_ms: Option<f64>,
    /// The track's number, unique within a run of the camera.
    pub track: u64,
    /// What it is, by vote over the track.
    pub class: VehicleClass,
    /// Where it was at `t_s`, in pixels of `frame_px`.
    #[serde(rename = "box")]
    pub bbox: BoxPx,
    /// Size of the analysed stream's frame: what boxes and trajectory are measured in.
    pub frame_px: SizePx,
    /// Mean detection score over the track, 0 to 1.
    pub confidence: f64,
    /// Its plate, if read.
    pub plate: Option<PlateRead>,
    /// Speed by ground plane, if the camera is calibrated.
    pub speed_kmh: Option<f64>,
    /// The lane it spent most time in.
    pub lane: Option<String>,
    /// Frames it was seen in.
    pub frames: u32,
    /// When it was first seen.
    pub entered: UtcUs,
    /// When it was last seen.
    pub left: UtcUs,
    /// Where it went: at most 64 points.
    pub trajectory: Vec<TrackPoint>,
    /// What judged it.
    pub versions: Versions,
}

/// A rule that matched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Violation {
    /// Derived from what happened: the same act seen again has the same id.
    pub id: EventId,
    /// The camera.
    pub camera: CameraId,
    /// Seconds of the file or session at the moment of the act.
    pub t_s: f64,
    /// The same instant in UTC: what the law of the day and the deadlines count from.
    pub utc: UtcUs,
    /// Error of `utc` in milliseconds; null: unknown.
    pub error_ms: Option<f64>,
    /// The track's number.
    pub track: u64,
    /// What it is, by vote over the track.
    pub class: VehicleClass,
    /// Where it was at `t_s`, in pixels of `frame_px`.
    #[serde(rename = "box")]
    pub bbox: BoxPx,
    /// Size of the analysed stream's frame: what boxes are measured in. Stills may be of a larger stream.
    pub frame_px: SizePx,
    /// How sure the engine is, 0 to 1: the track's mean score, lowered by the rule where its evidence is thin.
    pub confidence: f64,
    /// Its plate, if read.
    pub plate: Option<PlateRead>,
    /// Speed by ground plane, if the camera is calibrated.
    pub speed_kmh: Option<f64>,
    /// The rule.
    pub rule: RuleKind,
    /// Live or shadow.
    pub mode: RuleMode,
    /// What was measured.
    pub measured: Quantities,
    /// What would have been allowed.
    pub limit: Quantities,
    /// What the signal showed at `t_s`, where the rule has one.
    pub signal: Option<SignalState>,
    /// What the signal controller said it showed at `t_s`, where one is connected.
    #[serde(default)]
    pub signal_controller: Option<SignalState>,
    /// What whoever decides must know, in words: e.g. that picture and controller contradict each other.
    #[serde(default)]
    pub doubts: Vec<String>,
    /// The lane it was in.
    pub lane: Option<String>,
    /// Moments the evidence shows.
    pub moments: Moments,
    /// Frames a second that were analysed around the act.
    pub analysed_fps: f64,
    /// True when that was below what the rule asks for.
    pub degraded: bool,
    /// The article the engine proposes; a person decides. Null: none valid on that day, or no catalogue row.
    pub law: Option<LegalRef>,
    /// What judged it.
    pub versions: Versions,
    /// The proof, once written.
    pub evidence: Option<EvidenceRef>,
}

/// Three instants that show the act.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Moments {
    /// Before.
    pub before: Moment,
    /// In the act.
    pub act: Moment,
    /// After.
    pub after: Moment,
}

/// An instant with the vehicle's place in it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Moment {
    /// The instant, with its error.
    pub time: CaptureTime,
    /// Where the vehicle was.
    #[serde(rename = "box")]
    pub bbox: BoxPx,
    /// What the signal showed, where the rule has one.
    pub signal: Option<SignalState>,
}

/// A row of the legal catalogue as it stood on the day of the act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LegalRef {
    /// Catalogue code, e.g. `MOTO_RED_LIGHT`.
    pub code: String,
    /// E.g. `ND168/2024 Art.7 cl.7 pt.c`.
    pub article: String,
    /// The act in Vietnamese, as the law words it.
    pub name_vi: String,
    /// The act in English.
    pub name_en: String,
    /// Lowest fine, VND.
    pub fine_min_vnd: u64,
    /// Highest fine, VND.
    pub fine_max_vnd: u64,
    /// Licence points.
    pub points: u32,
}

/// What judged an event: enough to judge it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Versions {
    /// `name@first 12 digits of sha256` of the detector.
    pub model: String,
    /// First 12 digits of the sha256 of the scene as resolved.
    pub scene: String,
    /// Version of the rules' code.
    pub engine: String,
}

/// Where the proof lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvidenceRef {
    /// Folder of the package below the evidence root, with `/`.
    pub path: String,
    /// SHA-256 of its `manifest.json`, hexadecimal.
    pub manifest_sha256: String,
    /// Files in it besides the manifest and its signature.
    pub files: Vec<String>,
}

/// Something about the road, not one vehicle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Incident {
    /// Derived from what happened: the same act seen again has the same id.
    pub id: EventId,
    /// The camera.
    pub camera: CameraId,
    /// Seconds of the file or session.
    pub t_s: f64,
    /// The same instant in UTC.
    pub utc: UtcUs,
    /// Error of `utc` in milliseconds; null: unknown.
    pub error_ms: Option<f64>,
    /// What, in one word: `queue`, `stopped_vehicle`.
    pub kind: String,
    /// The lane it is in.
    #[serde(default)]
    pub lane: Option<String>,
    /// What was measured.
    pub measured: Quantities,
}

/// What a person decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Verdict {
    /// It is a violation.
    Confirmed,
    /// It is not, or cannot be proved.
    Rejected,
    /// An earlier verdict was taken back; the violation waits again.
    Reopened,
}

impl Verdict {
    /// The word used in JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
            Self::Reopened => "reopened",
        }
    }
}

/// A person's decision about a violation. The one with the highest `revision` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Review {
    /// Derived from violation and revision.
    pub id: EventId,
    /// The violation.
    pub violation: EventId,
    /// The camera of the violation.
    pub camera: CameraId,
    /// When it was decided.
    pub utc: UtcUs,
    /// 1 for the first decision about the violation, then counting up.
    pub revision: u32,
    /// The decision.
    pub verdict: Verdict,
    /// Why it was rejected: a code of the page's list, e.g. `plate_unreadable`.
    pub reason: Option<String>,
    /// Free words.
    #[serde(default)]
    pub note: String,
    /// The plate as the person read it, where that is not what the engine read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate: Option<String>,
    /// Who, by user name.
    pub user: String,
}

impl Review {
    /// The id of revision `revision` of the decision about `violation`.
    #[must_use]
    pub fn id_of(violation: EventId, revision: u32) -> EventId {
        EventId::of(&["review", &violation.to_string(), &revision.to_string()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TimeSource;

    fn violation() -> Violation {
        let moment = |s: f64| Moment {
            time: CaptureTime { utc: UtcUs(0).plus_s(s), error_ms: Some(20.0), source: TimeSource::Receive },
            bbox: [1.0, 2.0, 3.0, 4.0].into(),
            signal: Some(SignalState::Red),
        };
        Violation {
            id: EventId::of(&["x"]),
            camera: CameraId::new("cam-1").expect("plain"),
            t_s: 12.4,
            utc: UtcUs(12_400_000),
            error_ms: None,
            track: 5,
            class: VehicleClass::Motorcycle,
            bbox: [1.0, 2.0, 3.0, 4.0].into(),
            frame_px: SizePx { w: 640, h: 360 },
            confidence: 0.8,
            plate: None,
            speed_kmh: None,
            rule: RuleKind::RedLight,
            mode: RuleMode::Live,
            measured: [("red_for_s".to_owned(), 3.8)].into(),
            limit: [("red_for_s".to_owned(), 0.0)].into(),
            signal: Some(SignalState::Red),
            signal_controller: None,
            doubts: Vec::new(),
            lane: None,
            moments: Moments { before: moment(11.4), act: moment(12.4), after: moment(13.4) },
            analysed_fps: 6.0,
            degraded: false,
            law: None,
            versions: Versions { model: "m".into(), scene: "s".into(), engine: "e".into() },
            evidence: None,
        }
    }

    #[test]
    fn json_is_the_contract() -> Result<(), serde_json::Error> {
        let event = Event::Violation(Box::new(violation()));
        let json = serde_json::to_value(&event)?;
        for field in ["event", "id", "camera", "t_s", "utc", "error_ms", "track", "class", "box", "plate", "speed_kmh"]
        {
            assert!(json.get(field).is_some(), "{field} is missing");
        }
        assert_eq!(json["event"], "violation");
        assert_eq!(json["class"], "motorcycle");
        assert_eq!(json["box"], serde_json::json!([1.0, 2.0, 3.0, 4.0]));
        assert_eq!(json["utc"], "1970-01-01T00:00:12.400000Z");
        assert_eq!(json["rule"], "red_light");
        assert_eq!(json["signal"], "red");
        assert_eq!(serde_json::from_value::<Event>(json)?, event);
        Ok(())
    }
}
