//! Matching observations to tracks.

use stopline_types::BoxPx;

use super::assign::assign;
use super::kalman::BoxFilter;
use super::riders::{Group, Observation};

/// Boxes with this score or more are matched first and may begin a track.
const HIGH_SCORE: f32 = 0.35;
/// Heights of a settled track's box and of an observation may differ by this factor, and by one more a second unseen.
const SETTLED_SIZE: f64 = 1.5;
/// The same for one that has just begun, and at most.
const FRESH_SIZE: f64 = 2.5;
/// An observation may lie so far from where it is expected, box heights: how much boxes of one thing jitter.
const NEAR: f64 = 0.3;
/// And so many pixels more: of far, small boxes the edges jump by whole pixels of the detector's input.
const NEAR_PX: f64 = 3.0;
/// The same for weak observations: they are often parts of two riders.
const NEAR_WEAK: f64 = 0.1;
/// And so many standard deviations of the filter farther.
const DOUBTS: f64 = 1.5;
/// Two boxes whose heads are nearer than this, box heights, and of which one lies in the other by this share, are one.
const TWIN_HEADS: f32 = 0.22;
const TWIN_SHARE: f32 = 0.7;
/// Of two tracks that are one for so long, the younger ends, seconds.
const TWIN_S: f64 = 0.5;
/// A track is confirmed when it has been seen over this time, seconds, and in three frames, in two of them clearly.
const CONFIRM_S: f64 = 0.25;
/// An unconfirmed track not seen for this long is dropped, seconds.
const DROP_S: f64 = 0.5;
/// A confirmed track not seen for this long has ended, seconds.
const LOST_S: f64 = 2.0;
/// Motion is not foreseen further than this without being seen, seconds: what is hidden has mostly stopped.
const COAST_S: f64 = 0.7;

#[derive(Debug, Clone)]
struct Track {
    id: u64,
    group: Group,
    filter: BoxFilter,
    hits: u32,
    strong: u32,
    first_s: f64,
    seen_s: f64,
    confirmed: bool,
    /// Since when it lies in an older track.
    twin_from_s: Option<f64>,
}

/// A track seen in this frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Its number.
    pub track: u64,
    /// Which observation it was.
    pub observation: usize,
    /// Foot point by the filter, pixels.
    pub foot: [f64; 2],
    /// Velocity by the filter, pixels a second.
    pub velocity: [f64; 2],
    /// Whether it is confirmed by now.
    pub confirmed: bool,
}

/// What a frame did to the tracks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// Tracks seen, in the order of their numbers.
    pub seen: Vec<Seen>,
    /// Numbers of tracks that ended.
    pub ended: Vec<u64>,
}

/// Tracks of one camera.
#[derive(Debug, Clone)]
pub struct Tracker {
    tracks: Vec<Track>,
    next_id: u64,
    now_s: Option<f64>,
}

impl Default for Tracker {
    fn default() -> Self {
        Self { tracks: Vec::new(), next_id: 1, now_s: None }
    }
}

impl Tracker {
    /// Takes the objects of the frame at `t_s` seconds, later than the one before.
    pub fn step(&mut self, t_s: f64, observations: &[Observation]) -> Step {
        let dt = self.now_s.map_or(0.0, |before| (t_s - before).max(0.0));
        self.now_s = Some(t_s);
        for track in &mut self.tracks {
            if t_s - track.seen_s <= COAST_S {
                track.filter.predict(dt);
            }
        }
        let mut step = Step::default();
        let strong = |i: &usize| observations[*i].score >= HIGH_SCORE;
        let (high, low): (Vec<usize>, Vec<usize>) = (0..observations.len()).partition(strong);
        let mut free_tracks: Vec<usize> = (0..self.tracks.len()).collect();
        let mut free_high = high;
        // Settled tracks choose first, so that a fresh false one cannot take their object.
        for (confirmed, weak) in [(true, false), (true, true), (false, false), (false, true)] {
            let tracks: Vec<usize> =
                free_tracks.iter().copied().filter(|t| self.tracks[*t].confirmed == confirmed).collect();
            let pool: Vec<usize> = if weak {
                let taken = |i: &usize| step.seen.iter().any(|s: &Seen| s.observation == *i);
                low.iter().copied().filter(|i| !taken(i)).collect()
            } else {
                free_high.clone()
            };
            for (track, observation) in self.pair(t_s, &tracks, &pool, observations, weak) {
                free_tracks.retain(|t| *t != track);
                free_high.retain(|o| *o != observation);
                step.seen.push(self.see(track, t_s, observation, &observations[observation]));
            }
        }
        self.end(t_s, &mut step);
        self.end_twins(t_s, observations, &mut step);
        for observation in free_high {
            let object = &observations[observation];
            let same = |s: &Seen| {
                let other = &observations[s.observation];
                other.group() == object.group()
                    && (other.bbox.iou(&object.bbox) > 0.6 || twins(&other.bbox, &object.bbox))
            };
            if !step.seen.iter().any(same) {
                step.seen.push(self.begin(t_s, observation, object));
            }
        }
        step.seen.sort_by_key(|s| s.track);
        step
    }

