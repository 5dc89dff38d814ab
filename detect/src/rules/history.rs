//! Where a track was, in scene coordinates.

use std::collections::VecDeque;

use stopline_types::{BoxPx, CaptureTime, VehicleClass};

use crate::scene::geometry::{Point2, length, sub};

/// Points kept of a track. Above it, every second one of the older half goes: a vehicle parked for an hour keeps its
/// arrival and its last minutes.
const KEPT: usize = 2048;
/// Height of a road user that the height of its box stands for, metres, where there is no ground plane.
const BOX_HEIGHT_M: f64 = 1.7;
/// Foreshortening along the road that is assumed where there is no ground plane.
const FORESHORTENED: f64 = 0.5;

/// From one frame to the next no vehicle goes farther than this: 120 km/h and the jitter of a box.
const LEAP_M: f64 = 1.5;
const LEAP_M_S: f64 = 34.0;

/// A box that begins this near to the picture's upper edge is cut off by it, scene pixels.
const TOP_PX: f32 = 3.0;

/// Where it was in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Seconds of the media.
    pub t_s: f64,
    /// When that was.
    pub time: CaptureTime,
    /// Its box, scene pixels.
    pub bbox: BoxPx,
    /// Foot point as filtered, scene pixels.
    pub foot: Point2,
    /// Foot point as filtered, metres on the ground.
    pub ground: Option<Point2>,
    /// Foot point as measured, metres on the ground.
    pub ground_measured: Option<Point2>,
    /// What one box height of error at the foot is on the ground along the view, metres; for weights.
    pub ground_m_per_px: Option<f64>,
    /// The lane the foot is in.
    pub lane: Option<usize>,
    /// The box is cut by the edge of the picture, so its foot point is not the road contact.
    pub cut_off: bool,
}

impl Point {
    /// Pixels of the scene a metre along the road, guessed from the box, for scenes without ground plane.
    #[must_use]
    pub fn guessed_px_per_m(&self) -> f64 {
        (f64::from(self.bbox.h) / BOX_HEIGHT_M * FORESHORTENED).max(1e-3)
    }

    /// How far it moved in the picture, in heights of its box.
    #[must_use]
    pub fn moved_heights(&self, other: &Self) -> f64 {
        length(sub(other.foot, self.foot)) / f64::from(self.bbox.h.max(other.bbox.h)).max(1.0)
    }

    /// Whether head and foot of its box both went along: a box that only grows or shrinks at one end, because another
    /// vehicle uncovers it or is taken for it, stays where it is. The head of a vehicle of height `h` seen from a
    /// camera of height `c` moves `(c - h) / c` as far in the picture: 0.7 for a rider under 6 m, 0.5 for a bus.
    #[must_use]
    pub fn moved_whole(&self, other: &Self, class: VehicleClass) -> bool {
        if self.bbox.y <= TOP_PX || other.bbox.y <= TOP_PX {
            return true;
        }
        let least = match class {
            VehicleClass::Motorcycle | VehicleClass::Bicycle | VehicleClass::Pedestrian => 0.6,
            VehicleClass::Car => 0.5,
            VehicleClass::Bus | VehicleClass::Truck => 0.35,
        };
        let (a, b) = (self.bbox, other.bbox);
        let heads = (a.centre().x - b.centre().x).hypot(a.y - b.y);
        let feet = (a.foot().x - b.foot().x).hypot(a.bottom() - b.bottom());
        heads >= least * feet
    }

    /// Metres between the foot points as measured, not filtered: 0 without ground plane. A leap shows here in one step.
    #[must_use]
    pub fn measured_step_m(&self, other: &Self) -> f64 {
        self.ground_measured.zip(other.ground_measured).map_or(0.0, |(a, b)| length(sub(a, b)))
    }

    /// Metres on the road between two points; guessed from the box's height without ground plane.
    #[must_use]
    pub fn distance_m(&self, other: &Self) -> f64 {
        match (self.ground, other.ground) {
            (Some(a), Some(b)) => length(sub(a, b)),
            _ => length(sub(self.foot, other.foot)) / self.guessed_px_per_m(),
        }
    }
}

/// The track of one road user.
#[derive(Debug, Clone)]
pub struct History {
    /// Its number.
    pub track: u64,
    /// What it is, as judged by now.
    pub class: VehicleClass,
    /// True when the vehicle itself was never found, only its rider.
    pub guessed: bool,
    /// Share of its class among the votes of its kind, 0 to 1: a bicycle among two wheels.
    pub class_share: f64,
    points: VecDeque<Point>,
}

impl History {
    /// An empty one.
    #[must_use]
    pub fn new(track: u64, class: VehicleClass) -> Self {
        Self { track, class, guessed: false, class_share: 1.0, points: VecDeque::new() }
    }

    /// Adds a point, later than the last.
    pub fn push(&mut self, point: Point) {
        self.points.push_back(point);
        if self.points.len() > KEPT {
            let half = KEPT / 2;
            let mut i = 0;
            self.points.retain(|_| {
                i += 1;
                i > half || i % 2 == 1
            });
        }
    }

    /// All points, oldest first.
    pub fn points(&self) -> impl DoubleEndedIterator<Item = &Point> + ExactSizeIterator + Clone {
        self.points.iter()
    }

    /// The first point.
    #[must_use]
    pub fn first(&self) -> Option<&Point> {
        self.points.front()
    }

    /// The last point.
    #[must_use]
    pub fn last(&self) -> Option<&Point> {
        self.points.back()
    }

    /// The point whose time is nearest.
    #[must_use]
    pub fn nearest(&self, t_s: f64) -> Option<&Point> {
        let after = self.points.partition_point(|p| p.t_s < t_s);
        let near = [after.checked_sub(1), Some(after)].into_iter().flatten().filter_map(|i| self.points.get(i));
        near.min_by(|a, b| (a.t_s - t_s).abs().total_cmp(&(b.t_s - t_s).abs()))
    }

    /// Points of the last `window_s` seconds before `t_s`, oldest first.
    pub fn window(&self, t_s: f64, window_s: f64) -> impl DoubleEndedIterator<Item = &Point> + Clone {
        let from = self.points.partition_point(|p| p.t_s < t_s - window_s - 1e-6);
        let to = self.points.partition_point(|p| p.t_s <= t_s + 1e-6);
        self.points.range(from..to.max(from))
    }

    /// Whether one step between two moments is longer than any vehicle goes: a track that took another vehicle for its
    /// own.
    #[must_use]
    pub fn leaps(&self, from_s: f64, to_s: f64) -> bool {
        let way = self.window(to_s, to_s - from_s);
        let leap = |(a, b): (&Point, &Point)| a.distance_m(b) > LEAP_M + LEAP_M_S * (b.t_s - a.t_s);
        way.clone().zip(way.skip(1)).any(leap)
    }

    /// Metres a second over the last `window_s` seconds before `t_s`; `None` when that was not seen.
    #[must_use]
    pub fn pace_m_s(&self, t_s: f64, window_s: f64) -> Option<f64> {
        let mut window = self.window(t_s, window_s);
        let (first, last) = (window.next()?, window.next_back()?);
        let dt = last.t_s - first.t_s;
        (dt > 0.3 * window_s).then(|| first.distance_m(last) / dt)
    }
}
