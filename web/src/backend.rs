//! The seam to the rest of the engine: what `web` asks and what it hands over.

use std::sync::Arc;

use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use serde::{Deserialize, Serialize};
use stopline_types::{
    CameraId, CameraStatus, Case, CaseFilter, Event, EventId, EvidenceRef, HourCount, Offender, Passage, PassageFilter,
    PassageTally, Review, Tally, TallyQuery, TrafficCount, UtcUs,
};
use tokio::sync::broadcast;

/// Why a question was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// There is no such thing.
    #[error("not found")]
    NotFound,
    /// The part that knows cannot answer now; worth asking again. The reason is shown to people, so it names no
    /// path, address or credential.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// A fault of ours. The text goes to the log, never to people.
    #[error("{0}")]
    Fault(String),
}

/// Answers to come.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, BackendError>>;

/// An opened file of an evidence package.
#[derive(Debug)]
pub struct EvidenceFile {
    /// Opened for reading, at its start.
    pub file: tokio::fs::File,
    /// Its length in bytes.
    pub bytes: u64,
}

/// A camera's latest picture.
#[derive(Debug, Clone)]
pub struct CameraImage {
    /// The JPEG.
    pub jpeg: Bytes,
    /// When it was taken.
    pub utc: UtcUs,
}

/// A camera as configured.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct CameraInfo {
    /// The camera.
    #[schema(value_type = String)]
    pub camera: CameraId,
    /// Its name for people.
    pub name: String,
    /// The place it stands at; empty: not said.
    pub site: String,
    /// Latitude and longitude, degrees WGS84; null: not said.
    pub position: Option<[f64; 2]>,
    /// The device and its verification; null: not said.
    pub device: Option<Device>,
}

/// A device as evidence names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Device {
    /// Make and model.
    pub name: String,
    /// Serial number.
    pub serial: String,
    /// Its verification (for speed meters in Vietnam: ĐLVN 157:2019); null: none.
    pub certificate: Option<Certificate>,
}

/// A device's verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Certificate {
    /// Its number.
    pub number: String,
    /// Who gave it.
    pub issuer: String,
    /// First day it is valid, `YYYY-MM-DD`.
    pub issued: String,
    /// Last day it is valid, `YYYY-MM-DD`.
    pub expires: String,
}

/// An encoded picture of a camera's stream.
#[derive(Debug, Clone)]
pub struct LivePacket {
    /// The access unit: H.264 Annex B, with the parameter sets before every key frame.
    pub data: Bytes,
    /// Decodable without any other.
    pub key: bool,
    /// Presentation time since the session began, microseconds.
    pub media_us: i64,
    /// Numbers the camera's sessions: media times are comparable only within one.
    pub session: u32,
    /// When it was taken.
    pub utc: UtcUs,
}

/// Pictures as they come; the first is a key frame. After a gap the next is one again.
pub type LivePackets = BoxStream<'static, LivePacket>;

/// One thing that is wrong with a scene.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SceneFault {
    /// Where, e.g. `stop_lines[0].signal`.
    pub key: String,
    /// What was expected and what was found.
    pub reason: String,
}

/// What lies on the disk, and how fast it grows.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Storage {
    /// Size of the disk, bytes.
    pub total_bytes: u64,
    /// Free for us, bytes.
    pub free_bytes: u64,
    /// What lies there.
    pub parts: Vec<StoragePart>,
}

/// One part of what lies on the disk.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct StoragePart {
    /// `evidence`, `store` or `spool`.
    pub name: String,
    /// Its size, bytes.
    pub bytes: u64,
    /// How much it grew a day, of late; null: not known yet.
    pub bytes_per_day: Option<f64>,
}

/// What the store is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreState {
    /// Being started or reached for the first time.
    Starting,
    /// Answers and takes rows.
    Ready,
    /// Does not; events wait in the spool.
    Down,
}

