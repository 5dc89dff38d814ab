//! The engine: everything started in the order of the data's path and stopped in the same order, so that whatever
//! is under way reaches the store.
//!
//! camera → mailbox → worker (detector, tracker, rules) → [`evidence::Prover`] for violations → [`intake::Intake`] →
//! spool → shipper → ClickHouse.

mod controller;
pub(crate) mod detection;
pub(crate) mod evidence;
mod history;
pub(crate) mod intake;
pub(crate) mod lag;
pub(crate) mod stills;
mod view;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use evidence::{Prover, ProverThread, Source};
use intake::{Intake, IntakeThread, OnDurable};
use lag::Lag;
use stopline_detect::{
    analyze::Analyzer,
    workers::{Looked, Workers},
};
use stopline_ingest::{
    Camera,
    handoff::{Hub, Turn},
};
use stopline_store::{
    Store,
    evidence::{Signer, Writer},
    ship::{ShipOptions, ShipStats, Shipper},
    spool::{Spool, SpoolLimits},
};
use stopline_types::{CameraId, CameraStatus, Event};
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};

use crate::{backend::EngineBackend, config::Config};

pub(crate) use history::History;

/// Longest wait for browsers to take what they asked for, when stopping.
const PAGES_END: Duration = Duration::from_secs(5);
/// Longest wait for the store to take what is spooled, when stopping. What is left goes at the next start.
const DRAIN: Duration = Duration::from_secs(20);

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
    cameras: Arc<Vec<Camera>>,
    hub: Arc<Hub>,
    workers: Workers,
    analyzers: Arc<Analyzers>,
    prover: Prover,
    prover_thread: ProverThread,
    intake: Intake,
    intake_thread: IntakeThread,
    shipper: Arc<Shipper>,
    history: History,
    pages: Pages,
    views: view::Views,
    watching: tokio::task::JoinHandle<()>,
    controllers: controller::Controllers,
    /// Where evidence packages lie.
    pub evidence_dir: std::path::PathBuf,
}

struct Pages {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
    web: stopline_web::Web,
}

