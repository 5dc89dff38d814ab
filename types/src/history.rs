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

/// Which violations. Empty fields do not narrow. Newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseFilter {
    /// Only these in review.
    pub status: Option<CaseStatus>,
    /// Only this rule.
    pub rule: Option<RuleKind>,
    /// Only this camera.
    pub camera: Option<CameraId>,
    /// At or after.
    pub from: Option<UtcUs>,
    /// Before.
    pub to: Option<UtcUs>,
    /// Continue after this row: time and id of the last one seen.
    pub after: Option<(UtcUs, crate::EventId)>,
    /// At most so many rows.
    pub limit: u32,
}

/// Which passages. Empty fields do not narrow. Newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassageFilter {
    /// Canonical plate text; `*` stands for any run of characters, `?` for one.
    pub plate: Option<String>,
    /// Only this class.
    pub class: Option<VehicleClass>,
    /// Only this camera.
    pub camera: Option<CameraId>,
    /// At or after.
    pub from: Option<UtcUs>,
    /// Before.
    pub to: Option<UtcUs>,
    /// Continue after this row: time and id of the last one seen.
    pub after: Option<(UtcUs, crate::EventId)>,
    /// At most so many rows.
    pub limit: u32,
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
