//! How a camera's streams are doing, and what that makes of the camera.

use std::sync::{Mutex, MutexGuard, PoisonError};

use stopline_types::{CameraState, StreamRole, UtcUs};

/// What is known of one stream.
#[derive(Debug, Clone)]
pub(crate) struct StreamHealth {
    role: StreamRole,
    state: CameraState,
    reason: String,
    pub(crate) last_frame: Option<UtcUs>,
    pub(crate) clock_error_ms: Option<f64>,
    pub(crate) clock_offset_ms: Option<f64>,
}

/// State of a camera, made of its streams: that of the analysed stream, but degraded when only another one is missing.
#[derive(Debug)]
pub(crate) struct Health(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    analysed: StreamRole,
    streams: Vec<StreamHealth>,
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
    pub(crate) clock_offset_ms: Option<f64>,
}

impl Health {
    pub(crate) fn new(analysed: StreamRole, roles: &[StreamRole], now: UtcUs) -> Self {
        let stream = |role: &StreamRole| StreamHealth {
            role: *role,
            state: CameraState::Connecting,
            reason: "no session yet".to_owned(),
            last_frame: None,
            clock_error_ms: None,
            clock_offset_ms: None,
        };
        let streams = roles.iter().map(stream).collect();
        Self(Mutex::new(Inner { analysed, streams, state: CameraState::Connecting, since: now }))
    }

    pub(crate) fn set(&self, role: StreamRole, state: CameraState, reason: String, now: UtcUs) {
        let mut inner = self.lock();
        if let Some(stream) = inner.streams.iter_mut().find(|s| s.role == role) {
            stream.state = state;
            stream.reason = reason;
        }
        let (state, _) = inner.combined();
        if state != inner.state {
            inner.state = state;
            inner.since = now;
        }
    }

    pub(crate) fn frame(&self, role: StreamRole, at: UtcUs, error_ms: Option<f64>, offset_ms: Option<f64>) {
        let mut inner = self.lock();
        if let Some(stream) = inner.streams.iter_mut().find(|s| s.role == role) {
            stream.last_frame = Some(at);
            stream.clock_error_ms = error_ms;
            stream.clock_offset_ms = offset_ms;
        }
    }

    pub(crate) fn report(&self) -> Report {
        let inner = self.lock();
        let (state, reason) = inner.combined();
        let analysed = inner.streams.iter().find(|s| s.role == inner.analysed);
        Report {
            state,
            reason,
            since: inner.since,
            last_frame: inner.streams.iter().filter_map(|s| s.last_frame).max(),
            clock_error_ms: analysed.and_then(|s| s.clock_error_ms),
            clock_offset_ms: analysed.and_then(|s| s.clock_offset_ms),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn combined(&self) -> (CameraState, String) {
        let why = |s: &StreamHealth| format!("{} stream: {}", s.role, s.reason);
        let (analysed, others): (Vec<_>, Vec<_>) = self.streams.iter().partition(|s| s.role == self.analysed);
        if let Some(stream) = analysed.first().filter(|s| s.state != CameraState::Online) {
            return (stream.state, why(stream));
        }
        match others.iter().find(|s| s.state != CameraState::Online) {
            Some(stream) => (CameraState::Degraded, why(stream)),
            None => (CameraState::Online, String::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_analysed_stream_decides_and_the_other_degrades() {
        let health = Health::new(StreamRole::Sub, &[StreamRole::Main, StreamRole::Sub], UtcUs(1));
        let state = |h: &Health| (h.report().state, h.report().since.0);
        assert_eq!(state(&health), (CameraState::Connecting, 1));
        health.set(StreamRole::Sub, CameraState::Online, String::new(), UtcUs(2));
        assert_eq!(state(&health), (CameraState::Degraded, 2));
        assert_eq!(health.report().reason, "main stream: no session yet");
        health.set(StreamRole::Main, CameraState::Online, String::new(), UtcUs(3));
        assert_eq!((state(&health), health.report().reason.as_str()), ((CameraState::Online, 3), ""));
        health.set(StreamRole::Sub, CameraState::Stalled, "no frame for 2 s".into(), UtcUs(4));
        health.set(StreamRole::Main, CameraState::Offline, "gone".into(), UtcUs(5));
        assert_eq!(
            (state(&health), health.report().reason.as_str()),
            ((CameraState::Stalled, 4), "sub stream: no frame for 2 s")
        );
        health.frame(StreamRole::Main, UtcUs(9), Some(1.0), None);
        assert_eq!((health.report().last_frame, health.report().clock_error_ms), (Some(UtcUs(9)), None));
    }
}