pub(crate) type Analyzers = HashMap<CameraId, Mutex<Analyzer>>;

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
    /// Starts everything; an error names the part that could not start, and what did start is stopped.
    pub(crate) async fn start(config: Config, hooks: Hooks) -> anyhow::Result<Self> {
        let engine = &config.engine;
        std::fs::create_dir_all(&engine.data_dir).with_context(|| engine.data_dir.display().to_string())?;
        let detectors = detection::detectors(engine, engine.workers())?;
        let law = detection::law()?;
        let history = History::start(engine).await?;
        history.prepare_tables().await?;
        let spool_limits = SpoolLimits { bytes: u64::from(engine.spool.megabytes) << 20, ..Default::default() };
        let spool = Arc::new(Spool::open(&engine.data_dir.join("spool"), spool_limits)?);
        let shipper = Arc::new(Shipper::start(Arc::clone(&spool), &history.store, ShipOptions::default())?);
        let on_durable = hooks.on_durable.clone().unwrap_or_else(|| Arc::new(|_: &Event, _| {}));
        let (intake, intake_thread) = Intake::start(Arc::clone(&spool), on_durable)?;

        let (fit, model) = (detectors[0].input(), detectors[0].version().to_owned());
        let views = view::Views::new(&engine.data_dir);
        let hub = Hub::new();
        let limits = engine.ring.limits();
        let (mut cameras, mut analyzers, mut sources) = (Vec::new(), HashMap::new(), HashMap::new());
        for camera in config.cameras.iter().cloned() {
            let scene = camera.scene.clone();
            let plan = detection::plan(fit, engine.detector.max_fps, scene.as_deref());
            let started = Camera::start(
                camera.id.clone(),
                camera.name.clone(),
                camera.streams.clone(),
                plan,
                hub.mailbox(&camera.id, 1.0),
                limits,
                &tokio::runtime::Handle::current(),
            )?;
            sources.insert(camera.id.clone(), Source { ring: started.evidence_ring(), camera: camera.clone() });
            let mut analyzer = Analyzer::new(camera.id.clone(), scene, Arc::clone(&law), model.clone());
            views.restore(&camera.id, &mut analyzer);
            analyzers.insert(camera.id.clone(), Mutex::new(analyzer));
            cameras.push(started);
        }
        let evidence_dir = engine.data_dir.join("evidence");
        let signer = Signer::open_or_create(&engine.data_dir.join("keys"))?;
        let writer = Writer::new(&evidence_dir, signer)?;
        let (prover, prover_thread) = Prover::start(sources, writer, engine.evidence, intake.clone())?;

        let (cameras, analyzers) = (Arc::new(cameras), Arc::new(analyzers));
        let watching = tokio::spawn(view::watch(views.clone(), Arc::clone(&analyzers)));
        let mut controllers = controller::Controllers::default();
        for camera in &config.cameras {
            if let Some(controller) = camera.controller.clone() {
                controllers.ask(&camera.id, controller, Arc::clone(&analyzers))?;
            }
        }
        let lag = Arc::new(Lag::default());
        let workers = start_workers(
            detectors,
            &hub,
            &analyzers,
            Outlets { prover: prover.clone(), intake: intake.clone(), lag: Arc::clone(&lag), hooks },
        )?;
        let backend = EngineBackend::new(
            history.store.clone(),
            Arc::clone(&cameras),
            Arc::clone(&analyzers),
            evidence_dir.clone(),
            intake.clone(),
            Arc::clone(&spool),
            Arc::clone(&shipper),
            lag,
        );
        let pages = Pages::open(&config, Arc::new(backend)).await?;
        Ok(Self {
            cameras,
            hub,
            workers,
            analyzers,
            prover,
            prover_thread,
            intake,
            intake_thread,
            shipper,
            history,
            pages,
            views,
            watching,
            controllers,
            evidence_dir,
        })
    }

    /// Address of the pages.
    pub(crate) fn web_address(&self) -> SocketAddr {
        self.pages.address
    }

    /// The pages' users and links.
    pub(crate) fn web(&self) -> &stopline_web::Web {
        &self.pages.web
    }

    /// How each camera is doing.
    pub(crate) fn cameras(&self) -> Vec<CameraStatus> {
        self.cameras.iter().map(|camera| status(camera, &self.analyzers)).collect()
    }

    /// Shipping figures.
    pub(crate) fn ship_stats(&self) -> ShipStats {
        self.shipper.stats()
    }

    /// Stops cameras, lets everything under way reach the store, then stops the store's client. The store itself
    /// stays until [`Stopped::close`], so that what was written can be read back.
    pub(crate) async fn stop(self) -> anyhow::Result<Ended> {
        Ok(self.drain().await?.close().await)
    }

    /// As [`Engine::stop`], but keeps the store open.
    pub(crate) async fn drain(self) -> anyhow::Result<Stopped> {
        let statuses = self.cameras();
        let Self { workers, analyzers, prover, prover_thread, intake, intake_thread, shipper, history, pages, .. } =
            self;
        self.watching.abort();
        let (views, controllers) = (self.views, self.controllers);
        let _already_ended = pages.stop.send(());
        let mut serving = pages.task;
        if tokio::time::timeout(PAGES_END, &mut serving).await.is_err() {
            // A browser that stopped reading must not keep the engine.
            serving.abort();
            drop(serving.await);
        }
        // With the pages goes their hold on the cameras and the intake.
        drop(pages.web);
        match Arc::into_inner(self.cameras) {
            Some(cameras) => {
                let mut stopping: JoinSet<()> = cameras.into_iter().map(Camera::stop).collect();
                while stopping.join_next().await.is_some() {}
            }
            None => tracing::error!("a page still holds the cameras; they end with the program"),
        }
        self.hub.close();
        intake.stopping();
        let counts = tokio::task::spawn_blocking(move || {
            controllers.stop();
            let _counts = workers.join();
            views.save(&analyzers);
            for analyzer in analyzers.values() {
                let ended = analyzer.lock().unwrap_or_else(PoisonError::into_inner).finish();
                ended.into_iter().for_each(|event| route(event, &prover, &intake));
            }
            drop(prover);
            prover_thread.join();
            drop(intake);
            intake_thread.join()
        });
        let (passages_shed, given_up) = counts.await.context("stopping")?;
        let shipped = tokio::task::spawn_blocking(move || {
            // What is left is counted below and goes at the next start.
            let _emptied = shipper.drain(DRAIN);
            shipper.stats()
        });
        let shipped = shipped.await.context("stopping")?;
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
    history: History,
    /// How it ended.
    pub ended: Ended,
}