    /// Ends all tracks; returns the confirmed ones.
    pub fn finish(&mut self) -> Vec<u64> {
        self.now_s = None;
        self.tracks.drain(..).filter(|t| t.confirmed).map(|t| t.id).collect()
    }

    fn pair(
        &self,
        t_s: f64,
        tracks: &[usize],
        pool: &[usize],
        observations: &[Observation],
        weak: bool,
    ) -> Vec<(usize, usize)> {
        let cost = |track: &Track, object: &Observation| cost(track, t_s, object, weak);
        let costs: Vec<Vec<f64>> =
            tracks.iter().map(|t| pool.iter().map(|o| cost(&self.tracks[*t], &observations[*o])).collect()).collect();
        let found = assign(&costs, pool.len(), 1.0);
        tracks.iter().zip(found).filter_map(|(t, o)| Some((*t, pool[o?]))).collect()
    }

    fn see(&mut self, track: usize, t_s: f64, observation: usize, object: &Observation) -> Seen {
        let track = &mut self.tracks[track];
        // Where only a person was found the wheels are guessed.
        let blur = if object.bbox == object.seen { 1.0 } else { 2.0 };
        track.filter.update(object.bbox, blur);
        track.hits += 1;
        track.strong += u32::from(object.score >= HIGH_SCORE);
        track.seen_s = t_s;
        track.confirmed |= track.hits >= 3 && track.strong >= 2 && t_s - track.first_s >= CONFIRM_S;
        Seen {
            track: track.id,
            observation,
            foot: track.filter.foot(),
            velocity: track.filter.velocity(),
            confirmed: track.confirmed,
        }
    }

    fn begin(&mut self, t_s: f64, observation: usize, object: &Observation) -> Seen {
        let filter = BoxFilter::new(object.bbox);
        let id = self.next_id;
        self.next_id += 1;
        let group = object.group();
        let (first_s, seen_s) = (t_s, t_s);
        let track =
            Track { id, group, filter, hits: 1, strong: 1, first_s, seen_s, confirmed: false, twin_from_s: None };
        self.tracks.push(track);
        Seen { track: id, observation, foot: filter.foot(), velocity: [0.0; 2], confirmed: false }
    }

    /// Ends the younger of two tracks that have been one for a while.
    fn end_twins(&mut self, t_s: f64, observations: &[Observation], step: &mut Step) {
        let boxes: Vec<(u64, Group, BoxPx)> = step
            .seen
            .iter()
            .map(|s| (s.track, observations[s.observation].group(), observations[s.observation].bbox))
            .collect();
        for (id, group, bbox) in &boxes {
            let older = |(other, g, b): &(u64, Group, BoxPx)| other < id && g == group && twins(b, bbox);
            let twin = boxes.iter().any(older);
            let Some(track) = self.tracks.iter_mut().find(|t| t.id == *id) else { continue };
            track.twin_from_s = twin.then(|| track.twin_from_s.unwrap_or(t_s));
        }
        let over = |t: &Track| t.twin_from_s.is_some_and(|from| t_s - from >= TWIN_S);
        step.ended.extend(self.tracks.iter().filter(|t| over(t)).map(|t| t.id));
        self.tracks.retain(|t| !over(t));
        step.seen.retain(|s| !step.ended.contains(&s.track));
    }

    fn end(&mut self, t_s: f64, step: &mut Step) {
        self.tracks.retain(|track| {
            let unseen = t_s - track.seen_s;
            let over = unseen > if track.confirmed { LOST_S } else { DROP_S };
            if over {
                step.ended.push(track.id);
            }
            !over
        });
    }
}

