//! What is remembered of one track.

use std::collections::BTreeMap;

use stopline_types::{BoxPx, CaptureTime, RuleKind, VehicleClass};

use super::LiveTrack;
use crate::rules::{History, Point, Speed, measure_speed};
use crate::scene::Scene;
use crate::scene::geometry::{Point2, dot, length, point, sub};
use crate::track::{ClassVotes, InLane, Observation, PACE_S, Seen};

/// Boxes nearer to the picture's edge than this are cut off, scene pixels.
const EDGE_PX: f32 = 3.0;
/// A speed is measured about this often for the passage, seconds.
const SPEED_EVERY_S: f64 = 0.2;

/// Slower than this is standing, km/h, and no part of a passage's speed.
const STANDS_KMH: f64 = 3.0;
/// Speeds kept of a track.
const SPEEDS_KEPT: usize = 512;

/// The frame in which a road user was seen best.
#[derive(Debug, Clone, Copy)]
pub(super) struct Best {
    pub(super) t_s: f64,
    pub(super) time: CaptureTime,
    /// Scene pixels.
    pub(super) bbox: BoxPx,
    quality: f32,
}

#[derive(Debug)]
pub(super) struct Vehicle {
    pub(super) history: History,
    /// Rules that matched, and when the act was.
    pub(super) done: BTreeMap<RuleKind, f64>,
    pub(super) confirmed: bool,
    pub(super) frames: u32,
    pub(super) best: Option<Best>,
    speed_now: Option<Speed>,
    speeds: Vec<f64>,
    votes: ClassVotes,
    score_sum: f64,
    lane_s: Vec<f64>,
    speed_tried_s: f64,
}

impl Vehicle {
    pub(super) fn new(track: u64, class: VehicleClass) -> Self {
        Self {
            history: History::new(track, class),
            done: BTreeMap::new(),
            confirmed: false,
            frames: 0,
            best: None,
            speed_now: None,
            speeds: Vec::new(),
            votes: ClassVotes::default(),
            score_sum: 0.0,
            lane_s: Vec::new(),
            speed_tried_s: f64::NEG_INFINITY,
        }
    }

    /// Takes a frame in which it was seen.
    /// Adds a frame in which it was seen; the picture showed `shown` of the scene.
    pub(super) fn see(
        &mut self,
        scene: &Scene,
        shown: &BoxPx,
        (t_s, time): (f64, CaptureTime),
        object: &Observation,
        seen: &Seen,
    ) {
        let dt = self.history.last().map_or(0.0, |last| t_s - last.t_s);
        self.frames += 1;
        self.confirmed |= seen.confirmed;
        self.score_sum += f64::from(object.score);
        self.votes.add(object.class, object.class_score);
        // Wheels guessed below the picture's lower edge are at it.
        let (right, bottom) = (f64::from(scene.frame.w) - 0.5, f64::from(scene.frame.h) - 0.5);
        let foot = [seen.foot[0].clamp(0.0, right), seen.foot[1].clamp(0.0, bottom)];
        let lane = scene.lane_at(foot);
        self.history.push(point_of(scene, t_s, time, object, foot, lane, shown));

        let pace = self.history.pace_m_s(t_s, PACE_S).unwrap_or(0.0);
        self.votes.moved(dt, pace, in_lane(scene, lane, seen.velocity, object.bbox.h));
        let judged = self.votes.judge();
        (self.history.class, self.history.guessed) = (judged.class, judged.guessed);
        self.history.class_share = judged.share;
        if let Some(lane) = lane {
            self.lane_s.resize(scene.lanes.len(), 0.0);
            self.lane_s[lane] += dt;
        }
        let whole = if self.history.last().is_some_and(|p| p.cut_off) { 0.3 } else { 1.0 };
        let quality = object.score * object.seen.area().sqrt() * whole;
        if self.best.is_none_or(|best| quality > best.quality) {
            self.best = Some(Best { t_s, time, bbox: object.bbox, quality });
        }
        if t_s - self.speed_tried_s >= SPEED_EVERY_S && scene.ground.is_some() {
            self.speed_tried_s = t_s;
            let speed = measure_speed(scene, &self.history, t_s);
            let speed = speed.filter(|s| s.error_kmh <= scene.rules.speed.max_error_kmh);
            self.speed_now = speed;
            if let Some(speed) = speed.filter(|s| s.kmh > STANDS_KMH && self.speeds.len() < SPEEDS_KEPT) {
                self.speeds.push(speed.kmh);
            }
        }
    }

