//! The engine: everything started in the order of the data's path and stopped in the same order, so that whatever
//! is under way reaches the store.
//!
//! camera → mailbox → worker (detector, tracker, rules) → [`plates::PlateDesk`] → [`evidence::Prover`] for violations →
//! [`intake::Intake`] → spool → ClickHouse, or at an edge → Kafka.

pub(crate) mod cameras;
mod controller;
pub(crate) mod detection;
pub(crate) mod evidence;
mod history;
pub(crate) mod intake;
pub(crate) mod lag;
mod metrics;
pub(crate) mod moments;
mod onward;
pub(crate) mod outlets;
mod pages;
pub(crate) mod plates;
mod plates_borne;
mod plates_looks;
mod reload;
pub(crate) mod sections;
mod sharing;
pub(crate) mod stills;
mod view;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use cameras::{Cameras, Kit};
use evidence::{Prover, ProverThread, Source};
use intake::{Intake, IntakeThread, OnDurable};
use lag::Lag;
use onward::Onward;
use outlets::{Found, Outlets, prove, route};
use pages::Pages;
use plates::{PlateDesk, PlateDeskThread, PlateReading};
use reload::Watcher;
use sections::Sections;
use stopline_detect::{
    plate::PlateMoment,
    workers::{Looked, Workers},
};
use stopline_ingest::handoff::{Hub, Turn};
use stopline_store::{
    Store,
    evidence::{Bucket, Signer, Writer},
    kafka::KafkaConfig,
    ship::ShipStats,
    spool::{Spool, SpoolLimits},
};
use stopline_types::{CameraId, CameraStatus, Event};
use tokio::task::JoinHandle;

use crate::{backend::EngineBackend, case_memory::CaseMemory, config::Config};

pub(crate) use history::History;
pub(crate) use onward::Duty;

/// Camera, media time in seconds, and how long ago the frame's last packet was received.
pub(crate) type OnAnalysed = Arc<dyn Fn(&CameraId, f64, Option<Duration>) + Send + Sync>;

/// What the caller wants to be told.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    /// Every event, once durable.
    pub on_durable: Option<OnDurable>,
    /// Every analysed frame.
    pub on_analysed: Option<OnAnalysed>,
}

/// The running engine.
pub(crate) struct Engine {
    cameras: Arc<Cameras>,
    /// Where cameras are shared out among machines.
    sharing: Option<sharing::Sharing>,
    /// Watches the camera files.
    watcher: JoinHandle<()>,
    metrics: Option<JoinHandle<()>>,
    hub: Arc<Hub>,
    workers: Workers,
    outlets: Outlets,
    desk_thread: Option<PlateDeskThread>,
    prover_thread: ProverThread,
    intake_thread: IntakeThread,
    onward: Onward,
    /// Where the store is ours to ask.
    pages: Option<Pages>,
    views: view::Views,
    watching: JoinHandle<()>,
    /// Where evidence packages lie.
    pub evidence_dir: std::path::PathBuf,
}

/// How the engine ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// Events still in the spool; they go to the store at the next start.
    pub unshipped: u64,
    /// Events that the store refused; they stand in its `dead_letters` with the reason.
    pub dead_letters: u64,
    pub cameras: Vec<CameraStatus>,
    /// Passages given up because the spool was full.
    pub passages_shed: u64,
    /// Events lost because the disk took nothing while the engine stopped.
    pub given_up: u64,
}

