//! What the pages ask, answered over the store, the cameras' rings and the evidence folder.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::StreamExt as _;
use stopline_ingest::{Codec, Packet};
use stopline_store::{
    Store, StoreError,
    ship::{ShipState, Shipper},
    spool::Spool,
};
use stopline_types::{
    CameraId, CameraStatus, Case, CaseFilter, CaseStatus, Event, EventId, EvidenceRef, HourCount, Offender, Passage,
    PassageFilter, PassageTally, Review, Tally, TallyQuery, TrafficCount, UtcUs,
};
use stopline_web::{
    Answer, Backend, BackendError, CameraImage, CameraInfo, Certificate, Device, EvidenceFile, Health, LivePacket,
    LivePackets, SceneFault, Storage, StoragePart, StoreState,
};
use tokio::sync::broadcast;

use crate::{
    config::CameraConfig,
    engine::{cameras::Cameras, intake::Intake, lag::Lag, stills},
    scene_file::{self, NotSaved},
};

/// How far back the latest picture of a camera may lie.
const LATEST_S: f64 = 4.0;

/// The engine as the pages see it.
pub(crate) struct EngineBackend {
    pub(crate) store: Store,
    pub(crate) cameras: Arc<Cameras>,
    pub(crate) data_dir: PathBuf,
    pub(crate) evidence_dir: PathBuf,
    pub(crate) intake: Intake,
    pub(crate) spool: Arc<Spool>,
    pub(crate) shipping: Arc<Shipper>,
    pub(crate) lag: Arc<Lag>,
    pub(crate) started: UtcUs,
    pub(crate) saving: tokio::sync::Mutex<()>,
}

/// A camera as its file says it.
fn info(camera: &CameraConfig) -> CameraInfo {
    let device = camera.device.as_ref().map(|device| Device {
        name: device.name.clone(),
        serial: device.serial.clone(),
        certificate: device.certificate.as_ref().map(|certificate| Certificate {
            number: certificate.number.clone(),
            issuer: certificate.issuer.clone(),
            issued: certificate.issued.clone(),
            expires: certificate.expires.clone(),
        }),
    });
    CameraInfo {
        camera: camera.id.clone(),
        name: camera.name.clone(),
        site: camera.site.clone(),
        position: camera.position,
        device,
    }
}

/// Bytes of all files below a folder; files that go meanwhile count nothing.
fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => bytes_below(&entry.path()),
            Ok(_) => entry.metadata().map_or(0, |about| about.len()),
            Err(_) => 0,
        })
        .sum()
}

fn live_packet(packet: Packet) -> LivePacket {
    LivePacket {
        data: packet.data,
        key: packet.key,
        media_us: packet.media_us,
        session: packet.session,
        utc: packet.time.utc,
    }
}

/// What came since the last key frame, then what comes. After a gap it goes on with a key frame.
fn followed(begin: Vec<Packet>, rest: broadcast::Receiver<Packet>) -> LivePackets {
    let coming = futures::stream::unfold((rest, false), |(mut rest, mut torn)| async move {
        loop {
            match rest.recv().await {
                Ok(packet) if torn && !packet.key => {}
                Ok(packet) => return Some((packet, (rest, false))),
                Err(broadcast::error::RecvError::Lagged(_)) => torn = true,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    });
    futures::stream::iter(begin).chain(coming).map(live_packet).boxed()
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

    fn camera_infos(&self) -> Answer<'_, Vec<CameraInfo>> {
        Box::pin(async move { Ok(self.cameras.all().iter().map(|entry| info(&entry.source.camera)).collect()) })
    }

    fn live(&self, camera: CameraId) -> Answer<'_, LivePackets> {
        Box::pin(async move {
            let entry = self.cameras.get(&camera).ok_or(BackendError::NotFound)?;
            let (begin, rest) = entry.source.ring.follow();
            match begin.first().map(|packet| packet.format.codec) {
                Some(Codec::H264) => Ok(followed(begin, rest)),
                Some(codec) => Err(BackendError::Unavailable(format!("the camera sends {codec}, browsers play H.264"))),
                None => Err(BackendError::Unavailable("no picture has come yet".to_owned())),
            }
        })
    }

    fn scene(&self, camera: CameraId) -> Answer<'_, Option<serde_json::Value>> {
        Box::pin(async move {
            let entry = self.cameras.get(&camera).ok_or(BackendError::NotFound)?;
            let as_json = entry.source.camera.scene_config.as_ref().map(serde_json::to_value).transpose();
            as_json.map_err(|e| BackendError::Fault(e.to_string()))
        })
    }

    fn check_scene(&self, camera: CameraId, scene: serde_json::Value) -> Answer<'_, Vec<SceneFault>> {
        Box::pin(async move {
            self.cameras.get(&camera).ok_or(BackendError::NotFound)?;
            Ok(scene_file::read(&scene).err().unwrap_or_default())
        })
    }

    fn save_scene(&self, camera: CameraId, scene: serde_json::Value) -> Answer<'_, Vec<SceneFault>> {
        Box::pin(async move {
            let entry = self.cameras.get(&camera).ok_or(BackendError::NotFound)?;
            let (file, kept) = (entry.source.camera.file.clone(), self.data_dir.join("scenes").join(camera.as_str()));
            // Two people who save at once do so one after the other.
            let _turn = self.saving.lock().await;
            let saved = tokio::task::spawn_blocking(move || scene_file::save(&file, &kept, &scene));
            match saved.await.map_err(|e| BackendError::Fault(e.to_string()))? {
                Ok(()) => Ok(Vec::new()),
                Err(NotSaved::Faults(faults)) => Ok(faults),
                Err(NotSaved::Io { path, error }) => {
                    tracing::error!(%camera, path = %path.display(), "a scene is not saved: {error}");
                    Err(BackendError::Unavailable(format!("the camera's file cannot be written: {}", error.kind())))
                }
            }
        })
    }

    fn tally(&self, query: TallyQuery) -> Answer<'_, Vec<Tally>> {
        Box::pin(async move { self.store.tally(&query).await.map_err(from_store) })
    }

    fn tally_passages(&self, query: TallyQuery) -> Answer<'_, Vec<PassageTally>> {
        Box::pin(async move { self.store.tally_passages(&query).await.map_err(from_store) })
    }

    fn offenders(&self, query: TallyQuery, limit: u32) -> Answer<'_, Vec<Offender>> {
        Box::pin(async move { self.store.offenders(&query, limit).await.map_err(from_store) })
    }

    fn storage(&self) -> Answer<'_, Storage> {
        let (data, evidence) = (self.data_dir.clone(), self.evidence_dir.clone());
        Box::pin(async move {
            let measured = tokio::task::spawn_blocking(move || {
                let disk = rustix::fs::statvfs(&data).map_err(|e| BackendError::Unavailable(e.to_string()))?;
                let parts = [("evidence", evidence), ("store", data.join("clickhouse")), ("spool", data.join("spool"))];
                let parts = parts.map(|(name, folder)| StoragePart {
                    name: name.to_owned(),
                    bytes: bytes_below(&folder),
                    bytes_per_day: None,
                });
                Ok::<_, BackendError>(Storage {
                    total_bytes: disk.f_blocks * disk.f_frsize,
                    free_bytes: disk.f_bavail * disk.f_frsize,
                    parts: parts.into(),
                })
            });
            measured.await.map_err(|e| BackendError::Fault(e.to_string()))?
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
