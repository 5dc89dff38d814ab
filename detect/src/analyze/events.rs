//! Passages and violations from what is known of a track.

use std::collections::VecDeque;

use stopline_types::{
    BoxPx, CameraId, EventId, LegalRef, Moments, Passage, SizePx, TrackPoint, UtcUs, VehicleClass, Versions, Violation,
};

use stopline_types::event::Moment;

use super::trajectory::simplify;
use super::vehicle::Vehicle;
use crate::law::{Act, Catalogue};
use crate::rules::{History, Match, Point, measure_speed, min_fps_of, mode_of};
use crate::scene::Scene;
use crate::signal::PhaseLog;

/// A passage needs this many frames, this much time and this much way: parked vehicles, poles and reflections that
/// the detector takes for vehicles make none. A vehicle that moves on later has moved by then.
const PASSAGE_FRAMES: u32 = 4;
const PASSAGE_S: f64 = 0.5;
const PASSAGE_M: f64 = 2.0;
const PASSAGE_HEIGHTS: f64 = 1.0;
/// Least mean score of the boxes of a passage or a violation.
const LEAST_SCORE: f64 = 0.25;
/// Points of a trajectory.
const TRAJECTORY: usize = 64;
/// The moments of an act lie no farther from it, seconds: the packets that show them must still be there when the act
/// is decided, and an officer wants the act, not the minute before it.
const BEFORE_S: f64 = 5.0;
const AFTER_S: f64 = 4.0;
/// Confidence of what is a motorcycle only because a person moved like one.
const GUESSED: f64 = 0.8;
/// Confidence of a match at fewer frames a second than its rule needs.
const DEGRADED: f64 = 0.8;

/// What is needed to write an event down.
pub(super) struct Judge<'a> {
    pub(super) camera: &'a CameraId,
    pub(super) scene: &'a Scene,
    pub(super) catalogue: &'a Catalogue,
    pub(super) versions: &'a Versions,
    pub(super) phases: &'a [PhaseLog],
    pub(super) frames: &'a VecDeque<f64>,
    pub(super) size: SizePx,
    pub(super) scale: (f64, f64),
}

