//! Against the direction of a lane, over a distance and a time.

use stopline_types::{RuleKind, VehicleClass};

use super::{Context, LEAST_HEIGHTS, Match, Point, quantities};
use crate::scene::Lane;
use crate::scene::geometry::{Point2, dot, length, sub};

/// The movement must lie within about 45 degrees of the reverse direction: crossing a lane is no wrong way.
const MOSTLY: f64 = 0.7;
/// No single step is more than this share of the way: a leap is a track that took another vehicle for its own.
const EVENLY: f64 = 0.6;
/// A vehicle that only rolls back is slower than this, metres a second.
const ROLLS_M_S: f64 = 0.8;

pub(super) fn check(context: Context<'_>) -> Option<Match> {
    let Context { scene, history, .. } = context;
    if history.class == VehicleClass::Pedestrian {
        return None;
    }
    let rule = scene.rules.wrong_way;
    let last = history.last()?;
    let lane_index = last.lane?;
    let lane = &scene.lanes[lane_index];
    // The latest unbroken stay in the lane that went backwards.
    let mut from = *last;
    let mut longest: f64 = 0.0;
    for p in history.points().rev().skip(1) {
        if p.lane != Some(lane_index) || against_m(lane, p, &from) < -0.15 {
            break;
        }
        longest = longest.max(against_m(lane, p, &from)).max(p.measured_step_m(&from));
        from = *p;
        let (against, moved, dt) = (against_m(lane, &from, last), from.distance_m(last), last.t_s - from.t_s);
        if against >= rule.distance_m
            && dt >= rule.time_s - 1e-6
            && against >= MOSTLY * moved
            && against / dt >= ROLLS_M_S
            && longest <= EVENLY * against
            && from.moved_heights(last) >= LEAST_HEIGHTS
            && from.moved_whole(last, history.class)
        {
            let first = history.first()?;
            return Some(Match {
                rule: RuleKind::WrongWay,
                act_s: last.t_s,
                before_s: (from.t_s - 0.5).max(first.t_s),
                after_s: last.t_s,
                measured: quantities([("against_m", against), ("time_s", dt), ("pace_m_s", against / dt)]),
                limit: quantities([("against_m", rule.distance_m), ("time_s", rule.time_s)]),
                signal: None,
                lane: Some(lane_index),
                certainty: if scene.ground.is_some() { 1.0 } else { 0.85 },
                shown_s: None,
                excess_kmh: None,
                variant: None,
            });
        }
    }
    None
}

/// Metres travelled against the lane's direction from one point to a later one.
fn against_m(lane: &Lane, from: &Point, to: &Point) -> f64 {
    match (lane.direction_ground, from.ground, to.ground) {
        (Some(direction), Some(a), Some(b)) => -dot(direction, sub(b, a)),
        _ => {
            let moved: Point2 = sub(to.foot, from.foot);
            let share = -dot(lane.direction, moved) / length(moved).max(1e-9);
            share * from.distance_m(to)
        }
    }
}