impl Engine {
    /// Starts everything of `duty`; an error names the part that could not start, and what did start is stopped.
    pub(crate) async fn start(config: Config, duty: Duty, hooks: Hooks) -> anyhow::Result<Self> {
        let engine = &config.engine;
        std::fs::create_dir_all(&engine.data_dir).with_context(|| engine.data_dir.display().to_string())?;
        let detectors = detection::detectors(engine, engine.workers())?;
        let eye = detection::plate_eye(engine)?;
        let law = detection::law()?;
        let spool_limits = SpoolLimits { bytes: u64::from(engine.spool.megabytes) << 20, ..Default::default() };
        let spool = Arc::new(Spool::open(&engine.data_dir.join("spool"), spool_limits)?);
        let shared = match &duty {
            Duty::Edge { cameras: Some(topic), .. } => {
                Some((KafkaConfig::clone(topic), engine.data_dir.join("shared_cameras")))
            }
            Duty::Edge { cameras: None, .. } | Duty::All => None,
        };
        let onward = Onward::start(duty, engine, &spool).await?;
        let on_durable = hooks.on_durable.clone().unwrap_or_else(|| Arc::new(|_: &Event, _| {}));
        let (intake, intake_thread) = Intake::start(Arc::clone(&spool), on_durable)?;

        let views = view::Views::new(&engine.data_dir);
        let hub = Hub::new();
        let sections = Sections::new(&engine.sections, Arc::clone(&law));
        let cameras = Arc::new(Cameras::new(Kit {
            hub: Arc::clone(&hub),
            law,
            model: detectors[0].version().to_owned(),
            fit: detectors[0].input(),
            max_fps: engine.detector.max_fps,
            ring: engine.ring.limits(),
            views: views.clone(),
        }));
        let own: &[_] = if shared.is_some() { &[] } else { &config.cameras };
        for camera in own.iter().cloned() {
            cameras.add(camera)?;
        }
        let evidence_dir = engine.data_dir.join("evidence");
        let signer = Signer::open_or_create(&engine.data_dir.join("keys"))?;
        let mut writer = Writer::new(&evidence_dir, signer)?;
        if let Some(bucket) = &engine.bucket {
            writer = writer.copying_to(Bucket::new(bucket.clone())?)?;
        }
        let (prover, prover_thread) = Prover::start(writer, engine.evidence, intake.clone())?;
        let (desk, desk_thread) = match eye {
            Some(eye) => {
                let (prover, intake) = (prover.clone(), intake.clone());
                let forward = move |event, moments: &[PlateMoment], source: &Arc<Source>| {
                    if let Event::Passage(passage) = &event {
                        for offence in sections.pass(passage, moments, source) {
                            prove(offence, source, &prover);
                        }
                    }
                    route(event, source, &prover, &intake);
                };
                Some(PlateDesk::start(PlateReading::new(eye), engine.plate_hold(), forward)?).unzip()
            }
            None => (None, None),
        };
        let outlets = Outlets { desk, prover, intake: intake.clone() };
        let watching = tokio::spawn(view::watch(views.clone(), Arc::clone(&cameras)));
        let lag = Arc::new(Lag::default());
        let (detectors, known) = detection::sparing(engine, detectors);
        let workers = start_workers(detectors, &hub, &cameras, &outlets, (Arc::clone(&lag), hooks))?;
        let pages = match &onward {
            Onward::Kafka(_) => None,
            Onward::Store(history, shipper) => {
                let backend = EngineBackend {
                    store: history.store.clone(),
                    cameras: Arc::clone(&cameras),
                    data_dir: engine.data_dir.clone(),
                    evidence_dir: evidence_dir.clone(),
                    intake,
                    spool: Arc::clone(&spool),
                    shipping: Arc::clone(shipper),
                    lag,
                    started: std::time::SystemTime::now().into(),
                    saving: tokio::sync::Mutex::default(),
                    read: CaseMemory::default(),
                    storage: tokio::sync::Mutex::default(),
                };
                Some(Pages::open(&config, Arc::new(backend)).await?)
            }
        };
        let metrics = match engine.metrics.listen {
            Some(listen) => Some(metrics::serve(listen, Arc::clone(&cameras), known).await?),
            None => None,
        };
        if let Some((address, _)) = &metrics {
            tracing::info!("metrics: http://{address}/metrics");
        }
        let (sharing, folder) = match shared {
            Some((topic, folder)) => (Some(sharing::Sharing::start(&topic, &folder)?), folder),
            None => (None, config.dir.join("cameras")),
        };
        let watcher = Watcher::new(folder, own, Arc::clone(&cameras), outlets.clone());
        let watcher = tokio::spawn(watcher.run());
        Ok(Self {
            cameras,
            sharing,
            watcher,
            metrics: metrics.map(|(_, task)| task),
            hub,
            workers,
            outlets,
            desk_thread,
            prover_thread,
            intake_thread,
            onward,
            pages,
            views,
            watching,
            evidence_dir,
        })
    }

    /// Where the store answers; an edge has none.
    pub(crate) fn endpoint(&self) -> Option<&stopline_store::Endpoint> {
        match &self.onward {
            Onward::Store(history, _) => Some(history.store.endpoint()),
            Onward::Kafka(_) => None,
        }
    }

    /// Address of the pages, and their users and links; an edge has none.
    pub(crate) fn pages(&self) -> Option<(SocketAddr, &stopline_web::Web)> {
        self.pages.as_ref().map(|pages| (pages.address, &pages.web))
    }

