//! One stream of a camera, kept alive: connect, pass packets on, notice stalls, connect again.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::FutureExt;
use retina::client::SessionGroup;
use stopline_types::{CameraId, CameraState, StreamRole, UtcUs};
use tokio::{sync::watch, time::Instant};

use crate::{
    analyse::PacketQueue,
    clock::{Clock, DeviceClock},
    config::StreamSource,
    connect::{Item, SessionError, SessionFault},
    counters::Counters,
    device::Device,
    health::{Health, Now},
    packet::{Packet, StreamFormat},
    pauses::{Pauses, jittered},
    ring::Ring,
};
pub use crate::{
    device::PAUSES_AFTER_REFUSED_LOGIN_S,
    health::STALL_AFTER,
    pauses::{LONGEST_PAUSE, LONGEST_PAUSE_WHEN_REFUSED},
};

/// No frame for this long: the session is given up and opened anew.
pub const RECONNECT_AFTER: Duration = Duration::from_secs(4);
/// How long a host that did not answer may take to accept a bare connection, before it is asked again.
const KNOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// One stream's task.
pub(crate) struct StreamTask {
    pub(crate) camera: CameraId,
    pub(crate) role: StreamRole,
    pub(crate) source: StreamSource,
    pub(crate) group: Arc<SessionGroup>,
    pub(crate) device: Arc<Device>,
    pub(crate) clock: Arc<DeviceClock>,
    pub(crate) health: Arc<Health>,
    pub(crate) counters: Arc<Counters>,
    /// Where packets are kept for evidence, on one of the streams.
    pub(crate) ring: Option<Ring>,
    /// Where packets go to be decoded, on one of the streams.
    pub(crate) queue: Option<PacketQueue>,
    /// Numbers the stretches of comparable media time: sessions, and restarts of the camera's time stamps within one.
    pub(crate) session: u32,
    /// First and last frame of this session.
    pub(crate) frames: Option<(Instant, Instant)>,
}