    pub(super) fn score(&self) -> f64 {
        self.score_sum / f64::from(self.frames.max(1))
    }

    /// The median of its speeds while it moved, as far as they were sure; `None` without ground plane.
    pub(super) fn speed_kmh(&self) -> Option<f64> {
        let mut speeds = self.speeds.clone();
        speeds.sort_unstable_by(f64::total_cmp);
        speeds.get(speeds.len() / 2).copied()
    }

    pub(super) fn last_s(&self) -> f64 {
        self.history.last().map_or(f64::NEG_INFINITY, |p| p.t_s)
    }

    pub(super) fn last_time(&self) -> Option<CaptureTime> {
        self.history.last().map(|p| p.time)
    }

    /// The lane it was in longest, if in any for a quarter of its time.
    pub(super) fn main_lane(&self) -> Option<usize> {
        let longest = (0..self.lane_s.len()).max_by(|a, b| self.lane_s[*a].total_cmp(&self.lane_s[*b]))?;
        let seen_s = self.last_s() - self.history.first()?.t_s;
        (self.lane_s[longest] > 0.25 * seen_s).then_some(longest)
    }

    /// The farthest it was from where it began, metres (guessed from its box without ground plane).
    pub(super) fn moved_m(&self) -> f64 {
        let Some(first) = self.history.first() else { return 0.0 };
        self.history.points().map(|p| first.distance_m(p)).fold(0.0, f64::max)
    }

    /// The same in the picture, in heights of its box: far away a metre is less than a box's jitter.
    pub(super) fn moved_heights(&self) -> f64 {
        let Some(first) = self.history.first() else { return 0.0 };
        let heights = |p: &Point| length(sub(p.foot, first.foot)) / f64::from(p.bbox.h.max(first.bbox.h)).max(1.0);
        self.history.points().map(heights).fold(0.0, f64::max)
    }

    pub(super) fn live(&self, scale: (f64, f64)) -> LiveTrack {
        let bbox = self.history.last().map_or(BoxPx::from([0.0; 4]), |p| p.bbox);
        LiveTrack {
            track: self.history.track,
            class: self.history.class,
            bbox: bbox.scaled(1.0 / scale.0 as f32, 1.0 / scale.1 as f32),
            confidence: self.score(),
            speed_kmh: self.speed_now.map(|s| s.kmh),
        }
    }
}

/// How it moves in its lane. Slower than `STEP` of its height a second is standing: boxes jitter.
fn in_lane(scene: &Scene, lane: Option<usize>, velocity: Point2, height: f32) -> InLane {
    const STEP: f64 = 0.25;
    /// Cosine of the angle to the lane from which on it is crossed: 60 degrees.
    const ALONG: f64 = 0.5;
    let Some(lane) = lane else { return InLane::Not };
    let speed = length(velocity);
    let across = speed > STEP * f64::from(height) && dot(velocity, scene.lanes[lane].direction).abs() < ALONG * speed;
    if across { InLane::Across } else { InLane::With }
}

fn point_of(
    scene: &Scene,
    t_s: f64,
    time: CaptureTime,
    object: &Observation,
    foot: Point2,
    lane: Option<usize>,
    shown: &BoxPx,
) -> Point {
    let b = object.bbox;
    let measured = point(b.foot());
    let ground_measured = scene.to_ground(measured);
    let above = scene.to_ground([measured[0], measured[1] - 1.0]);
    Point {
        t_s,
        time,
        bbox: b,
        foot,
        ground: scene.to_ground(foot),
        ground_measured,
        ground_m_per_px: ground_measured.zip(above).map(|(a, b)| length(sub(a, b))),
        lane,
        cut_off: b.bottom() >= shown.bottom() - EDGE_PX
            || b.x <= shown.x + EDGE_PX
            || b.right() >= shown.right() - EDGE_PX,
    }
}
