//! What the pages ask, answered over the store, the cameras' rings and the evidence folder.

use std::{path::PathBuf, sync::Arc};

use stopline_store::{
    Store, StoreError,
    ship::{ShipState, Shipper},
    spool::Spool,
};
use stopline_types::{
    CameraId, CameraStatus, Case, CaseFilter, CaseStatus, Event, EventId, EvidenceRef, HourCount, Passage,
    PassageFilter, Review, TrafficCount, UtcUs,
};
use stopline_web::{Answer, Backend, BackendError, CameraImage, EvidenceFile, Health, StoreState};
use tokio::sync::broadcast;

use crate::engine::{cameras::Cameras, intake::Intake, lag::Lag, stills};

/// How far back the latest picture of a camera may lie.
const LATEST_S: f64 = 4.0;

/// The engine as the pages see it.
pub(crate) struct EngineBackend {
    pub(crate) store: Store,
    pub(crate) cameras: Arc<Cameras>,
    pub(crate) evidence_dir: PathBuf,
    pub(crate) intake: Intake,
    pub(crate) spool: Arc<Spool>,
    pub(crate) shipping: Arc<Shipper>,
    pub(crate) lag: Arc<Lag>,
    pub(crate) started: UtcUs,
}

fn from_store(error: StoreError) -> BackendError {
    match error {
        StoreError::Timeout { .. } => BackendError::Unavailable("the store does not answer in time".into()),
        other => BackendError::Fault(other.to_string()),
    }
}

impl Backend for EngineBackend {
    fn cases(&self, filter: CaseFilter) -> Answer<'_, Vec<Case>> {
        Box::pin(async move { self.store.cases(&filter).await.map_err(from_store) })
    }

    fn case(&self, id: EventId) -> Answer<'_, Case> {
        Box::pin(async move {
            if let Some(case) = self.store.case(id).await.map_err(from_store)? {
                return Ok(case);
            }
            // Durable, but its row is still on the way: a page that was told of it asks at once.
            let violation = self.intake.recent(id).ok_or(BackendError::NotFound)?;
            Ok(Case { violation, status: CaseStatus::Waiting, review: None })
        })
    }

    fn passages(&self, filter: PassageFilter) -> Answer<'_, Vec<Passage>> {
        Box::pin(async move { self.store.passages(&filter).await.map_err(from_store) })
    }

    fn counts(&self, from: UtcUs, to: UtcUs) -> Answer<'_, Vec<HourCount>> {
        Box::pin(async move { self.store.hours(Some(from), Some(to)).await.map_err(from_store) })
    }

    fn traffic(&self, from: UtcUs, to: UtcUs) -> Answer<'_, Vec<TrafficCount>> {
        Box::pin(async move { self.store.traffic(Some(from), Some(to)).await.map_err(from_store) })
    }

    fn cameras(&self) -> Answer<'_, Vec<CameraStatus>> {
        Box::pin(async move { Ok(self.cameras.statuses()) })
    }

    fn camera_image(&self, camera: CameraId) -> Answer<'_, CameraImage> {
        let ring = self.cameras.get(&camera).map(|entry| entry.camera.evidence_ring());
        Box::pin(async move {
            let ring = ring.ok_or(BackendError::NotFound)?;
            let made = tokio::task::spawn_blocking(move || {
                let latest = ring.stats().newest?;
                let cut = ring.cut(latest.plus_s(-LATEST_S), latest).ok()?;
                let still = cut.stills(&[latest]).ok()?.pop()?;
                Some(CameraImage { jpeg: stills::jpeg(&still.image).ok()?.into(), utc: still.time })
            });
            made.await.map_err(|e| BackendError::Fault(e.to_string()))?.ok_or(BackendError::NotFound)
        })
    }

    fn evidence_file(&self, evidence: EvidenceRef, name: String) -> Answer<'_, EvidenceFile> {
        let path = self.evidence_dir.join(&evidence.path).join(name);
        Box::pin(async move {
            let file = tokio::fs::File::open(&path).await.map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => BackendError::NotFound,
                _ => BackendError::Fault(format!("{}: {e}", path.display())),
            })?;
            let bytes = file.metadata().await.map_err(|e| BackendError::Fault(e.to_string()))?.len();
            Ok(EvidenceFile { file, bytes })
        })
    }

    fn append_review(&self, review: Review) -> Answer<'_, ()> {
        let spool = Arc::clone(&self.spool);
        let intake = self.intake.clone();
        Box::pin(async move {
            // Straight to the spool, not through the intake's queue: the officer waits for it.
            let event = Event::Review(review);
            let written = tokio::task::spawn_blocking(move || {
                spool.append(std::slice::from_ref(&event)).map(|_| intake.announce(event))
            });
            written
                .await
                .map_err(|e| BackendError::Fault(e.to_string()))?
                .map_err(|e| BackendError::Unavailable(format!("the decision could not be kept: {e}")))
        })
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.intake.subscribe()
    }

    fn health(&self) -> Answer<'_, Health> {
        Box::pin(async move {
            let shipping = self.shipping.stats();
            let spool = self.spool.stats().map_err(|e| BackendError::Unavailable(e.to_string()))?;
            let store = match shipping.state {
                ShipState::Waiting | ShipState::Stopped => StoreState::Down,
                ShipState::Idle | ShipState::Sending => StoreState::Ready,
            };
            let now = UtcUs::from(std::time::SystemTime::now());
            Ok(Health {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                started: self.started,
                store,
                store_reason: shipping.last_error,
                spool_events: spool.records,
                spool_bytes: spool.bytes,
                store_lag_s: shipping.oldest_unshipped.map(|oldest| now.since_s(oldest).max(0.0)),
                analysis_lag_p95_s: self.lag.p95_s(),
            })
        })
    }
}
