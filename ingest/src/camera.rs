//! A live camera: its sessions, its ring, its decoder, its state.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use retina::client::SessionGroup;
use stopline_types::{CameraId, CameraStatus, StreamRole};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    analyse::{self, Decoding, Delivery},
    clock::DeviceClock,
    config::Streams,
    counters::Counters,
    device::Devices,
    gate::GateConfig,
    handoff::Mailbox,
    health::{Health, Now},
    plan::AnalysePlan,
    ring::Ring,
    session::StreamTask,
};

/// How long a camera may take to answer the goodbye.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a camera is started with.
#[derive(Debug, Clone)]
pub struct CameraSpec {
    /// Its id.
    pub id: CameraId,
    /// Its name for people.
    pub name: String,
    /// Its streams; `None`: turned off, it is shown as suspended and not connected to.
    pub streams: Option<Streams>,
    /// How the analysed stream is decoded; `None`: nothing is decoded, packets are only kept.
    pub plan: Option<AnalysePlan>,
    /// Where packets are kept for evidence. A camera that takes the place of another may go on with that one's ring.
    pub ring: Ring,
}

/// A camera at work. Dropping it stops it too, but without waiting.
pub struct Camera {
    id: CameraId,
    name: String,
    health: Arc<Health>,
    counters: Arc<Counters>,
    clock: Arc<DeviceClock>,
    mailbox: Mailbox,
    ring: Ring,
    running: Mutex<Option<Running>>,
}

struct Running {
    stop: watch::Sender<bool>,
    sessions: JoinSet<()>,
    decoder: Option<JoinHandle<()>>,
    group: Arc<SessionGroup>,
}

impl Camera {
    /// Starts it: a task for each stream that is of use (the analysed one, and the one kept for evidence) and a thread that decodes the
    /// analysed one. Returns at once; [`Camera::status`] tells how it goes. Fails only if no thread can be started.
    pub fn start(
        spec: CameraSpec,
        mailbox: Mailbox,
        devices: &Devices,
        runtime: &tokio::runtime::Handle,
    ) -> std::io::Result<Self> {
        let CameraSpec { id, name, streams, plan, ring } = spec;
        let analysed = streams.as_ref().map_or(StreamRole::Main, Streams::analysed);
        let roles = streams.as_ref().map_or_else(Vec::new, Streams::used);
        let clock = Arc::new(DeviceClock::default());
        let health = Arc::new(Health::new(analysed, &roles, Arc::clone(&clock), Now::read()));
        let counters = Arc::new(Counters::default());
        let mut camera = Self { id, name, health, counters, clock, mailbox, ring, running: Mutex::new(None) };
        match streams {
            Some(streams) => camera.running = Mutex::new(Some(camera.run(&streams, &roles, plan, devices, runtime)?)),
            None => camera.health.turn_off(Now::read()),
        }
        Ok(camera)
    }

    fn run(
        &self,
        streams: &Streams,
        roles: &[StreamRole],
        plan: Option<AnalysePlan>,
        devices: &Devices,
        runtime: &tokio::runtime::Handle,
    ) -> std::io::Result<Running> {
        let (analysed, evidence) = (streams.analysed(), streams.evidence());
        let group = Arc::new(SessionGroup::default().named(self.id.to_string()));
        let (stop, stopped) = watch::channel(false);
        let mailbox = self.mailbox.clone();
        let deliver = move |delivery| match delivery {
            Delivery::Frame(frame) => mailbox.put(frame),
            Delivery::Silence => mailbox.end_of_session(),
        };
        let decoding = plan.map(|plan| Decoding {
            camera: self.id.clone(),
            role: analysed,
            plan,
            gate: streams.is_gated().then(GateConfig::default),
            counters: Arc::clone(&self.counters),
            health: Arc::clone(&self.health),
        });
        let (mut queue, decoder) = decoding.map(|decoding| analyse::start(decoding, deliver)).transpose()?.unzip();
        let mut sessions = JoinSet::new();
        for role in roles.iter().copied() {
            let Some(source) = streams.get(role) else { continue };
            let task = StreamTask {
                camera: self.id.clone(),
                role,
                source: source.clone(),
                group: Arc::clone(&group),
                device: devices.of(source),
                clock: Arc::clone(&self.clock),
                health: Arc::clone(&self.health),
                counters: Arc::clone(&self.counters),
                ring: (role == evidence).then(|| self.ring.clone()),
                queue: if role == analysed { queue.take() } else { None },
                session: self.ring.next_session(),
                frames: None,
            };
            sessions.spawn_on(task.run(stopped.clone()), runtime);
        }
        Ok(Running { stop, sessions, decoder, group })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &CameraId {
        &self.id
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> CameraStatus {
        let report = self.health.report(Now::read());
        let mailbox = self.mailbox.stats();
        CameraStatus {
            camera: self.id.clone(),
            name: self.name.clone(),
            state: report.state,
            reason: report.reason,
            // Only the analysis knows.
            rules_rest: None,
            since: report.since,
            last_frame: report.last_frame,
            analysed_fps: mailbox.analysed_fps,
            clock_error_ms: report.clock_error_ms,
            clock_offset_ms: self.clock_offset_ms(),
            clock_drift_ppm: self.clock.drift_ppm(),
            counters: self.counters.snapshot(mailbox, self.clock.steps()),
        }
    }

    /// Camera's clock minus ours in milliseconds, delay included, by its sender reports.
    #[must_use]
    pub fn clock_offset_ms(&self) -> Option<f64> {
        self.clock.offset_s().map(|s| s * 1e3)
    }

    /// Panics caught in its tasks and threads: each is a fault of ours.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.counters.panics.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The packets kept for evidence: of `main` if there is one, else of `sub`.
    #[must_use]
    pub fn evidence_ring(&self) -> Ring {
        self.ring.clone()
    }

    /// Ends its sessions, says goodbye to the camera (many allow only a few sessions), and waits for the decoder. The
    /// ring stays readable; call [`Ring::end`] unless another camera goes on with it. A second call does nothing.
    pub async fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut running) = running else { return };
        running.stop.send_replace(true);
        while running.sessions.join_next().await.is_some() {}
        // The queue's sender went with the sessions, so the thread ends after the packets it still has.
        let joined = tokio::task::spawn_blocking(move || running.decoder.map_or(Ok(()), JoinHandle::join)).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!(camera = %self.id, "the decoder thread ended by a panic");
        }
        self.health.turn_off(Now::read());
        match tokio::time::timeout(GOODBYE_TIMEOUT, running.group.await_teardown()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => tracing::debug!(camera = %self.id, "the camera did not answer the goodbye"),
        }
    }
}
