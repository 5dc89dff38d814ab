//! Frames on their way to the detector: newest wins, nobody starves.
//!
//! Every camera has a mailbox of one frame. A new frame replaces one that still waits, which is counted: overload
//! lowers the analysed rate, it never adds delay. [`Hub::take`] hands out waiting frames, most deserving camera
//! first: *stride scheduling* (Waldspurger and Weihl, MIT/LCS/TM-528, 1995), where a camera's pass moves on by `1 / weight` each time
//! it is served and the lowest pass comes next. A camera that was quiet starts at the pass last served, so it neither
//! saves up turns nor loses any. A camera whose [`Turn`] is still held is not handed out again, because its frames
//! must be looked at in order.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

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
            orphan: false,
            tally: Tally::default(),
        });
        drop(state);
        Mailbox(Arc::new(Key { hub: Arc::clone(self), key }))
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
            turns.push(Turn { hub: Arc::clone(self), key: slot.key, frame });
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

/// Where a camera puts its frames. Clones share it; when the last is gone the camera leaves the hub.
#[derive(Debug, Clone)]
pub struct Mailbox(Arc<Key>);

#[derive(Debug)]
struct Key {
    hub: Arc<Hub>,
    key: u64,
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
    /// Offers a frame. One that still waits is replaced and counted as superseded; so is this one if the hub is closed.
    pub fn put(&self, frame: Frame) {
        let mut state = self.0.hub.lock();
        let (closed, pass) = (state.closed, state.pass);
        let Some(slot) = state.slot(self.0.key) else { return };
        if closed {
            slot.tally.superseded += 1;
            return;
        }
        if slot.waiting.replace(frame).is_some() {
            slot.tally.superseded += 1;
        } else {
            slot.pass = slot.pass.max(pass);
        }
        drop(state);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use stopline_types::{BgrImage, CaptureTime, SizePx, StreamRole, TimeSource, UtcUs};

    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn camera(name: &str) -> CameraId {
        CameraId::new(name).unwrap()
    }

    fn frame(camera: &CameraId, seq: u64) -> Frame {
        let size = SizePx { w: 1, h: 1 };
        Frame {
            camera: camera.clone(),
            role: StreamRole::Sub,
            seq,
            time: CaptureTime { utc: UtcUs(0), error_ms: None, source: TimeSource::Receive },
            media_s: 0.0,
            source: size,
            image: BgrImage { size, data: vec![0; 3] },
            crops: Vec::new(),
            part: None,
            received: None,
        }
    }

    /// Serves `rounds` times one frame while every camera always has one waiting.
    fn served(weights: &[(&str, f32)], rounds: usize) -> BTreeMap<String, usize> {
        let hub = Hub::new();
        let boxes: Vec<_> = weights.iter().map(|(name, w)| (camera(name), hub.mailbox(&camera(name), *w))).collect();
        let mut counts = BTreeMap::new();
        for round in 0..rounds {
            boxes.iter().for_each(|(id, mailbox)| mailbox.put(frame(id, round as u64)));
            for turn in hub.take(1, NOW).unwrap() {
                *counts.entry(turn.as_ref().camera.to_string()).or_default() += 1;
            }
        }
        counts
    }

    #[test]
    fn newest_wins_and_the_rest_is_counted() {
        let hub = Hub::new();
        let mailbox = hub.mailbox(&camera("a"), 1.0);
        (0..5).for_each(|seq| mailbox.put(frame(&camera("a"), seq)));
        let turns = hub.take(8, NOW).unwrap();
        assert_eq!((turns.len(), turns[0].as_ref().seq), (1, 4));
        drop(turns);
        let stats = mailbox.stats();
        assert_eq!((stats.superseded, stats.analysed), (4, 1));
        assert!(stats.analysed_fps > 0.0);
    }

    #[test]
    fn served_by_weight_and_none_starves() {
        let counts = served(&[("a", 1.0), ("b", 1.0), ("c", 2.0)], 400);
        assert_eq!((counts["a"], counts["b"], counts["c"]), (100, 100, 200));
        let counts = served(&[("heavy", 100.0), ("light", 0.0)], 20_000);
        assert!(counts["light"] >= 2, "{counts:?}");
        let equal = served(&[("a", 1.0), ("b", f32::NAN), ("c", 1.0), ("d", 1.0)], 400);
        assert!(equal.values().all(|n| *n == 100), "{equal:?}");
    }

    #[test]
    fn a_quiet_camera_saves_up_no_turns() {
        let hub = Hub::new();
        let (a, b) = (hub.mailbox(&camera("a"), 1.0), hub.mailbox(&camera("b"), 1.0));
        for seq in 0..100 {
            a.put(frame(&camera("a"), seq));
            drop(hub.take(1, NOW));
        }
        let mut of_b = 0;
        for seq in 0..20 {
            a.put(frame(&camera("a"), seq));
            b.put(frame(&camera("b"), seq));
            of_b += hub.take(1, NOW).unwrap().iter().filter(|turn| turn.as_ref().camera.as_str() == "b").count();
        }
        assert!((9..=11).contains(&of_b), "{of_b}");
    }

    #[test]
    fn a_camera_in_flight_is_not_handed_out_again() {
        let hub = Hub::new();
        let mailbox = hub.mailbox(&camera("a"), 1.0);
        mailbox.put(frame(&camera("a"), 0));
        let held = hub.take(4, NOW).unwrap();
        mailbox.put(frame(&camera("a"), 1));
        assert!(hub.take(4, Duration::from_millis(5)).unwrap().is_empty());
        drop(held);
        assert_eq!(hub.take(4, NOW).unwrap()[0].as_ref().seq, 1);
    }

    #[test]
    fn a_waiting_worker_is_woken() {
        let hub = Hub::new();
        let mailbox = hub.mailbox(&camera("a"), 1.0);
        let waiting = {
            let hub = Arc::clone(&hub);
            std::thread::spawn(move || hub.take(1, Duration::from_secs(60)).map(|turns| turns.len()))
        };
        mailbox.put(frame(&camera("a"), 0));
        assert_eq!(waiting.join().unwrap(), Some(1));
    }

    #[test]
    fn closed_means_the_rest_and_then_none() {
        let hub = Hub::new();
        let mailbox = hub.mailbox(&camera("a"), 1.0);
        mailbox.put(frame(&camera("a"), 0));
        let held = hub.take(1, NOW).unwrap();
        mailbox.put(frame(&camera("a"), 1));
        hub.close();
        mailbox.put(frame(&camera("a"), 2));
        let waiting = {
            let hub = Arc::clone(&hub);
            std::thread::spawn(move || hub.take(1, Duration::from_secs(60)).map(|turns| turns[0].as_ref().seq))
        };
        drop(held);
        assert_eq!(waiting.join().unwrap(), Some(1));
        assert!(hub.take(1, Duration::from_secs(60)).is_none());
    }

    #[test]
    fn a_camera_that_leaves_loses_no_frame() {
        let hub = Hub::new();
        let mailbox = hub.mailbox(&camera("a"), 1.0);
        mailbox.put(frame(&camera("a"), 0));
        drop(mailbox);
        assert_eq!(hub.take(1, NOW).unwrap().len(), 1);
        assert!(hub.lock().slots.is_empty());
    }

    #[test]
    fn several_workers_never_share_a_camera() {
        let hub = Hub::new();
        let ids: Vec<_> = (0..3).map(|i| camera(&format!("c{i}"))).collect();
        let boxes: Vec<_> = ids.iter().map(|id| hub.mailbox(id, 1.0)).collect();
        let busy: Arc<Mutex<std::collections::HashSet<CameraId>>> = Arc::default();
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let (hub, busy) = (Arc::clone(&hub), Arc::clone(&busy));
                std::thread::spawn(move || {
                    let mut seen = 0;
                    while let Some(turns) = hub.take(2, Duration::from_secs(60)) {
                        for turn in turns {
                            assert!(busy.lock().unwrap().insert(turn.as_ref().camera.clone()), "handed out twice");
                            std::thread::yield_now();
                            busy.lock().unwrap().remove(&turn.as_ref().camera);
                            seen += 1;
                        }
                    }
                    seen
                })
            })
            .collect();
        for seq in 0..2000 {
            boxes.iter().zip(&ids).for_each(|(mailbox, id)| mailbox.put(frame(id, seq)));
        }
        hub.close();
        let seen: u64 = workers.into_iter().map(|w| w.join().unwrap()).sum();
        let stats: Vec<_> = boxes.iter().map(Mailbox::stats).collect();
        assert_eq!(seen, stats.iter().map(|s| s.analysed).sum::<u64>());
        assert_eq!(stats.iter().map(|s| s.analysed + s.superseded).sum::<u64>(), 6000);
    }
}
