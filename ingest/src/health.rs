//! How a camera's streams are doing, and what that makes of the camera.
//!
//! A stream's task says what it knows (connecting, frames come, ended and why). What is shown is judged anew at every
//! look, because silence sends no message: a stream without a frame for [`STALL_AFTER`] is stalled at that moment,
//! whatever its task is doing.

mod recent;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use recent::Recent;
use stopline_types::{CameraState, StreamRole, UtcUs};

use crate::clock::DeviceClock;

/// No frame for this long: the stream counts as stalled.
pub const STALL_AFTER: Duration = Duration::from_secs(2);

/// What is known of one stream.
#[derive(Debug)]
struct StreamHealth {
    role: StreamRole,
    state: CameraState,
    reason: String,
    last_frame: Option<UtcUs>,
    seen: Option<Instant>,
    recent: Recent,
    clock_error_ms: Option<f64>,
}

/// State of a camera, made of its streams: that of the analysed stream, but degraded when only another one is missing,
/// when pictures are damaged or too few, or when the camera's clock is not to be relied on.
#[derive(Debug)]
pub(crate) struct Health {
    clock: Arc<DeviceClock>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    analysed: StreamRole,
    streams: Vec<StreamHealth>,
    off: bool,
    state: CameraState,
    since: UtcUs,
}

/// What is shown.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) state: CameraState,
    pub(crate) reason: String,
    pub(crate) since: UtcUs,
    pub(crate) last_frame: Option<UtcUs>,
    pub(crate) clock_error_ms: Option<f64>,
}

/// The two clocks of one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) steady: Instant,
    pub(crate) utc: UtcUs,
}

impl Now {
    pub(crate) fn read() -> Self {
        Self { steady: Instant::now(), utc: UtcUs::from(std::time::SystemTime::now()) }
    }
}

impl Health {
    pub(crate) fn new(analysed: StreamRole, roles: &[StreamRole], clock: Arc<DeviceClock>, now: Now) -> Self {
        let stream = |role: &StreamRole| StreamHealth {
            role: *role,
            state: CameraState::Connecting,
            reason: "no session yet".to_owned(),
            last_frame: None,
            seen: None,
            recent: Recent::default(),
            clock_error_ms: None,
        };
        let streams = roles.iter().map(stream).collect();
        let inner = Inner { analysed, streams, off: false, state: CameraState::Connecting, since: now.utc };
        Self { clock, inner: Mutex::new(inner) }
    }

    pub(crate) fn set(&self, role: StreamRole, state: CameraState, reason: String, now: Now) {
        let mut inner = self.lock();
        if let Some(stream) = inner.stream(role) {
            stream.state = state;
            stream.reason = reason;
            if state != CameraState::Online {
                stream.recent = Recent::default();
            }
        }
        self.refresh(&mut inner, now);
    }

    /// Nobody connects to it any more.
    pub(crate) fn turn_off(&self, now: Now) {
        let mut inner = self.lock();
        inner.off = true;
        self.refresh(&mut inner, now);
    }

    /// A frame came; its capture time has that error.
    pub(crate) fn frame(&self, role: StreamRole, error_ms: Option<f64>, now: Now) {
        let mut inner = self.lock();
        let Some(stream) = inner.stream(role) else { return };
        stream.last_frame = Some(now.utc);
        stream.seen = Some(now.steady);
        stream.clock_error_ms = error_ms;
        stream.recent.good(now.steady);
    }

    /// Frames of the stream were lost on the way or could not be decoded.
    pub(crate) fn damaged(&self, role: StreamRole, frames: u64, now: Now) {
        if let Some(stream) = self.lock().stream(role) {
            stream.recent.bad(now.steady, frames);
        }
    }

    pub(crate) fn report(&self, now: Now) -> Report {
        let mut inner = self.lock();
        let reason = self.refresh(&mut inner, now);
        let analysed = inner.streams.iter().find(|s| s.role == inner.analysed);
        Report {
            state: inner.state,
            reason,
            since: inner.since,
            last_frame: inner.streams.iter().filter_map(|s| s.last_frame).max(),
            clock_error_ms: analysed.and_then(|s| s.clock_error_ms),
        }
    }

