//! The vocabulary every part of stopline shares.
//!
//! Plain data only: no I/O, no threads, no clock. What is defined here is spoken alike in code, on the spool,
//! in ClickHouse tables, in the HTTP API and on the pages. The JSON of [`Event`] is a public contract: fields are
//! added, never renamed or removed.

pub mod envelope;
pub mod event;
pub mod frame;
pub mod geometry;
pub mod history;
pub mod id;
#[cfg(feature = "openapi")]
mod openapi;
pub mod plate;
pub mod rule;
pub mod status;
pub mod time;
pub mod vehicle;

pub use envelope::Envelope;
pub use event::{
    Event, EvidenceRef, Incident, LegalRef, Moments, Passage, Quantities, Review, SCHEMA_VERSION, TrackPoint, Verdict,
    Versions, Violation,
};
pub use frame::{BgrImage, Crop, Frame};
pub use geometry::{BoxPx, PointPx, SizePx};
pub use history::{
    Case, CaseFilter, CaseOrder, CaseStatus, ExportQuery, ExportTable, HourCount, Offender, PassageFilter,
    PassageTally, PlateMatch, Tally, TallyQuery, TallyTime, TrafficCount,
};
pub use id::{CameraId, EventId, IdError, StreamRole};
pub use plate::{PlateAlternative, PlateColour, PlateDoubt, PlateEdit, PlateKind, PlateProvince, PlateRead, PlateSeen};
pub use rule::{RuleKind, RuleMode};
pub use status::{CameraCounters, CameraState, CameraStatus};
pub use time::{CaptureTime, TimeSource, UtcUs};
pub use vehicle::{Detection, SignalState, VehicleClass};
