//! Incidents: about the road, not about one vehicle. A vehicle that stands in a lane while others drive past it, and a
//! queue. Pure functions of all tracks of a moment; the caller says when one is new.

use stopline_types::{Quantities, VehicleClass};

use super::{History, quantities};
use crate::scene::Scene;

/// Slower than this is standing, metres a second.
const STANDS_M_S: f64 = 0.4;
/// A pace is measured over this time, seconds.
const PACE_S: f64 = 1.0;
/// A track not seen for longer than this is no longer there, seconds.
const GONE_S: f64 = 2.0;
/// Faster than this drives past, metres a second.
const PASSES_M_S: f64 = 2.0;
/// How long the lane is watched for others that pass, seconds.
const PASSED_S: f64 = 20.0;
/// Movement that still counts as standing, metres.
const STILL_M: f64 = 1.5;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// `stopped_vehicle` or `queue`.
    pub kind: &'static str,
    /// The lane: an index into the scene's.
    pub lane: usize,
    /// The vehicle, for a stopped one.
    pub track: Option<u64>,
    /// What was measured.
    pub measured: Quantities,
}

/// Incidents at `now_s`, lane by lane. In a queue nobody is a stopped vehicle.
#[must_use]
pub fn check<'a>(scene: &Scene, tracks: impl Iterator<Item = &'a History> + Clone, now_s: f64) -> Vec<Found> {
    let rule = scene.rules.incidents;
    let mut found = Vec::new();
    for lane in 0..scene.lanes.len() {
        let here = tracks.clone().filter(|h| {
            let there = h.last().is_some_and(|p| now_s - p.t_s <= GONE_S && p.lane == Some(lane));
            there && h.class != VehicleClass::Pedestrian
        });
        let standing: Vec<(&History, f64)> =
            here.filter_map(|h| Some((h, stood_s(h)?))).filter(|(h, _)| stands_now(h)).collect();
        let queued = standing.iter().filter(|(_, stood)| *stood >= rule.queue_s).count();
        if queued >= rule.queue_vehicles as usize {
            let measured = quantities([
                ("vehicles", queued as f64),
                ("stood_s", standing.iter().map(|s| s.1).fold(0.0, f64::max)),
                ("queue_m", extent_m(&standing)),
            ]);
            found.push(Found { kind: "queue", lane, track: None, measured });
            continue;
        }
        for (history, stood) in standing.iter().filter(|(_, stood)| *stood >= rule.stopped_s) {
            let passes = |other: &History| {
                other.track != history.track
                    && other.window(now_s, PASSED_S).any(|p| {
                        p.lane == Some(lane) && other.pace_m_s(p.t_s, PACE_S).is_some_and(|pace| pace >= PASSES_M_S)
                    })
            };
            let passed = tracks.clone().filter(|other| passes(other)).count();
            if passed > 0 {
                let measured = quantities([("stood_s", *stood), ("passed_by", passed as f64)]);
                found.push(Found { kind: "stopped_vehicle", lane, track: Some(history.track), measured });
            }
        }
    }
    found
}

fn stands_now(history: &History) -> bool {
    history.last().is_some_and(|p| history.pace_m_s(p.t_s, PACE_S).is_some_and(|pace| pace < STANDS_M_S))
}

/// How long it has stood where it is, seconds.
fn stood_s(history: &History) -> Option<f64> {
    let last = history.last()?;
    let from = history.points().rev().take_while(|p| p.distance_m(last) <= STILL_M).last()?;
    Some(last.t_s - from.t_s)
}

/// The longest way between two of them, metres.
fn extent_m(standing: &[(&History, f64)]) -> f64 {
    let ends = || standing.iter().filter_map(|(h, _)| h.last());
    ends().flat_map(|a| ends().map(move |b| a.distance_m(b))).fold(0.0, f64::max)
}