/// Cost of a pair, 0 to 1; infinite if it cannot be. Overlap of boxes widened with the time unseen, and how far head
/// and foot lie from where the filter expects them, in box heights: motorcycles at 6 frames a second often do not
/// overlap themselves. The gate follows the filter's own doubt: narrow about what stands, wider the longer unseen.
fn cost(track: &Track, t_s: f64, object: &Observation, weak: bool) -> f64 {
    if track.group != object.group() {
        return f64::INFINITY;
    }
    let unseen = t_s - track.seen_s;
    let expected = track.filter.bbox();
    let h = f64::from(expected.h.max(object.bbox.h)).max(1.0);
    let fresh = track.hits < 3;
    let ratio = f64::from(object.bbox.h / expected.h.max(1.0));
    let most = if fresh { FRESH_SIZE } else { (SETTLED_SIZE + unseen).min(FRESH_SIZE) };
    if ratio > most || ratio < 1.0 / most {
        return f64::INFINITY;
    }
    let widen = (0.1 + 0.5 * unseen).min(0.5) as f32;
    let overlap = f64::from(wider(&expected, widen).iou(&wider(&object.bbox, widen)));
    let off = |a: stopline_types::PointPx, b: stopline_types::PointPx| f64::from((a.x - b.x).hypot(a.y - b.y)) / h;
    let feet = off(expected.foot(), object.bbox.foot());
    let top = |b: &BoxPx| stopline_types::PointPx { x: b.centre().x, y: b.y };
    let heads = off(top(&expected), top(&object.bbox));
    let distance = (feet + heads) / 2.0;
    let doubt = track.filter.spread() / f64::from(expected.h).max(1.0);
    let near = if weak { NEAR_WEAK } else { NEAR } + NEAR_PX / h;
    let reach = (near + DOUBTS * doubt).min(1.5);
    if distance > reach {
        return f64::INFINITY;
    }
    0.6 * (1.0 - overlap) + 0.4 * distance / reach
}

/// Whether two boxes show one thing twice: one lies in the other, and their upper edges' middles are one place. Two who
/// stand behind each other overlap too, but their heads are apart.
fn twins(a: &BoxPx, b: &BoxPx) -> bool {
    let h = a.h.max(b.h).max(1.0);
    let heads = (a.centre().x - b.centre().x).hypot(a.y - b.y) / h;
    heads < TWIN_HEADS && a.overlap(b) > TWIN_SHARE * a.area().min(b.area())
}

fn wider(b: &BoxPx, share: f32) -> BoxPx {
    BoxPx { x: b.x - share * b.w, y: b.y - share * b.h, w: b.w * (1.0 + 2.0 * share), h: b.h * (1.0 + 2.0 * share) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stopline_types::VehicleClass;

    fn object(x: f64, y: f64) -> Observation {
        let bbox = BoxPx::from([x as f32 - 20.0, y as f32 - 80.0, 40.0, 80.0]);
        Observation { bbox, seen: bbox, class: VehicleClass::Motorcycle, score: 0.6, class_score: 0.6, persons: 1 }
    }

    proptest! {
        /// Two motorcycles that cross each other's way keep their numbers, at any rate, though the order of the
        /// boxes changes and some frames are missing.
        #[test]
        fn two_that_cross_keep_their_numbers(
            fps in 6.0f64..25.0, speed in 60.0f64..140.0, apart in 30.0f64..60.0, missing in 0u32..10
        ) {
            let mut tracker = Tracker::default();
            let frames = (4.0 * fps) as u32;
            let mut ids: [Vec<u64>; 2] = [vec![], vec![]];
            for i in 0..frames {
                let t = f64::from(i) / fps;
                let a = object(100.0 + speed * t, 300.0);
                let b = object(100.0 + speed * (4.0 - t), 300.0 + apart);
                if i % 11 == missing && i > 5 {
                    tracker.step(t, &[]);
                    continue;
                }
                let (list, order) = if i % 2 == 0 { ([a, b], [0, 1]) } else { ([b, a], [1, 0]) };
                for seen in tracker.step(t, &list).seen {
                    ids[order[seen.observation]].push(seen.track);
                }
            }
            for of in &ids {
                prop_assert!(of.iter().all(|id| *id == of[0]), "{ids:?}");
            }
            prop_assert!(ids[0][0] != ids[1][0]);
        }
    }

    #[test]
    fn tracks_are_confirmed_and_lost_by_time() {
        for fps in [6.0, 25.0] {
            let mut tracker = Tracker::default();
            let mut confirmed_s = None;
            let mut ended_s = None;
            for i in 0..(6.0 * fps) as u32 {
                let t = f64::from(i) / fps;
                let list = if t < 2.0 { vec![object(100.0 + 30.0 * t, 300.0)] } else { vec![] };
                let step = tracker.step(t, &list);
                if step.seen.iter().any(|s| s.confirmed) {
                    confirmed_s.get_or_insert(t);
                }
                if !step.ended.is_empty() {
                    ended_s.get_or_insert(t);
                }
            }
            let (confirmed, ended) = (confirmed_s.expect("confirmed"), ended_s.expect("ended"));
            assert!((0.25..0.45).contains(&confirmed) && (3.8..4.4).contains(&ended), "{fps}: {confirmed} {ended}");
        }
    }
}
