//! One stream of a camera, kept alive: connect, pass packets on, notice stalls, connect again.

use std::{
    hash::{BuildHasher, Hasher},
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
    clock::Clock,
    config::StreamSource,
    connect::{Item, OpenStream, SessionError, SessionFault},
    counters::Counters,
    health::Health,
    packet::{Packet, StreamFormat},
    ring::Ring,
};

/// No frame for this long: the stream counts as stalled.
pub const STALL_AFTER: Duration = Duration::from_secs(2);
/// No frame for this long: the session is given up and opened anew.
pub const RECONNECT_AFTER: Duration = Duration::from_secs(10);
/// Longest pause between two tries.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Pause after a refused log-in. Longer than the rest, because makers lock an account for half an hour after five or so
/// wrong tries, and then nobody gets in.
pub const PAUSE_AFTER_REFUSED_LOGIN: Duration = Duration::from_secs(60);
/// Mean of the first pause.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// A session that gave frames for this long starts the pauses anew.
const PROVEN_AFTER: Duration = Duration::from_secs(5);

/// One stream's task.
pub(crate) struct StreamTask {
    pub(crate) camera: CameraId,
    pub(crate) role: StreamRole,
    pub(crate) source: StreamSource,
    pub(crate) group: Arc<SessionGroup>,
    pub(crate) health: Arc<Health>,
    pub(crate) counters: Arc<Counters>,
    /// Where packets are kept for evidence, on one of the streams.
    pub(crate) ring: Option<Ring>,
    /// Where packets go to be decoded, on one of the streams.
    pub(crate) queue: Option<PacketQueue>,
    /// Numbers the stretches of comparable media time: sessions, and restarts of the camera's time stamps within one.
    pub(crate) session: u32,
}

impl StreamTask {
    /// Until told to stop, or the sender of that is gone.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut pauses = Pauses::default();
        loop {
            let started = Instant::now();
            let ended = tokio::select! {
                biased;
                () = told(&mut stop) => return,
                ended = AssertUnwindSafe(self.session()).catch_unwind() => ended,
            };
            let fault = ended.unwrap_or_else(|_| {
                Counters::add(&self.counters.panics, 1);
                SessionFault::Broken { reason: "an internal fault (panic) in reading the stream".to_owned() }
            });
            let pause = pauses.next(&fault, started.elapsed());
            let error =
                SessionError { camera: self.camera.clone(), role: self.role, url: self.source.url.clone(), fault };
            tracing::warn!(camera = %self.camera, role = %self.role, pause_ms = pause.as_millis() as u64, "{error}");
            self.set(CameraState::Offline, error.fault.to_string());
            tokio::select! {
                biased;
                () = told(&mut stop) => return,
                () = tokio::time::sleep(pause) => {}
            }
            Counters::add(&self.counters.reconnects, 1);
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
        let mut stream = OpenStream::open(&self.source, &self.group).await?;
        let mut clock = Clock::default();
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
                    if unusable == 0 {
                        tracing::warn!(camera = %self.camera, role = %self.role, "a packet cannot be used: {why}");
                    }
                    unusable += 1;
                    continue;
                }
            };
            if frame.has_new_parameters() || format.is_none() {
                format = stream.format().map(Arc::new);
            }
            last_frame = Instant::now();
            if state != CameraState::Online {
                state = CameraState::Online;
                tracing::info!(camera = %self.camera, role = %self.role, url = %self.source.url, "frames come");
                self.set(state, String::new());
            }
            // Without parameter sets nothing can be decoded; they come before the first key frame at the latest.
            if let Some(format) = &format {
                self.pass_on(frame, format, &mut clock, std::mem::take(&mut unusable) > 0);
            }
        }
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
            *clock = Clock::default();
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
        self.health.frame(self.role, begun, time.error_ms, clock.offset_ms());
        if let Some(ring) = &self.ring {
            ring.push(packet.clone());
        }
        if let Some(queue) = &mut self.queue {
            queue.put(packet);
        }
    }

    fn set(&self, state: CameraState, reason: String) {
        self.health.set(self.role, state, reason, UtcUs::from(SystemTime::now()));
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

/// Growing, jittered pauses.
#[derive(Debug, Default)]
struct Pauses {
    failures: u32,
}

impl Pauses {
    /// The pause before the next try, after a session that lasted `lasted` and ended with `fault`.
    fn next(&mut self, fault: &SessionFault, lasted: Duration) -> Duration {
        if lasted >= PROVEN_AFTER && !matches!(fault, SessionFault::NoAnswer { .. } | SessionFault::Unreachable { .. })
        {
            self.failures = 0;
        }
        let mean = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        // A power cut ends all sessions at once: jitter keeps a hundred cameras from being called in step.
        let jitter = 0.75 + random_unit() / 2.0;
        if fault.is_about_login() {
            return PAUSE_AFTER_REFUSED_LOGIN.mul_f64(jitter);
        }
        mean.min(LONGEST_PAUSE).mul_f64(jitter).min(LONGEST_PAUSE)
    }
}

/// Between 0 and 1. The standard library seeds its hash maps with random keys; jitter needs no better source.
fn random_unit() -> f64 {
    let bits = std::hash::RandomState::new().build_hasher().finish();
    bits as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_start_anew() {
        let mut pauses = Pauses::default();
        let fault = SessionFault::Ended;
        assert!(pauses.next(&fault, Duration::ZERO) < Duration::from_secs(1));
        let mut last = Duration::ZERO;
        for _ in 0..40 {
            last = pauses.next(&fault, Duration::ZERO);
            assert!(last <= LONGEST_PAUSE);
        }
        assert!(last > Duration::from_secs(10));
        assert!(pauses.next(&fault, Duration::from_secs(60)) < Duration::from_secs(1));
        let dead = SessionFault::NoAnswer { host: "h:554".into(), seconds: 10 };
        pauses.next(&dead, Duration::from_secs(10));
        assert!(pauses.next(&dead, Duration::from_secs(10)) > Duration::from_secs(1), "waiting long is no success");
    }

    #[test]
    fn a_refused_login_is_not_tried_again_soon() {
        let fault = SessionFault::WrongLogin { user: "u".into() };
        assert!(Pauses::default().next(&fault, Duration::ZERO) >= Duration::from_secs(45));
    }
}