/// How the path from camera to table is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Health {
    /// Version of the engine.
    pub version: String,
    /// When the engine started.
    pub started: UtcUs,
    /// What the store is doing.
    pub store: StoreState,
    /// Why, in words; empty when ready.
    pub store_reason: String,
    /// Events on disk that the store has not acknowledged.
    pub spool_events: u64,
    /// Bytes of the spool on disk.
    pub spool_bytes: u64,
    /// Age in seconds of the oldest event that the store has not acknowledged; null: none waits.
    pub store_lag_s: Option<f64>,
    /// Delay in seconds from capture to analysis, 95th percentile over the last minute; null: nothing analysed.
    pub analysis_lag_p95_s: Option<f64>,
}

/// What the root binary provides over `store` and `ingest`.
///
/// Lists come newest first. Nothing here blocks a thread.
pub trait Backend: Send + Sync + 'static {
    /// Violations with the decision the store knows of. The decision may lag behind: `web` lays its own over it.
    fn cases(&self, filter: CaseFilter) -> Answer<'_, Vec<Case>>;

    /// One violation.
    fn case(&self, id: EventId) -> Answer<'_, Case>;

    /// Passages.
    fn passages(&self, filter: PassageFilter) -> Answer<'_, Vec<Passage>>;

    /// Violations by rule and hour, `from` inclusive, `to` exclusive.
    fn counts(&self, from: UtcUs, to: UtcUs) -> Answer<'_, Vec<HourCount>>;

    /// Passages by class and hour, `from` inclusive, `to` exclusive.
    fn traffic(&self, from: UtcUs, to: UtcUs) -> Answer<'_, Vec<TrafficCount>>;

    /// Every configured camera with its state.
    fn cameras(&self) -> Answer<'_, Vec<CameraStatus>>;

    /// The camera's latest picture. [`BackendError::NotFound`] when there is none, or no such camera.
    fn camera_image(&self, camera: CameraId) -> Answer<'_, CameraImage>;

    /// Every configured camera as it is configured.
    fn camera_infos(&self) -> Answer<'_, Vec<CameraInfo>>;

    /// The camera's own pictures as they come, from its last key frame on. [`BackendError::Unavailable`] where they are
    /// not H.264 or none have come.
    fn live(&self, camera: CameraId) -> Answer<'_, LivePackets>;

    /// The camera's scene, as its file says it; `None`: it has none.
    fn scene(&self, camera: CameraId) -> Answer<'_, Option<serde_json::Value>>;

    /// Everything that is wrong with a scene; empty: nothing.
    fn check_scene(&self, camera: CameraId, scene: serde_json::Value) -> Answer<'_, Vec<SceneFault>>;

    /// Keeps a scene that was checked and judges by it from the next frame on. The faults, if it has any; then nothing
    /// was changed.
    fn save_scene(&self, camera: CameraId, scene: serde_json::Value) -> Answer<'_, Vec<SceneFault>>;

    /// Violations by time, camera and rule.
    fn tally(&self, query: TallyQuery) -> Answer<'_, Vec<Tally>>;

    /// Passages by time and camera.
    fn tally_passages(&self, query: TallyQuery) -> Answer<'_, Vec<PassageTally>>;

    /// Plates with two or more violations that nobody has rejected, most first.
    fn offenders(&self, query: TallyQuery, limit: u32) -> Answer<'_, Vec<Offender>>;

    /// What lies on the disk.
    fn storage(&self) -> Answer<'_, Storage>;

    /// Opens `name` in the package. `web` calls it only with a plain name that stands in `evidence.files`, or
    /// `manifest.json`, `manifest.sig` or `public.pem`, and with the reference of a violation that the backend itself gave.
    fn evidence_file(&self, evidence: EvidenceRef, name: String) -> Answer<'_, EvidenceFile>;

    /// Puts a decision on the durable path; returns when it is on disk. Handing over the same review twice must make
    /// one: its id is deterministic.
    fn append_review(&self, review: Review) -> Answer<'_, ()>;

    /// Every event from now on.
    fn subscribe(&self) -> broadcast::Receiver<Arc<Event>>;

    /// How the path is doing.
    fn health(&self) -> Answer<'_, Health>;
}