impl Judge<'_> {
    /// The passage of a track that has ended; `None` for pedestrians and for what was hardly seen or did not move.
    pub(super) fn passage(&self, vehicle: &Vehicle) -> Option<Passage> {
        let history = &vehicle.history;
        let (first, last, best) = (history.first()?, history.last()?, vehicle.best?);
        let vehicle_seen = vehicle.confirmed
            && history.class != VehicleClass::Pedestrian
            && vehicle.frames >= PASSAGE_FRAMES
            && last.t_s - first.t_s >= PASSAGE_S
            && vehicle.score() >= LEAST_SCORE
            && vehicle.moved_m() >= PASSAGE_M
            && vehicle.moved_heights() >= PASSAGE_HEIGHTS;
        if !vehicle_seen {
            return None;
        }
        let at = |p: &Point| TrackPoint {
            dt_s: (p.t_s - first.t_s) as f32,
            x: (p.foot[0] / self.scale.0) as f32,
            y: (p.foot[1] / self.scale.1) as f32,
        };
        let points: Vec<TrackPoint> = history.points().map(at).collect();
        let tolerance_px = self.size.h as f32 / 240.0;
        let guessed = if history.guessed { GUESSED } else { 1.0 };
        Some(Passage {
            id: EventId::derive(self.camera, best.time.utc, history.track, None),
            camera: self.camera.clone(),
            t_s: best.t_s,
            utc: best.time.utc,
            error_ms: best.time.error_ms,
            track: history.track,
            class: history.class,
            bbox: self.in_stream(best.bbox),
            frame_px: self.size,
            confidence: rounded(vehicle.score() * guessed),
            plate: None,
            speed_kmh: vehicle.speed_kmh().map(rounded),
            lane: vehicle.main_lane().map(|lane| self.scene.lanes[lane].name.clone()),
            frames: vehicle.frames,
            entered: first.time.utc,
            left: last.time.utc,
            trajectory: simplify(&points, TRAJECTORY, tolerance_px),
            versions: self.versions.clone(),
        })
    }

    /// The violation of a match; `None` if the vehicle was hardly seen.
    pub(super) fn violation(&self, vehicle: &Vehicle, found: &Match) -> Option<Violation> {
        let history = &vehicle.history;
        let act = history.nearest(found.act_s)?;
        if vehicle.score() < LEAST_SCORE {
            return None;
        }
        let moment = |p: &Point| Moment {
            time: p.time,
            bbox: self.in_stream(p.bbox),
            signal: found.signal.map(|head| self.phases[head].state_at(p.t_s)),
        };
        let shown = found.shown_s.map_or(Some(act), |shown_s| history.nearest(shown_s))?;
        let analysed_fps = self.fps_around(act.t_s);
        let degraded = analysed_fps < min_fps_of(self.scene, found.rule);
        let mut confidence = vehicle.score() * found.certainty;
        if history.guessed {
            confidence *= GUESSED;
        }
        if degraded {
            confidence *= DEGRADED;
        }
        let most_error = self.scene.rules.speed.max_error_kmh;
        let speed = measure_speed(self.scene, history, act.t_s).filter(|s| s.error_kmh <= most_error);
        let speed_kmh = found.measured.get("speed_kmh").copied().or(speed.map(|s| rounded(s.kmh)));
        Some(Violation {
            id: EventId::derive(self.camera, act.time.utc, history.track, Some(found.rule)),
            camera: self.camera.clone(),
            t_s: act.t_s,
            utc: act.time.utc,
            error_ms: act.time.error_ms,
            track: history.track,
            class: history.class,
            bbox: self.in_stream(act.bbox),
            frame_px: self.size,
            confidence: rounded(confidence),
            plate: None,
            speed_kmh,
            rule: found.rule,
            mode: mode_of(self.scene, found.rule),
            measured: found.measured.clone(),
            limit: found.limit.clone(),
            signal: found.signal.map(|head| self.phases[head].state_at(act.t_s)),
            signal_controller: None,
            doubts: Vec::new(),
            lane: found.lane.map(|lane| self.scene.lanes[lane].name.clone()),
            moments: Moments {
                before: moment(history.nearest(found.before_s.max(shown.t_s - BEFORE_S))?),
                act: moment(shown),
                after: moment(history.nearest(found.after_s.min(shown.t_s + AFTER_S))?),
            },
            analysed_fps: rounded(analysed_fps),
            degraded,
            law: self.law_of(history, found, act.time.utc),
            versions: self.versions.clone(),
            evidence: None,
        })
    }

    fn law_of(&self, history: &History, found: &Match, utc: UtcUs) -> Option<LegalRef> {
        let act = Act { rule: found.rule, variant: found.variant, class: history.class, excess_kmh: found.excess_kmh };
        self.catalogue.find(act, utc).cloned()
    }

    /// Analysed frames a second in the two seconds around a moment, as far as they are known.
    fn fps_around(&self, t_s: f64) -> f64 {
        let near: Vec<f64> = self.frames.iter().copied().filter(|f| (f - t_s).abs() <= 1.0).collect();
        match near.as_slice() {
            [first, .., last] => (near.len() - 1) as f64 / (last - first).max(1e-6),
            _ => 0.0,
        }
    }

    /// A box in pixels of the stream's frame, cut at its edges.
    fn in_stream(&self, bbox: BoxPx) -> BoxPx {
        let b = bbox.scaled(1.0 / self.scale.0 as f32, 1.0 / self.scale.1 as f32);
        let (w, h) = (self.size.w as f32, self.size.h as f32);
        let tenth = |at: f32| (at * 10.0).round() / 10.0;
        BoxPx::from_edges(
            tenth(b.x.clamp(0.0, w)),
            tenth(b.y.clamp(0.0, h)),
            tenth(b.right().clamp(0.0, w)),
            tenth(b.bottom().clamp(0.0, h)),
        )
    }
}

/// To three digits after the point: enough for people, alike on every machine.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