    /// How each camera is doing.
    pub(crate) fn cameras(&self) -> Vec<CameraStatus> {
        self.cameras.statuses()
    }

    /// Shipping figures.
    pub(crate) fn ship_stats(&self) -> ShipStats {
        self.onward.stats()
    }

    /// Stops cameras, lets everything under way reach the store, then stops the store's client. The store itself
    /// stays until [`Stopped::close`], so that what was written can be read back.
    pub(crate) async fn stop(self) -> anyhow::Result<Ended> {
        Ok(self.drain().await?.close().await)
    }

    /// As [`Engine::stop`], but keeps the store open.
    pub(crate) async fn drain(self) -> anyhow::Result<Stopped> {
        let statuses = self.cameras();
        let Self { cameras, sharing, watcher, metrics, views, watching, workers, hub, .. } = self;
        let Self { outlets, desk_thread, prover_thread, intake_thread, onward, pages, .. } = self;
        // It holds the way to the store, which ends when nobody holds it.
        watcher.abort();
        drop(watcher.await);
        watching.abort();
        if let Some(serving) = metrics {
            serving.abort();
        }
        if let Some(pages) = pages {
            pages.close().await;
        }
        cameras.stop_all().await;
        if let Some(sharing) = sharing {
            // The others may have them, before the spool is emptied.
            sharing.leave().await;
        }
        hub.close();
        outlets.intake.stopping();
        let counts = tokio::task::spawn_blocking(move || {
            let _counts = workers.join();
            views.save(&cameras);
            cameras.all().iter().for_each(|entry| outlets.take(entry.finish()));
            let Outlets { desk, prover, intake } = outlets;
            drop(desk);
            if let Some(thread) = desk_thread {
                thread.join();
            }
            drop(prover);
            prover_thread.join();
            drop(intake);
            intake_thread.join()
        });
        let (passages_shed, given_up) = counts.await.context("stopping")?;
        let shipped = tokio::task::spawn_blocking(move || onward.drain());
        let (shipped, history) = shipped.await.context("stopping")?;
        let ended = Ended {
            unshipped: shipped.unshipped,
            dead_letters: shipped.dead_letters,
            cameras: statuses,
            passages_shed,
            given_up,
        };
        Ok(Stopped { history, ended })
    }
}

/// Everything ended but the store.
pub(crate) struct Stopped {
    /// An edge has none.
    history: Option<History>,
    /// How it ended.
    pub ended: Ended,
}

impl Stopped {
    /// The store, for reading back.
    pub(crate) fn store(&self) -> Option<&Store> {
        self.history.as_ref().map(|history| &history.store)
    }

    /// Ends the store.
    pub(crate) async fn close(self) -> Ended {
        if let Some(history) = self.history {
            history.stop().await;
        }
        self.ended
    }
}

fn start_workers(
    detectors: Vec<stopline_detect::inference::SparingDetector>,
    hub: &Arc<Hub>,
    cameras: &Arc<Cameras>,
    outlets: &Outlets,
    (lag, hooks): (Arc<Lag>, Hooks),
) -> std::io::Result<Workers> {
    let (hub, cameras) = (Arc::clone(hub), Arc::clone(cameras));
    let (known, lost_to, outlets) = (Arc::clone(&cameras), outlets.clone(), outlets.clone());
    let take = move |max: usize| {
        for ended in hub.ended() {
            // A lost camera: what was followed has ended now, not when it comes back.
            let found = known.get(ended.camera()).map(|entry| entry.finish());
            found.into_iter().for_each(|found| lost_to.take(found));
        }
        // Short waits let a worker notice that the hub closed.
        hub.take(max, Duration::from_millis(250))
    };
    let observe = move |turn: &Turn, detections| {
        let frame: &stopline_types::Frame = turn.as_ref();
        cameras.get(&frame.camera).map(|entry| entry.observe(frame, detections)).into_iter().collect()
    };
    let emit = move |turn: &Turn, found: Vec<Found>, _looked: Looked| {
        let frame: &stopline_types::Frame = turn.as_ref();
        let delay = frame.received.map(|at| at.elapsed());
        lag.note(delay);
        if let Some(told) = &hooks.on_analysed {
            told(&frame.camera, frame.media_s, delay);
        }
        found.into_iter().for_each(|found| outlets.take(found));
    };
    Workers::start(detectors, take, observe, emit)
}
