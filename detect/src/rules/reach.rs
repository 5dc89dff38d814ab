//! How far a vehicle reaches past the point its box stands on, and where that puts its front.
//!
//! From behind, the bottom of a box is the rear wheel; the law asks for the front. Lengths are usual ones, not
//! measured: their spread is part of every judgement.

use stopline_types::VehicleClass;

use super::history::Point;
use crate::scene::geometry::{DirectedLine, Past};

/// From the rear road contact to the front one for two wheels (a scooter's wheelbase), to the bumper for four;
/// metres, and by how much single vehicles differ.
fn length_m(class: VehicleClass) -> (f64, f64) {
    match class {
        VehicleClass::Car => (4.3, 0.7),
        VehicleClass::Motorcycle => (1.25, 0.2),
        VehicleClass::Bicycle => (1.05, 0.15),
        VehicleClass::Bus => (9.5, 2.5),
        VehicleClass::Truck => (6.5, 2.0),
        VehicleClass::Pedestrian => (0.0, 0.3),
    }
}

/// What lies ahead of the foot point in a direction of travel, metres, and its spread: the whole length for a vehicle
/// that drives away (up the picture), half for one that crosses the view, nothing for one that comes.
pub(super) fn reach_m(class: VehicleClass, line: &DirectedLine) -> (f64, f64) {
    let (length, spread) = length_m(class);
    let away = 0.5 - 0.5 * line.direction[1];
    (length * away, spread * away)
}

/// Where a point lies with respect to a line, metres. Along the line's own direction in metres too.
pub(super) fn past_m(line: &DirectedLine, on_ground: Option<&DirectedLine>, point: &Point) -> Past {
    match (on_ground, point.ground) {
        (Some(line), Some(at)) => line.past(at),
        _ => {
            let px = line.past(point.foot);
            let scale = point.guessed_px_per_m();
            // Across the road nothing is foreshortened.
            Past { distance: px.distance / scale, outside: px.outside / (2.0 * scale) }
        }
    }
}
