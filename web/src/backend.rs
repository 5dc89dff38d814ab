//! The seam to the rest of the engine: what `web` asks and what it hands over.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use stopline_types::{
    CameraId, CameraStatus, Case, CaseFilter, Event, EventId, EvidenceRef, HourCount, Passage, PassageFilter, Review,
    TrafficCount, UtcUs,
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