impl Stopped {
    /// The store, for reading back.
    pub(crate) fn store(&self) -> &Store {
        &self.history.store
    }

    /// Ends the store.
    pub(crate) async fn close(self) -> Ended {
        self.history.stop().await;
        self.ended
    }
}

/// How a camera is doing, and whether its rules rest.
pub(crate) fn status(camera: &Camera, analyzers: &Analyzers) -> CameraStatus {
    let analyzer = analyzers.get(camera.id());
    let rules_rest = analyzer.and_then(|a| a.lock().unwrap_or_else(PoisonError::into_inner).suspended());
    CameraStatus { rules_rest, ..camera.status() }
}

/// What workers hand on, and to whom.
struct Outlets {
    prover: Prover,
    intake: Intake,
    lag: Arc<Lag>,
    hooks: Hooks,
}

fn start_workers(
    detectors: Vec<stopline_detect::inference::Detector>,
    hub: &Arc<Hub>,
    analyzers: &Arc<Analyzers>,
    outlets: Outlets,
) -> std::io::Result<Workers> {
    let (hub, analyzers) = (Arc::clone(hub), Arc::clone(analyzers));
    // Short waits let a worker notice that the hub closed.
    let take = move |max: usize| hub.take(max, Duration::from_millis(250));
    let observe = move |turn: &Turn, detections| {
        let frame: &stopline_types::Frame = turn.as_ref();
        let Some(analyzer) = analyzers.get(&frame.camera) else { return Vec::new() };
        analyzer.lock().unwrap_or_else(PoisonError::into_inner).observe(frame, detections)
    };
    let emit = move |turn: &Turn, events: Vec<Event>, _looked: Looked| {
        let frame: &stopline_types::Frame = turn.as_ref();
        let delay = frame.received.map(|at| at.elapsed());
        outlets.lag.note(delay);
        if let Some(told) = &outlets.hooks.on_analysed {
            told(&frame.camera, frame.media_s, delay);
        }
        events.into_iter().for_each(|event| route(event, &outlets.prover, &outlets.intake));
    };
    Workers::start(detectors, take, observe, emit)
}

/// Violations get their proof first; everything else goes straight to disk.
fn route(event: Event, prover: &Prover, intake: &Intake) {
    let taken = match event {
        Event::Violation(violation) => prover.put(violation),
        other => intake.put(other),
    };
    if !taken {
        tracing::error!("an event came after the intake had ended and is lost");
    }
}

impl Pages {
    async fn open(config: &Config, backend: Arc<EngineBackend>) -> anyhow::Result<Self> {
        let mut web_config = stopline_web::WebConfig::new(config.engine.data_dir.join("web"));
        web_config.secure_cookies = config.engine.web.secure_cookies;
        let web = stopline_web::Web::new(web_config, backend).context("the pages")?;
        let listen = config.engine.web.listen;
        let listener = TcpListener::bind(listen).await.with_context(|| format!("web.listen: {listen}"))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let serving = web.clone();
        let task = tokio::spawn(async move {
            let end = async { drop(stopped.await) };
            if let Err(error) = serving.serve(listener, end).await {
                tracing::error!(%error, "the pages ended");
            }
        });
        Ok(Self { address, stop, task, web })
    }
}
