//! A road user of a rendered clip, frame by frame.

use std::sync::Arc;

use stopline_types::{BoxPx, SizePx, VehicleClass};

/// A moment is answered with the sighting nearest to it, no farther than this, seconds.
const NEAREST_S: f64 = 0.25;

/// What can fairly be asked of a detector: at least half visible, and 60 % of it in the picture …
const FAIR_VISIBLE: f32 = 0.5;
const FAIR_INSIDE: f32 = 0.6;
/// … and taller than this share of the picture: 30 of 1080 pixels.
const FAIR_HEIGHT: f32 = 30.0 / 1080.0;
/// A vehicle must give a passage when it is fairly seen for so long and moves so far meanwhile, on the road and, in its own
/// height, in the picture.
const PASSES_S: f64 = 1.0;
const PASSES_M: f64 = 5.0;
const PASSES_HEIGHTS: f32 = 1.0;

/// Least width of a plate that can be read, pixels of the truth's frame: with two lines of letters, and with one. In both a
/// letter is then about 10 pixels high.
pub(crate) const READABLE_TWO_LINES_PX: f32 = 36.0;
pub(crate) const READABLE_ONE_LINE_PX: f32 = 60.0;
/// Least share of it that nothing hides.
const READABLE_VISIBLE: f32 = 0.9;
/// In so many frames at least.
const READABLE_FRAMES: usize = 3;
/// Plates of one line are 470 × 110 or 520 × 110 mm, those of two 190 × 140 or 330 × 165: this parts them, seen aslant too.
const ONE_LINE_SHAPE: f32 = 2.8;

/// A road user.
#[derive(Debug, Clone)]
pub(crate) struct Vehicle {
    pub id: String,
    pub class: VehicleClass,
    /// Letters and digits only, upper case.
    pub plate: Option<String>,
    pub track: Track,
}

/// Where and how it is seen, by time. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    sightings: Arc<[Sighting]>,
    later_s: f64,
    /// Watching ends then.
    until_s: f64,
}

/// One frame's truth of a road user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sighting {
    pub t_s: f64,
    /// Of the whole vehicle with riders, hidden parts included, cut at the picture's edge.
    pub bbox: BoxPx,
    /// Its middle on the road, metres.
    pub at_m: [f64; 2],
    pub speed_kmh: f64,
    /// Share of the whole box that lies in the picture.
    pub inside: f32,
    /// Share of the silhouette that nothing hides.
    pub visible: f32,
    pub plate: Option<PlateSeen>,
}

/// A number plate as it stands in the picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlateSeen {
    pub bbox: BoxPx,
    pub width_px: f32,
    pub height_px: f32,
    pub visible: f32,
}

impl PlateSeen {
    /// Whether a good reader can be asked for it.
    pub(crate) fn is_readable(&self) -> bool {
        let one_line = self.width_px >= ONE_LINE_SHAPE * self.height_px;
        let least = if one_line { READABLE_ONE_LINE_PX } else { READABLE_TWO_LINES_PX };
        self.width_px >= least && self.visible >= READABLE_VISIBLE
    }
}

impl Sighting {
    /// Whether a detector can fairly be asked for it, in a picture of `frame_px`.
    pub(crate) fn is_fair(&self, frame_px: SizePx) -> bool {
        self.visible >= FAIR_VISIBLE && self.inside >= FAIR_INSIDE && self.bbox.h >= FAIR_HEIGHT * frame_px.h as f32
    }
}

impl Track {
    pub(crate) fn new(sightings: Vec<Sighting>) -> Self {
        Self { sightings: sightings.into(), later_s: 0.0, until_s: f64::INFINITY }
    }

    /// The sighting nearest to `t_s`.
    pub(crate) fn at(&self, t_s: f64) -> Option<&Sighting> {
        if t_s > self.until_s {
            return None;
        }
        let t_s = t_s - self.later_s;
        let after = self.sightings.partition_point(|sighting| sighting.t_s < t_s);
        let near = [after.checked_sub(1), Some(after)].into_iter().flatten().filter_map(|i| self.sightings.get(i));
        let away = |sighting: &&Sighting| (sighting.t_s - t_s).abs();
        near.filter(|s| away(s) <= NEAREST_S).min_by(|a, b| away(a).total_cmp(&away(b)))
    }

    /// All sightings between two moments, with their time in the run.
    pub(crate) fn between(&self, from_s: f64, to_s: f64) -> impl Iterator<Item = (f64, &Sighting)> {
        let to_s = to_s.min(self.until_s);
        let shifted = self.sightings.iter().map(|sighting| (sighting.t_s + self.later_s, sighting));
        shifted.filter(move |(t_s, _)| (from_s..=to_s).contains(t_s))
    }

    /// All sightings.
    pub(crate) fn all(&self) -> impl Iterator<Item = (f64, &Sighting)> {
        self.between(f64::NEG_INFINITY, f64::INFINITY)
    }

    /// From when to when it is in the picture.
    pub(crate) fn seen_s(&self) -> Option<(f64, f64)> {
        let (first, last) = (self.sightings.first()?, self.sightings.last()?);
        Some((first.t_s + self.later_s, last.t_s + self.later_s))
    }

    /// Seconds from `t_s` to when it is seen; 0 while it is.
    pub(crate) fn away_s(&self, t_s: f64) -> f64 {
        self.seen_s().map_or(f64::INFINITY, |(first_s, last_s)| (first_s - t_s).max(t_s - last_s).max(0.0))
    }

    /// The same `by_s` later.
    pub(crate) fn later(&self, by_s: f64) -> Self {
        Self { sightings: Arc::clone(&self.sightings), later_s: self.later_s + by_s, until_s: self.until_s }
    }
}

impl Vehicle {
    /// The same `by_s` later, watched until `until_s`.
    pub(super) fn later(&self, by_s: f64, until_s: f64) -> Self {
        Self { track: Track { until_s, ..self.track.later(by_s) }, ..self.clone() }
    }

    /// From when to when it can fairly be seen, if it must give a passage: a vehicle that moves while it is.
    pub(crate) fn passes(&self, frame_px: SizePx) -> Option<(f64, f64)> {
        if self.class == VehicleClass::Pedestrian {
            return None;
        }
        let fair: Vec<_> = self.track.all().filter(|(_, sighting)| sighting.is_fair(frame_px)).collect();
        let ((from_s, first), (to_s, _)) = (fair.first()?, fair.last()?);
        let far = fair.iter().any(|(_, s)| {
            let (dx, dy) = (s.bbox.foot().x - first.bbox.foot().x, s.bbox.foot().y - first.bbox.foot().y);
            let metres = (s.at_m[0] - first.at_m[0]).hypot(s.at_m[1] - first.at_m[1]);
            metres >= PASSES_M && dx.hypot(dy) >= PASSES_HEIGHTS * first.bbox.h.min(s.bbox.h)
        });
        (far && to_s - from_s >= PASSES_S).then_some((*from_s, *to_s))
    }

    /// Whether its plate could be read between two moments.
    pub(crate) fn is_plate_readable(&self, from_s: f64, to_s: f64) -> bool {
        let seen = self.track.between(from_s, to_s).filter_map(|(_, sighting)| sighting.plate);
        self.plate.is_some() && seen.filter(PlateSeen::is_readable).nth(READABLE_FRAMES - 1).is_some()
    }
}