    /// Brings the camera's state up to date and gives its reason.
    fn refresh(&self, inner: &mut Inner, now: Now) -> String {
        let (state, reason) = inner.combined(&self.clock, now);
        if state != inner.state {
            inner.state = state;
            inner.since = now.utc;
        }
        reason
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamHealth {
    fn judged(&mut self, analysed: bool, now: Now) -> (CameraState, String) {
        if self.state != CameraState::Online {
            return (self.state, self.reason.clone());
        }
        if self.seen.is_none_or(|seen| now.steady.saturating_duration_since(seen) >= STALL_AFTER) {
            return (CameraState::Stalled, format!("connected, but no frame for {} s", STALL_AFTER.as_secs()));
        }
        match self.recent.complaint(now.steady, analysed) {
            Some(why) => (CameraState::Degraded, why),
            None => (CameraState::Online, String::new()),
        }
    }
}

impl Inner {
    fn stream(&mut self, role: StreamRole) -> Option<&mut StreamHealth> {
        self.streams.iter_mut().find(|s| s.role == role)
    }

    fn combined(&mut self, clock: &DeviceClock, now: Now) -> (CameraState, String) {
        if self.off {
            return (CameraState::Suspended, "turned off".to_owned());
        }
        let analysed = self.analysed;
        let judged = self.streams.iter_mut().map(|s| {
            let (state, why) = s.judged(s.role == analysed, now);
            (s.role, state, format!("{} stream: {why}", s.role))
        });
        let (first, others): (Vec<_>, Vec<_>) = judged.partition(|(role, ..)| *role == analysed);
        if let Some((_, state, why)) = first.into_iter().find(|(_, state, _)| *state != CameraState::Online) {
            return (state, why);
        }
        if let Some((.., why)) = others.into_iter().find(|(_, state, _)| *state != CameraState::Online) {
            return (CameraState::Degraded, why);
        }
        match clock.alarm(now.utc.0 as f64 / 1e6) {
            Some(why) => (CameraState::Degraded, why),
            None => (CameraState::Online, String::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(at: Now) -> Health {
        Health::new(StreamRole::Sub, &[StreamRole::Main, StreamRole::Sub], Arc::default(), at)
    }

    fn online(health: &Health, role: StreamRole, at: Now) {
        health.frame(role, Some(1.0), at);
        health.set(role, CameraState::Online, String::new(), at);
    }

    fn later(at: Now, ms: u64) -> Now {
        Now { steady: at.steady + Duration::from_millis(ms), utc: at.utc.plus_s(ms as f64 / 1e3) }
    }

    #[test]
    fn the_analysed_stream_decides_and_the_other_degrades() {
        let t0 = Now::read();
        let health = health(t0);
        let state = |at: Now| (health.report(at).state, health.report(at).since);
        assert_eq!(state(t0), (CameraState::Connecting, t0.utc));
        let t1 = later(t0, 100);
        online(&health, StreamRole::Sub, t1);
        assert_eq!(state(t1), (CameraState::Degraded, t1.utc));
        assert_eq!(health.report(t1).reason, "main stream: no session yet");
        let t2 = later(t0, 200);
        online(&health, StreamRole::Main, t2);
        assert_eq!((state(t2), health.report(t2).reason.as_str()), ((CameraState::Online, t2.utc), ""));
        health.set(StreamRole::Main, CameraState::Offline, "gone".into(), t2);
        assert_eq!((state(t2).0, health.report(t2).reason.as_str()), (CameraState::Degraded, "main stream: gone"));
    }

    #[test]
    fn nobody_is_online_without_a_frame_for_two_seconds_whatever_the_task_says() {
        let t0 = Now::read();
        let health = health(t0);
        online(&health, StreamRole::Sub, t0);
        online(&health, StreamRole::Main, t0);
        assert_eq!(health.report(later(t0, 1999)).state, CameraState::Online);
        let stalled = health.report(later(t0, 2000));
        assert_eq!(stalled.state, CameraState::Stalled);
        assert_eq!(stalled.since, later(t0, 2000).utc);
        assert!(stalled.reason.contains("no frame for 2 s"), "{}", stalled.reason);
    }

    #[test]
    fn damage_and_a_wrong_clock_degrade() {
        let t0 = Now::read();
        let clock = Arc::new(DeviceClock::default());
        let health = Health::new(StreamRole::Main, &[StreamRole::Main], Arc::clone(&clock), t0);
        let mut at = t0;
        for i in 0..100 {
            at = later(t0, i * 40);
            health.frame(StreamRole::Main, None, at);
        }
        health.set(StreamRole::Main, CameraState::Online, String::new(), at);
        (0..60).for_each(|i| health.frame(StreamRole::Main, None, later(at, i * 40)));
        at = later(at, 60 * 40);
        assert_eq!(health.report(at).state, CameraState::Online);
        clock.report(StreamRole::Main, at.utc.0 as f64 / 1e6, -3.0, None);
        assert!(health.report(at).reason.contains("3.0 s behind ours"), "{}", health.report(at).reason);
        health.damaged(StreamRole::Main, 20, at);
        let report = health.report(at);
        assert_eq!(report.state, CameraState::Degraded);
        assert!(report.reason.contains("% of the frames"), "{}", report.reason);
    }
}
