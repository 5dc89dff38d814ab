//! Passages against road users: who was found, missed, told twice, mixed up; class, speed and plate of each.

use std::collections::BTreeMap;

use serde::Serialize;
use stopline_types::{Passage, PointPx, VehicleClass};

use super::{Errors, PlateScore, Truth, in_truth_px, share, truth::Vehicle};

/// A passage's way is looked at in steps of so many seconds.
const STEP_S: f64 = 0.2;
/// A point belongs to the road user whose foot is nearest, within this part of its box's width and height.
const NEAR: f32 = 0.75;
/// Who owned the step before goes on owning while within this part: somebody larger who drives by takes nothing.
const STAYS: f32 = 0.35;
/// Less visible road users own no point.
const LEAST_VISIBLE: f32 = 0.1;
/// A passage is of the road user that owns most of its way, if that is at least this share.
const LEAST_SHARE: f64 = 1.0 / 3.0;
/// A stretch of the way owned by another counts as a switch of identity when it is at least so long, in steps.
const SWITCH_STEPS: usize = 4;
/// Around the seam of a looped clip vehicles jump: switches there are none of the tracker's, seconds.
const SEAM_S: f64 = 1.0;
/// Slower than this is standing, km/h: the engine leaves it out of a passage's speed.
const STANDS_KMH: f64 = 3.0;
/// True speed that changes by no more than this during a passage is steady, km/h.
const STEADY_KMH: f64 = 5.0;

