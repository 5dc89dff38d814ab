//! The camera's side, and what a worker holds while it looks.

use std::{sync::Arc, time::Instant};

use stopline_types::{CameraId, Frame};

use super::{Hub, MailboxStats, RATE_SPAN};

/// Where a camera puts its frames. Clones share it; when the last is gone the camera leaves the hub.
#[derive(Debug, Clone)]
pub struct Mailbox(Arc<Key>);

#[derive(Debug)]
pub(super) struct Key {
    pub(super) hub: Arc<Hub>,
    pub(super) key: u64,
}

impl Drop for Key {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        if let Some(slot) = state.slot(self.key) {
            slot.orphan = true;
        }
        state.sweep();
    }
}

impl Mailbox {
    pub(super) fn new(key: Key) -> Self {
        Self(Arc::new(key))
    }

    /// Offers a frame. One that still waits is replaced and counted as superseded; so is this one if the hub is closed.
    pub fn put(&self, frame: Frame) {
        let mut state = self.0.hub.lock();
        let (closed, pass) = (state.closed, state.pass);
        let Some(slot) = state.slot(self.0.key) else { return };
        if closed {
            slot.tally.superseded += 1;
            return;
        }
        // The silence is over: a new session or a long pause is told by the frame itself.
        slot.ended = false;
        if slot.waiting.replace(frame).is_some() {
            slot.tally.superseded += 1;
        } else {
            slot.pass = slot.pass.max(pass);
        }
        drop(state);
        self.0.hub.changed.notify_one();
    }

    /// Says that no frame follows for now. A frame put later takes it back.
    pub fn end_of_session(&self) {
        if let Some(slot) = self.0.hub.lock().slot(self.0.key) {
            slot.ended = true;
        }
        self.0.hub.changed.notify_one();
    }

    /// The camera it belongs to.
    #[must_use]
    pub fn camera(&self) -> Option<CameraId> {
        self.0.hub.lock().slot(self.0.key).map(|slot| slot.camera.clone())
    }

    /// What became of its frames.
    #[must_use]
    pub fn stats(&self) -> MailboxStats {
        let mut state = self.0.hub.lock();
        let Some(slot) = state.slot(self.0.key) else { return MailboxStats::default() };
        let now = Instant::now();
        slot.tally.forget_before_span(now);
        let recent = &slot.tally.recent;
        // n frames span n - 1 intervals; a camera seen for less than the span is not divided by all of it.
        let all = slot.tally.analysed == recent.len() as u64;
        let span = match recent.front() {
            Some(first) if all => now.duration_since(*first).as_secs_f64().max(1.0),
            _ => RATE_SPAN.as_secs_f64(),
        };
        let analysed_fps = recent.len() as f64 / span;
        MailboxStats { superseded: slot.tally.superseded, analysed: slot.tally.analysed, analysed_fps }
    }
}

/// A frame in a worker's hands. Dropping it counts the frame as analysed and lets its camera's next frame be taken.
#[derive(Debug)]
pub struct Turn {
    hub: Arc<Hub>,
    key: u64,
    frame: Frame,
}

impl Turn {
    pub(super) fn new(hub: Arc<Hub>, key: u64, frame: Frame) -> Self {
        Self { hub, key, frame }
    }
}

impl AsRef<Frame> for Turn {
    fn as_ref(&self) -> &Frame {
        &self.frame
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        if let Some(slot) = state.slot(self.key) {
            slot.in_flight = false;
            slot.tally.analysed += 1;
            let now = Instant::now();
            slot.tally.recent.push_back(now);
            slot.tally.forget_before_span(now);
        }
        state.sweep();
        drop(state);
        self.hub.changed.notify_all();
    }
}

/// A camera that fell silent. Until it is dropped no frame of that camera is handed out.
#[derive(Debug)]
pub struct Ended {
    hub: Arc<Hub>,
    key: u64,
    camera: CameraId,
}

impl Ended {
    pub(super) fn new(hub: Arc<Hub>, key: u64, camera: CameraId) -> Self {
        Self { hub, key, camera }
    }

    /// Which one.
    #[must_use]
    pub fn camera(&self) -> &CameraId {
        &self.camera
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        if let Some(slot) = state.slot(self.key) {
            slot.in_flight = false;
        }
        state.sweep();
        drop(state);
        self.hub.changed.notify_all();
    }
}