impl StreamTask {
    /// Until told to stop, or the sender of that is gone.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            biased;
            () = told(&mut stop) => {}
            () = self.keep_alive() => {}
        }
    }

    async fn keep_alive(&mut self) {
        let mut pauses = Pauses::default();
        loop {
            self.wait_while_barred().await;
            self.frames = None;
            let fault = AssertUnwindSafe(self.session()).catch_unwind().await.unwrap_or_else(|_| {
                Counters::add(&self.counters.panics, 1);
                SessionFault::Broken { reason: "an internal fault (panic) in reading the stream".to_owned() }
            });
            let lasted = self.frames.map_or(Duration::ZERO, |(first, last)| last - first);
            let pause = pauses.next(&fault, lasted);
            let told = fault.to_string();
            let (about_login, no_answer) = (fault.is_about_login(), matches!(fault, SessionFault::NoAnswer { .. }));
            let error =
                SessionError { camera: self.camera.clone(), role: self.role, url: self.source.url.clone(), fault };
            tracing::warn!(camera = %self.camera, role = %self.role, pause_ms = pause.as_millis() as u64, "{error}");
            if !about_login {
                self.set(CameraState::Offline, told);
                tokio::time::sleep(pause).await;
            }
            if no_answer {
                self.knock().await;
            }
            Counters::add(&self.counters.reconnects, 1);
        }
    }

    async fn wait_while_barred(&self) {
        while let Some((why, until)) = self.device.barred() {
            let wait_s = (until - Instant::now()).as_secs();
            self.set(
                CameraState::Suspended,
                format!("{why}; not tried again for {wait_s} s, or the account is locked"),
            );
            tokio::time::sleep_until(until).await;
        }
    }

    /// Until the host accepts a connection. A host without power answers nothing, and each retry inside one long try comes later than
    /// the one before; short tries find it within a second or two of its return.
    async fn knock(&self) {
        let at = (self.source.url.host(), self.source.url.port());
        while !matches!(
            tokio::time::timeout(KNOCK_TIMEOUT, tokio::net::TcpStream::connect((at.0.as_str(), at.1))).await,
            Ok(Ok(_))
        ) {
            tokio::time::sleep(jittered(KNOCK_TIMEOUT)).await;
        }
    }

    /// One session, to its end.
    async fn session(&mut self) -> SessionFault {
        match self.try_session().await {
            Ok(never) => match never {},
            Err(fault) => fault,
        }
    }

    async fn try_session(&mut self) -> Result<std::convert::Infallible, SessionFault> {
        let connecting = || self.set(CameraState::Connecting, "being connected to".to_owned());
        let mut stream = self.device.open(&self.source, &self.group, connecting).await?;
        let mut clock = self.new_clock();
        let mut format = None;
        let mut last_frame = Instant::now();
        let mut state = CameraState::Connecting;
        let mut distrusted = None;
        let mut unusable = 0_u64;
        self.session += 1;
        self.set(state, "connected, waiting for the first frame".to_owned());
        loop {
            let patience = if state == CameraState::Stalled { RECONNECT_AFTER } else { STALL_AFTER };
            let item = match tokio::time::timeout_at(last_frame + patience, stream.next()).await {
                Ok(item) => item?,
                Err(_) if state == CameraState::Stalled => {
                    return Err(SessionFault::Stalled { seconds: RECONNECT_AFTER.as_secs() });
                }
                Err(_) => {
                    state = CameraState::Stalled;
                    let why = format!("connected, but no frame for {} s", STALL_AFTER.as_secs());
                    tracing::warn!(camera = %self.camera, role = %self.role, "{why}");
                    self.set(state, why);
                    continue;
                }
            };
            let frame = match item {
                Item::Frame(frame) => frame,
                Item::Rtcp(packet) => {
                    take_report(&mut clock, &packet);
                    if clock.distrusted().map(str::to_owned) != distrusted {
                        distrusted = clock.distrusted().map(str::to_owned);
                        if let Some(why) = &distrusted {
                            tracing::warn!(camera = %self.camera, role = %self.role, "the camera's clock {why}: receive times are used");
                        }
                    }
                    continue;
                }
                Item::Unusable(why) => {
                    Counters::add(&self.counters.lost, 1);
                    self.health.damaged(self.role, 1, Now::read());
                    if unusable == 0 {
                        tracing::warn!(camera = %self.camera, role = %self.role, "a packet cannot be used: {why}");
                    }
                    unusable += 1;
                    // Packets come, but nothing can be made of them, and waiting will not mend it.
                    if last_frame.elapsed() >= STALL_AFTER {
                        return Err(SessionFault::Broken { reason: why });
                    }
                    continue;
                }
            };
            if frame.has_new_parameters() || format.is_none() {
                format = stream.format().map(Arc::new);
            }
            last_frame = Instant::now();
            self.frames = Some((self.frames.map_or(last_frame, |(first, _)| first), last_frame));
            // Without parameter sets nothing can be decoded; they come before the first key frame at the latest.
            if let Some(format) = &format {
                self.pass_on(frame, format, &mut clock, std::mem::take(&mut unusable) > 0);
            }
            if state != CameraState::Online {
                state = CameraState::Online;
                tracing::info!(camera = %self.camera, role = %self.role, url = %self.source.url, "frames come");
                self.set(state, String::new());
            }
        }
    }

    fn new_clock(&self) -> Clock {
        Clock::new(self.role, Arc::clone(&self.clock))
    }

    fn pass_on(
        &mut self,
        frame: retina::codec::VideoFrame,
        format: &Arc<StreamFormat>,
        clock: &mut Clock,
        damaged: bool,
    ) {
        let media_s = frame.timestamp().elapsed_secs();
        let loss = frame.loss();
        let begun = UtcUs::from(SystemTime::from(frame.start_ctx().received_wall()));
        if clock.has_parted(media_s, begun) {
            tracing::warn!(camera = %self.camera, role = %self.role, "the camera restarted its time stamps");
            *clock = self.new_clock();
            self.session += 1;
        }
        let time = clock.packet(media_s, begun);
        let packet = Packet {
            format: Arc::clone(format),
            key: frame.is_random_access_point(),
            session: self.session,
            media_us: (media_s * 1e6).round() as i64,
            time,
            received: Some(frame.end_ctx().received()),
            after_loss: damaged || loss > 0,
            data: frame.into_data().into(),
        };
        Counters::add(&self.counters.lost, u64::from(loss));
        Counters::add(&self.counters.received, 1);
        Counters::add(&self.counters.bytes, packet.data.len() as u64);
        let now = Now::read();
        self.health.frame(self.role, time.error_ms, now);
        if packet.after_loss {
            self.health.damaged(self.role, 1, now);
        }
        if let Some(ring) = &self.ring {
            ring.push(packet.clone());
        }
        if let Some(queue) = &mut self.queue {
            queue.put(packet);
        }
    }

    fn set(&self, state: CameraState, reason: String) {
        self.health.set(self.role, state, reason, Now::read());
    }
}

/// Until told to stop, or nobody is left to tell.
async fn told(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

/// Gives a sender report, if the packet begins with one, to the clock.
pub(crate) fn take_report(clock: &mut Clock, packet: &retina::rtcp::ReceivedCompoundPacket) {
    let Some(at) = packet.rtp_timestamp() else { return };
    let Some(Ok(Some(report))) = packet.pkts().next().map(|first| first.as_sender_report()) else { return };
    let received = UtcUs::from(SystemTime::from(packet.ctx().received_wall()));
    clock.sender_report(report.ntp_timestamp().0, at.elapsed_secs(), received);
}
