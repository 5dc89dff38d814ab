//! Questions about the past and their answers: what `store` can answer and `web` asks.

use serde::{Deserialize, Serialize};

use crate::{CameraId, Review, RuleKind, UtcUs, VehicleClass, Violation};

/// Where a violation stands in review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum CaseStatus {
    /// Nobody has decided.
    Waiting,
    /// A person confirmed it.
    Confirmed,
    /// A person rejected it.
    Rejected,
}

impl CaseStatus {
    /// The word used in JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
        }
    }
}

/// A violation with the decision that holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Case {
    /// The violation.
    pub violation: Violation,
    /// Where it stands.
    pub status: CaseStatus,
    /// The decision with the highest revision, if any.
    pub review: Option<Review>,
}

/// In which order cases come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseOrder {
    /// Newest act first.
    #[default]
    Newest,
    /// Oldest act first: the one whose deadline comes first.
    Oldest,
}

/// Which violations. Empty fields do not narrow. Newest first unless `order` says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseFilter {
    /// Only these in review.
    pub status: Option<CaseStatus>,
    /// Only this rule.
    pub rule: Option<RuleKind>,
    /// Only this camera.
    pub camera: Option<CameraId>,
    /// Only these cameras; `None`: any. An empty list finds nothing.
    pub cameras: Option<Vec<CameraId>>,
    /// Only this plate, in its canonical form.
    pub plate: Option<String>,
    /// At or after.
    pub from: Option<UtcUs>,
    /// Before.
    pub to: Option<UtcUs>,
    /// Continue after this row: time and id of the last one seen.
    pub after: Option<(UtcUs, crate::EventId)>,
    /// At most so many rows.
    pub limit: u32,
    /// The order.
    pub order: CaseOrder,
}

/// How a plate is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlateMatch {
    /// As a pattern: `*` stands for any run of characters, `?` for one.
    #[default]
    Pattern,
    /// All of it but one character wrong, missing or too many; characters that readers take for one another (0 and O, 8 and
    /// B, …) count as the same.
    Near,
}

/// Which passages. Empty fields do not narrow. Newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassageFilter {
    /// Canonical plate text, or a pattern of it.
    pub plate: Option<String>,
    /// How `plate` is compared.
    pub plate_match: PlateMatch,
    /// Only this class.
    pub class: Option<VehicleClass>,
    /// Only this camera.
    pub camera: Option<CameraId>,
    /// Only these cameras; `None`: any. An empty list finds nothing.
    pub cameras: Option<Vec<CameraId>>,
    /// At or after.
    pub from: Option<UtcUs>,
    /// Before.
    pub to: Option<UtcUs>,
    /// Continue after this row: time and id of the last one seen.
    pub after: Option<(UtcUs, crate::EventId)>,
    /// At most so many rows.
    pub limit: u32,
}

/// A table that can be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportTable {
    /// Violations with where they stand.
    Cases,
    /// Passages.
    Passages,
}

/// What is taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportQuery {
    /// Which table.
    pub table: ExportTable,
    /// At or after.
    pub from: UtcUs,
    /// Before.
    pub to: UtcUs,
    /// Only these cameras; `None`: any.
    pub cameras: Option<Vec<CameraId>>,
    /// Whether plates are told.
    pub plates: bool,
}

/// Violations of one rule in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HourCount {
    /// Start of the hour.
    pub hour: UtcUs,
    /// The rule.
    pub rule: RuleKind,
    /// All candidates.
    pub candidates: u64,
    /// Confirmed by a person.
    pub confirmed: u64,
    /// Rejected by a person.
    pub rejected: u64,
}

/// Passages of one class in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrafficCount {
    /// Start of the hour.
    pub hour: UtcUs,
    /// The class.
    pub class: VehicleClass,
    /// Passages.
    pub passages: u64,
}

/// How a tally divides time, which is that of Vietnam (UTC+7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum TallyTime {
    /// Not at all.
    #[default]
    Whole,
    /// By hour.
    Hour,
    /// By day.
    Day,
    /// By hour of the week.
    HourOfWeek,
}

/// What is counted, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TallyQuery {
    /// At or after.
    pub from: UtcUs,
    /// Before.
    pub to: UtcUs,
    /// Only these cameras; `None`: any.
    pub cameras: Option<Vec<CameraId>>,
    /// Only this rule.
    pub rule: Option<RuleKind>,
    /// How time is divided.
    pub time: TallyTime,
    /// One row a camera.
    pub by_camera: bool,
    /// One row a rule.
    pub by_rule: bool,
}

/// Violations of one division.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tally {
    /// Start of the hour or day, in microseconds since 1970 UTC; or the hour of the week, 0 for Monday's first; null
    /// where time was not divided.
    pub slot: Option<i64>,
    /// The camera; null where not asked for.
    pub camera: Option<CameraId>,
    /// The rule; null where not asked for.
    pub rule: Option<RuleKind>,
    /// All candidates.
    pub candidates: u64,
    /// Confirmed by a person.
    pub confirmed: u64,
    /// Rejected by a person.
    pub rejected: u64,
}

/// Passages of one division.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PassageTally {
    /// As [`Tally::slot`].
    pub slot: Option<i64>,
    /// The camera; null where not asked for.
    pub camera: Option<CameraId>,
    /// All passages.
    pub passages: u64,
    /// Of vehicles that bear a plate: not bicycles, not pedestrians.
    pub with_plate: u64,
    /// Of these, how many plates were read.
    pub plates_read: u64,
}

/// A plate with several violations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Offender {
    /// The plate, in its canonical form.
    pub plate: String,
    /// All candidates.
    pub candidates: u64,
    /// Confirmed by a person.
    pub confirmed: u64,
    /// The newest act.
    pub last: UtcUs,
}
