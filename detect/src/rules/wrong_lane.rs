//! In a lane the class may not use, over a distance and a time.

use stopline_types::{RuleKind, VehicleClass};

use super::{Context, History, LEAST_HEIGHTS, Match, quantities};
use crate::scene::Lane;

/// Share of the votes that makes a class sure.
const SURE_SHARE: f64 = 0.85;
/// Bicycles are seldom faster, metres a second (18 km/h).
const CYCLES_M_S: f64 = 5.0;

pub(super) fn check(context: Context<'_>) -> Option<Match> {
    let Context { scene, history, .. } = context;
    if history.class == VehicleClass::Pedestrian {
        return None;
    }
    let rule = scene.rules.wrong_lane;
    let last = history.last()?;
    let lane_index = last.lane?;
    let lane = &scene.lanes[lane_index];
    if lane.classes.as_ref().is_none_or(|allowed| allowed.contains(&history.class)) {
        return None;
    }
    if lane.hours.as_ref().is_some_and(|hours| !hours.hold(last.time.utc)) || !class_is_sure(lane, history) {
        return None;
    }
    let stay = history.points().rev().take_while(|p| p.lane == Some(lane_index));
    let from = stay.last()?;
    let (moved, dt) = (from.distance_m(last), last.t_s - from.t_s);
    if moved < rule.distance_m || dt < rule.time_s - 1e-6 || from.moved_heights(last) < LEAST_HEIGHTS {
        return None;
    }
    Some(Match {
        rule: RuleKind::WrongLane,
        act_s: last.t_s,
        before_s: from.t_s,
        after_s: last.t_s,
        measured: quantities([("in_lane_m", moved), ("in_lane_s", dt)]),
        limit: quantities([("in_lane_m", rule.distance_m), ("in_lane_s", rule.time_s)]),
        signal: None,
        lane: Some(lane_index),
        certainty: if history.guessed { 0.7 } else { 1.0 },
        shown_s: None,
        excess_kmh: None,
        variant: None,
    })
}

/// Detectors take motorcycles for bicycles and lorries for buses. Where the lane allows the one, the other must be sure.
fn class_is_sure(lane: &Lane, history: &History) -> bool {
    use VehicleClass::{Bicycle, Bus, Car, Motorcycle, Truck};
    let alike: &[VehicleClass] = match history.class {
        Bicycle | Motorcycle => &[Bicycle, Motorcycle],
        _ => &[Car, Bus, Truck],
    };
    let one_may = lane.classes.as_ref().is_some_and(|allowed| alike.iter().any(|class| allowed.contains(class)));
    // What went as fast as motorcycles do, now or before it braked, may well be one.
    let pace = |t_s: f64| history.pace_m_s(t_s, 1.0);
    let rides = history.class == Bicycle && history.points().any(|p| pace(p.t_s).is_some_and(|v| v >= CYCLES_M_S));
    !one_may || (history.class_share >= SURE_SHARE && !rides)
}
