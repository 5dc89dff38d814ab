//! The cameras at work: added, changed and removed while the engine runs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use stopline_detect::{analyze::Analyzer, law::Catalogue};
use stopline_ingest::{Camera, CameraSpec, Devices, Ring, RingLimits, handoff::Hub};
use stopline_types::{CameraId, CameraStatus, Detection, Frame, SizePx};
use tokio::task::JoinSet;

use super::{controller, detection, evidence::Source, moments::Moments, outlets::Found, view::Views};
use crate::config::CameraConfig;

/// A camera and what follows what it sees.
pub(crate) struct Entry {
    pub camera: Camera,
    /// What evidence of it needs.
    pub source: Arc<Source>,
    follows: Mutex<(Analyzer, Moments)>,
}

impl Entry {
    /// How the camera is doing, and whether its rules rest.
    pub(crate) fn status(&self) -> CameraStatus {
        CameraStatus { rules_rest: self.analyze(|analyzer| analyzer.suspended()), ..self.camera.status() }
    }

    /// Asks or tells its analyzer.
    pub(crate) fn analyze<T>(&self, ask: impl FnOnce(&mut Analyzer) -> T) -> T {
        ask(&mut self.follows.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Follows what was detected in a frame.
    pub(crate) fn observe(&self, frame: &Frame, detections: Vec<Detection>) -> Found {
        let mut follows = self.follows.lock().unwrap_or_else(PoisonError::into_inner);
        let (analyzer, moments) = &mut *follows;
        let events = analyzer.observe(frame, detections);
        let jobs = moments.observed(analyzer, frame, events);
        Found { source: Arc::clone(&self.source), jobs }
    }

    /// Ends all tracks.
    pub(crate) fn finish(&self) -> Found {
        let mut follows = self.follows.lock().unwrap_or_else(PoisonError::into_inner);
        let (analyzer, moments) = &mut *follows;
        let jobs = moments.jobs(analyzer.finish());
        Found { source: Arc::clone(&self.source), jobs }
    }
}

/// What every camera is made with.
pub(crate) struct Kit {
    pub hub: Arc<Hub>,
    pub law: Arc<Catalogue>,
    pub model: String,
    /// The detector's input.
    pub fit: SizePx,
    pub max_fps: f64,
    pub ring: RingLimits,
    /// What is known of the cameras' views.
    pub views: Views,
}

/// All of them.
pub(crate) struct Cameras {
    kit: Kit,
    devices: Devices,
    runtime: tokio::runtime::Handle,
    entries: RwLock<BTreeMap<CameraId, Arc<Entry>>>,
}

impl Cameras {
    /// None yet. Must be called in a runtime.
    pub(crate) fn new(kit: Kit) -> Self {
        let runtime = tokio::runtime::Handle::current();
        Self { kit, devices: Devices::default(), runtime, entries: RwLock::default() }
    }

    pub(crate) fn get(&self, id: &CameraId) -> Option<Arc<Entry>> {
        self.read().get(id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        self.read().values().cloned().collect()
    }

    pub(crate) fn statuses(&self) -> Vec<CameraStatus> {
        self.all().iter().map(|entry| entry.status()).collect()
    }

    /// Starts a camera that is not there yet.
    pub(crate) fn add(&self, config: CameraConfig) -> std::io::Result<()> {
        let ring = Ring::new(self.kit.ring);
        self.put(config, ring)
    }

    /// Puts a camera in the place of the one with its id. Packets kept stay, if they are of the same stream. Gives what
    /// the old one's tracks ended with.
    pub(crate) async fn replace(&self, config: CameraConfig) -> std::io::Result<Option<Found>> {
        let Some(old) = self.get(&config.id) else { return self.add(config).map(|()| None) };
        old.camera.stop().await;
        let found = old.finish();
        let same = old.source.camera.streams.is_evidence_of(&config.streams);
        let ring = if same { old.source.ring.clone() } else { Ring::new(self.kit.ring) };
        if !same {
            old.source.ring.end();
        }
        self.kit.views.keep(&old);
        self.put(config, ring)?;
        Ok(Some(found))
    }

    /// Stops a camera and forgets it; gives what its tracks ended with.
    pub(crate) async fn remove(&self, id: &CameraId) -> Option<Found> {
        let entry = self.write().remove(id)?;
        entry.camera.stop().await;
        entry.source.ring.end();
        Some(entry.finish())
    }

    /// Stops all of them, side by side.
    pub(crate) async fn stop_all(&self) {
        let mut stopping = JoinSet::new();
        for entry in self.all() {
            stopping.spawn(async move {
                entry.camera.stop().await;
                entry.source.ring.end();
            });
        }
        while stopping.join_next().await.is_some() {}
    }

    /// Starts a camera, in the place of one with its id.
    fn put(&self, config: CameraConfig, ring: Ring) -> std::io::Result<()> {
        let (id, controller) = (config.id.clone(), config.controller.clone());
        let entry = Arc::new(self.started(config, ring)?);
        if let Some(controller) = controller {
            controller::ask(controller, Arc::downgrade(&entry))?;
        }
        self.write().insert(id, entry);
        Ok(())
    }

    fn started(&self, config: CameraConfig, ring: Ring) -> std::io::Result<Entry> {
        let kit = &self.kit;
        let spec = CameraSpec {
            id: config.id.clone(),
            name: config.name.clone(),
            streams: config.enabled.then(|| config.streams.clone()),
            plan: Some(detection::plan(kit.fit, kit.max_fps, config.scene.as_deref())),
            ring: ring.clone(),
        };
        let mailbox = kit.hub.mailbox(&config.id, 1.0);
        let camera = Camera::start(spec, mailbox, &self.devices, &self.runtime)?;
        let (scene, law) = (config.scene.clone(), Arc::clone(&kit.law));
        let mut analyzer = Analyzer::new(config.id.clone(), scene, law, kit.model.clone());
        kit.views.restore(&config.id, &mut analyzer);
        let follows = Mutex::new((analyzer, Moments::default()));
        Ok(Entry { camera, follows, source: Arc::new(Source { ring, camera: config }) })
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<CameraId, Arc<Entry>>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<CameraId, Arc<Entry>>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}
