//! A live camera: its sessions, its ring, its decoder, its state.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use retina::client::SessionGroup;
use stopline_types::{CameraId, CameraStatus, Frame, StreamRole, UtcUs};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    analyse,
    config::Streams,
    counters::Counters,
    handoff::Mailbox,
    health::Health,
    plan::AnalysePlan,
    ring::{Ring, RingLimits},
    session::StreamTask,
};

/// How long a camera may take to answer the goodbye.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// A camera at work. Dropping it stops it too, but without waiting.
pub struct Camera {
    id: CameraId,
    name: String,
    health: Arc<Health>,
    counters: Arc<Counters>,
    mailbox: Mailbox,
    ring: Ring,
    stop: watch::Sender<bool>,
    sessions: JoinSet<()>,
    decoder: Option<JoinHandle<()>>,
    group: Arc<SessionGroup>,
}

impl Camera {
    /// Starts it: a task for each stream that is of use (the analysed one, and the one kept for evidence) and a thread that decodes the
    /// analysed one. Returns at once; [`Camera::status`] tells how it goes. Fails only if no thread can be started.
    pub fn start(
        id: CameraId,
        name: String,
        streams: Streams,
        plan: AnalysePlan,
        mailbox: Mailbox,
        limits: RingLimits,
        runtime: &tokio::runtime::Handle,
    ) -> std::io::Result<Self> {
        let (analysed, evidence) = (streams.analysed(), streams.evidence());
        let roles: Vec<StreamRole> =
            [StreamRole::Main, StreamRole::Sub].into_iter().filter(|r| [analysed, evidence].contains(r)).collect();
        let health = Arc::new(Health::new(analysed, &roles, UtcUs::from(std::time::SystemTime::now())));
        let counters = Arc::new(Counters::default());
        let ring = Ring::new(limits);
        let group = Arc::new(SessionGroup::default().named(id.to_string()));
        let (stop, stopped) = watch::channel(false);
        let to_mailbox = mailbox.clone();
        let deliver = move |frame: Frame| to_mailbox.put(frame);
        let (queue, decoder) = analyse::start(&id, analysed, plan, Arc::clone(&counters), deliver)?;
        let mut queue = Some(queue);
        let mut sessions = JoinSet::new();
        for role in roles {
            let Some(source) = streams.get(role) else { continue };
            let task = StreamTask {
                camera: id.clone(),
                role,
                source: source.clone(),
                group: Arc::clone(&group),
                health: Arc::clone(&health),
                counters: Arc::clone(&counters),
                ring: (role == evidence).then(|| ring.clone()),
                queue: if role == analysed { queue.take() } else { None },
                session: 0,
            };
            sessions.spawn_on(task.run(stopped.clone()), runtime);
        }
        let decoder = Some(decoder);
        Ok(Self { id, name, health, counters, mailbox, ring, stop, sessions, decoder, group })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &CameraId {
        &self.id
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> CameraStatus {
        let report = self.health.report();
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
            counters: self.counters.snapshot(mailbox),
        }
    }

    /// Camera's clock minus ours in milliseconds, delay included, by the analysed stream's sender reports.
    #[must_use]
    pub fn clock_offset_ms(&self) -> Option<f64> {
        self.health.report().clock_offset_ms
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

    /// Ends its sessions, says goodbye to the camera (many allow only a few sessions), and waits for the decoder.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.sessions.join_next().await.is_some() {}
        self.ring.end();
        if let Some(decoder) = self.decoder.take() {
            // The queue's sender went with the sessions, so the thread ends after the packets it still has.
            let joined = tokio::task::spawn_blocking(move || decoder.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!(camera = %self.id, "the decoder thread ended by a panic");
            }
        }
        match tokio::time::timeout(GOODBYE_TIMEOUT, self.group.await_teardown()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => tracing::debug!(camera = %self.id, "the camera did not answer the goodbye"),
        }
    }
}
