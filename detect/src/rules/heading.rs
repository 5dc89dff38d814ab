//! How far a vehicle has turned: its heading against a direction, over way, not over time.

use super::{History, Point};
use crate::scene::Scene;
use crate::scene::geometry::{Point2, cross, dot, length, sub};

/// A direction in the picture and, if calibrated, on the ground.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ahead {
    pub(super) px: Point2,
    pub(super) ground: Option<Point2>,
}

/// Degrees turned from a direction at a moment, to the right positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Turned {
    pub(super) t_s: f64,
    pub(super) deg: f64,
    /// Metres from where the first heading was measured.
    pub(super) way_m: f64,
}

/// Headings after `from_s`, each over the last `over_m` metres; unwrapped, so that a turn back is 180 and not -180.
pub(super) fn headings(scene: &Scene, history: &History, ahead: Ahead, from_s: f64, over_m: f64) -> Vec<Turned> {
    let points: Vec<&Point> = history.points().filter(|p| p.t_s >= from_s && !p.cut_off).collect();
    let mut found: Vec<Turned> = Vec::new();
    let (mut tail, mut way_m) = (0, 0.0);
    for (i, p) in points.iter().enumerate() {
        while tail + 1 < i && points[tail + 1].distance_m(p) >= over_m {
            way_m += points[tail].distance_m(points[tail + 1]);
            tail += 1;
        }
        if points[tail].distance_m(p) < over_m {
            continue;
        }
        let Some(mut deg) = angle(scene, ahead, points[tail], p) else { continue };
        let before = found.last().map_or(0.0, |t| t.deg);
        deg += 360.0 * ((before - deg) / 360.0).round();
        found.push(Turned { t_s: p.t_s, deg, way_m });
    }
    found
}

fn angle(scene: &Scene, ahead: Ahead, from: &Point, to: &Point) -> Option<f64> {
    let (reference, moved, right) = match (ahead.ground, &scene.ground, from.ground, to.ground) {
        (Some(reference), Some(ground), Some(a), Some(b)) => (reference, sub(b, a), ground.right),
        _ => (ahead.px, sub(to.foot, from.foot), 1.0),
    };
    (length(moved) > 1e-9).then(|| (right * cross(reference, moved)).atan2(dot(reference, moved)).to_degrees())
}