/// Figures of the passages of a clip.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct PassageScore {
    /// Vehicles that must give a passage: seen well for a second, and moving meanwhile.
    pub expected: usize,
    /// Of those, with at least one.
    pub found: usize,
    /// Of those, without.
    pub missed: Vec<MissedVehicle>,
    /// Passages beyond the first of their vehicle: broken tracks.
    pub doubled: usize,
    /// Vehicles that need not give one (parked, far, cut off), and those that gave one.
    pub aside: usize,
    pub aside_found: usize,
    /// Passages of people on foot.
    pub of_pedestrians: usize,
    /// Passages that follow no road user.
    pub of_nobody: Vec<Stray>,
    /// Tracks that went on with another road user.
    pub switches: Vec<Switch>,
    /// True class, then class as said, of every passage of a road user.
    pub classes: BTreeMap<VehicleClass, BTreeMap<VehicleClass, usize>>,
    /// Measured less true median speed, km/h, of every passage with a speed; and of those driven steadily.
    pub speed_error_kmh: Errors,
    pub steady_speed_error_kmh: Errors,
    /// Passages of vehicles without a measured speed.
    pub without_speed: usize,
    /// Plates of passages; a vehicle without a passage is unread.
    pub plates: PlateScore,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct MissedVehicle {
    pub who: String,
    pub class: VehicleClass,
    pub from_s: f64,
    pub to_s: f64,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Stray {
    pub track: u64,
    pub class: VehicleClass,
    pub t_s: f64,
    /// In the truth's frame.
    #[serde(skip)]
    pub bbox: stopline_types::BoxPx,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Switch {
    pub track: u64,
    pub t_s: f64,
    pub from: String,
    pub to: String,
}

impl PassageScore {
    /// Vehicles found of those expected.
    pub(crate) fn recall(&self) -> f64 {
        share(self.found, self.expected)
    }

    /// Passages whose class is right, of all that follow a road user.
    pub(crate) fn class_right(&self) -> (usize, usize) {
        let all = self.classes.values().flat_map(BTreeMap::values).sum();
        (self.classes.iter().map(|(class, said)| said.get(class).copied().unwrap_or(0)).sum(), all)
    }

    pub(super) fn add(mut self, mut other: Self) -> Self {
        self.expected += other.expected;
        self.found += other.found;
        self.missed.append(&mut other.missed);
        self.doubled += other.doubled;
        self.aside += other.aside;
        self.aside_found += other.aside_found;
        self.of_pedestrians += other.of_pedestrians;
        self.of_nobody.append(&mut other.of_nobody);
        self.switches.append(&mut other.switches);
        for (class, said) in other.classes {
            for (said, count) in said {
                *self.classes.entry(class).or_default().entry(said).or_default() += count;
            }
        }
        self.speed_error_kmh.add(other.speed_error_kmh);
        self.steady_speed_error_kmh.add(other.steady_speed_error_kmh);
        self.without_speed += other.without_speed;
        self.plates.add(other.plates);
        self
    }

    fn judge_vehicle(&mut self, truth: &Truth, vehicle: &Vehicle, passages: usize) {
        if vehicle.class == VehicleClass::Pedestrian {
            self.of_pedestrians += passages;
            return;
        }
        self.doubled += passages.saturating_sub(1);
        let Some((from_s, to_s)) = vehicle.passes(truth.frame_px) else {
            self.aside += 1;
            self.aside_found += usize::from(passages > 0);
            return;
        };
        self.expected += 1;
        if passages > 0 {
            self.found += 1;
            return;
        }
        self.missed.push(MissedVehicle { who: vehicle.id.clone(), class: vehicle.class, from_s, to_s });
        if vehicle.is_plate_readable(from_s, to_s) {
            self.plates.judge(vehicle, None, true, from_s);
        }
    }

    fn judge_passage(&mut self, vehicle: &Vehicle, passage: &Passage, (from_s, to_s): (f64, f64)) {
        *self.classes.entry(vehicle.class).or_default().entry(passage.class).or_default() += 1;
        if vehicle.class == VehicleClass::Pedestrian {
            return;
        }
        let readable = vehicle.is_plate_readable(from_s, to_s);
        self.plates.judge(vehicle, passage.plate.as_ref(), readable, passage.t_s);
        let moving = vehicle.track.between(from_s, to_s).map(|(_, sighting)| sighting.speed_kmh);
        let mut speeds: Vec<f64> = moving.filter(|kmh| *kmh > STANDS_KMH).collect();
        speeds.sort_unstable_by(f64::total_cmp);
        let Some(measured) = passage.speed_kmh else {
            self.without_speed += 1;
            return;
        };
        if let (Some(median), [slowest, .., fastest]) = (speeds.get(speeds.len() / 2), speeds.as_slice()) {
            self.speed_error_kmh.push(measured - median);
            if fastest - slowest <= STEADY_KMH {
                self.steady_speed_error_kmh.push(measured - median);
            }
        }
    }
}

/// Figures of all passages; `None` if the truth does not know the road users.
pub(super) fn judge(truth: &Truth, passages: &[&Passage]) -> Option<PassageScore> {
    if truth.vehicles.is_empty() {
        return None;
    }
    let mut score = PassageScore::default();
    let mut counts = vec![0; truth.vehicles.len()];
    for passage in passages {
        let way = Way::of(truth, passage);
        score.switches.extend(way.switches(truth, passage.track));
        match way.owner() {
            Some(owner) => {
                counts[owner] += 1;
                score.judge_passage(&truth.vehicles[owner], passage, way.span_s);
            }
            None => score.of_nobody.push(Stray {
                track: passage.track,
                class: passage.class,
                t_s: passage.t_s,
                bbox: in_truth_px(truth, passage.bbox, passage.frame_px),
            }),
        }
    }
    for (vehicle, passages) in truth.vehicles.iter().zip(counts) {
        score.judge_vehicle(truth, vehicle, passages);
    }
    Some(score)
}

/// Who is where a passage says it is, step by step.
struct Way {
    span_s: (f64, f64),
    owners: Vec<Option<usize>>,
}

impl Way {
    fn of(truth: &Truth, passage: &Passage) -> Self {
        let began_s = passage.t_s - passage.utc.since_s(passage.entered);
        let ended_s = passage.t_s + passage.left.since_s(passage.utc);
        let (sx, sy) =
            (truth.frame_px.w as f32 / passage.frame_px.w as f32, truth.frame_px.h as f32 / passage.frame_px.h as f32);
        let steps = ((ended_s - began_s) / STEP_S).max(0.0) as usize;
        let mut before = None;
        let owners = (0..=steps).map(|step| {
            let dt_s = step as f64 * STEP_S;
            let at = foot_at(passage, dt_s as f32)?;
            let owner = owner(truth, began_s + dt_s, PointPx { x: at.x * sx, y: at.y * sy }, before);
            before = owner.or(before);
            owner
        });
        let owners = owners.collect();
        Self { span_s: (began_s, ended_s), owners }
    }

    fn owner(&self) -> Option<usize> {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        self.owners.iter().flatten().for_each(|owner| *counts.entry(*owner).or_default() += 1);
        let (owner, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        (count as f64 >= self.owners.len() as f64 * LEAST_SHARE).then_some(owner)
    }

    fn switches(&self, truth: &Truth, track: u64) -> Vec<Switch> {
        let (mut found, mut settled, mut step) = (Vec::new(), None, 0);
        for run in self.owners.chunk_by(|a, b| a == b) {
            if let Some(owner) = run[0].filter(|_| run.len() >= SWITCH_STEPS) {
                let t_s = self.span_s.0 + step as f64 * STEP_S;
                let at_seam = truth.seams_s.iter().any(|seam_s| (t_s - seam_s).abs() < SEAM_S);
                if let Some(before) = settled.filter(|before| *before != owner && !at_seam) {
                    let name = |vehicle: usize| truth.vehicles[vehicle].id.clone();
                    found.push(Switch { track, t_s, from: name(before), to: name(owner) });
                }
                settled = Some(owner);
            }
            step += run.len();
        }
        found
    }
}

/// The passage's foot point `dt_s` after it began, in pixels of its frame.
fn foot_at(passage: &Passage, dt_s: f32) -> Option<PointPx> {
    let points = &passage.trajectory;
    let after = points.partition_point(|point| point.dt_s < dt_s).min(points.len().checked_sub(1)?);
    let (a, b) = (points[after.saturating_sub(1)], points[after]);
    let span = b.dt_s - a.dt_s;
    let share = if span > 0.0 { ((dt_s - a.dt_s) / span).clamp(0.0, 1.0) } else { 0.0 };
    Some(PointPx { x: a.x + share * (b.x - a.x), y: a.y + share * (b.y - a.y) })
}

/// The road user that stands at `foot`, where `before` stood a step ago.
fn owner(truth: &Truth, t_s: f64, foot: PointPx, before: Option<usize>) -> Option<usize> {
    let near = truth.vehicles.iter().enumerate().filter_map(|(index, vehicle)| {
        let seen = vehicle.track.at(t_s).filter(|seen| seen.visible >= LEAST_VISIBLE)?;
        let at = seen.bbox.foot();
        let away = ((foot.x - at.x) / seen.bbox.w.max(1.0)).hypot((foot.y - at.y) / seen.bbox.h.max(1.0));
        (away <= NEAR).then_some((index, away))
    });
    let near = near.map(|(index, away)| (index, if Some(index) == before && away <= STAYS { 0.0 } else { away }));
    near.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(index, _)| index)
}
