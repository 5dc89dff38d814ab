//! Frames on their way to the detector: newest wins, nobody starves.
//!
//! Every camera has a mailbox of one frame. A new frame replaces one that still waits, which is counted: overload
//! lowers the analysed rate, it never adds delay. [`Hub::take`] hands out waiting frames, most deserving camera
//! first: *stride scheduling* (Waldspurger and Weihl, MIT/LCS/TM-528, 1995), where a camera's pass moves on by `1 / weight` each time
//! it is served and the lowest pass comes next. A camera that was quiet starts at the pass last served, so it neither
//! saves up turns nor loses any. A camera whose [`Turn`] is still held is not handed out again, because its frames
//! must be looked at in order.
//!
//! A camera that falls silent says so by [`Mailbox::end_of_session`]; [`Hub::ended`] hands that on once its last frame
//! was looked at, so that whoever follows vehicles lets go of them now and not when the camera comes back.

mod mailbox;

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use mailbox::Key;
pub use mailbox::{Ended, Mailbox, Turn};
use stopline_types::{CameraId, Frame};

/// Span over which the analysed rate is told.
const RATE_SPAN: Duration = Duration::from_secs(10);
/// Below this a weight would starve its camera.
const LEAST_WEIGHT: f32 = 0.01;

/// Where mailboxes and workers meet.
#[derive(Debug, Default)]
pub struct Hub {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    slots: Vec<Slot>,
    next_key: u64,
    /// Pass of the slot served last.
    pass: f64,
    closed: bool,
}

#[derive(Debug)]
struct Slot {
    key: u64,
    camera: CameraId,
    stride: f64,
    pass: f64,
    waiting: Option<Frame>,
    in_flight: bool,
    /// No frame follows the one that waits, for now.
    ended: bool,
    /// Its mailbox is gone: remove it once empty.
    orphan: bool,
    tally: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    superseded: u64,
    analysed: u64,
    recent: VecDeque<Instant>,
}

impl Tally {
    fn forget_before_span(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|at| now.duration_since(*at) > RATE_SPAN) {
            self.recent.pop_front();
        }
    }
}

/// What became of a mailbox's frames.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MailboxStats {
    /// Replaced by a newer frame before a worker was free.
    pub superseded: u64,
    /// Looked at: their turn is over.
    pub analysed: u64,
    /// Of those, a second, over the last ten seconds (or since the first, if that is later).
    pub analysed_fps: f64,
}

impl Hub {
    /// An empty hub.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A mailbox for a camera. Under overload cameras are served in proportion to their weights (1 is usual; at least
    /// 0.01).
    #[must_use]
    pub fn mailbox(self: &Arc<Self>, camera: &CameraId, weight: f32) -> Mailbox {
        let mut state = self.lock();
        let key = state.next_key;
        state.next_key += 1;
        let weight = if weight.is_finite() { weight.max(LEAST_WEIGHT) } else { 1.0 };
        let pass = state.pass;
        state.slots.push(Slot {
            key,
            camera: camera.clone(),
            stride: 1.0 / f64::from(weight),
            pass,
            waiting: None,
            in_flight: false,
            ended: false,
            orphan: false,
            tally: Tally::default(),
        });
        drop(state);
        Mailbox::new(Key { hub: Arc::clone(self), key })
    }

    /// Up to `max` frames, each of another camera, most deserving first. Waits until there is at least one, but no longer than
    /// `wait` (then the list is empty). `None` once closed and all waiting frames are handed out.
    pub fn take(self: &Arc<Self>, max: usize, wait: Duration) -> Option<Vec<Turn>> {
        let until = Instant::now() + wait;
        let mut state = self.lock();
        loop {
            let turns = self.pick(&mut state, max);
            if !turns.is_empty() {
                return Some(turns);
            }
            if state.closed && state.slots.iter().all(|slot| slot.waiting.is_none()) {
                return None;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || max == 0 {
                return Some(Vec::new());
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Cameras that fell silent and whose last frame was looked at. Each is told once.
    pub fn ended(self: &Arc<Self>) -> Vec<Ended> {
        let mut state = self.lock();
        let silent = state.slots.iter_mut().filter(|slot| slot.ended && slot.waiting.is_none() && !slot.in_flight);
        let told = silent.map(|slot| {
            slot.ended = false;
            slot.in_flight = true;
            Ended::new(Arc::clone(self), slot.key, slot.camera.clone())
        });
        told.collect()
    }

    /// Takes no more frames; those that wait are still handed out.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn pick(self: &Arc<Self>, state: &mut State, max: usize) -> Vec<Turn> {
        let mut turns = Vec::new();
        while turns.len() < max {
            let ready = state.slots.iter_mut().filter(|slot| slot.waiting.is_some() && !slot.in_flight);
            let Some(slot) = ready.min_by(|a, b| a.pass.total_cmp(&b.pass)) else { break };
            let Some(frame) = slot.waiting.take() else { break };
            slot.in_flight = true;
            let pass = slot.pass;
            slot.pass += slot.stride;
            turns.push(Turn::new(Arc::clone(self), slot.key, frame));
            state.pass = state.pass.max(pass);
        }
        turns
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn slot(&mut self, key: u64) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.key == key)
    }

    fn sweep(&mut self) {
        self.slots.retain(|slot| !slot.orphan || slot.waiting.is_some() || slot.in_flight);
    }
}

#[cfg(test)]
mod tests;
