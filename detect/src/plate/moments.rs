//! Which pictures of a vehicle are worth a look at its plate: few, large, whole, not hidden, apart in time.

use std::collections::BTreeMap;

use stopline_types::{BoxPx, CaptureTime, SizePx, UtcUs, VehicleClass};

use crate::analyze::LiveTrack;

/// Moments kept of a track.
const KEPT: usize = 6;
/// One moment is kept of each such piece of time: pictures nearer than this are the same picture once more, with the same
/// errors.
const PIECE_S: f64 = 0.15;
/// A box nearer to the picture's edge than this share of its height is cut off: a plate may be outside.
const EDGE: f32 = 0.004;
/// What is left of a cut-off box's quality, and of one wholly hidden by a nearer vehicle.
const CUT_OFF: f32 = 0.2;
const HIDDEN: f32 = 0.2;
/// A vehicle's neighbourhood reaches so far beyond its box, share of its sides.
const NEAR: f32 = 0.15;
/// A track not seen for so long is forgotten; its events have come by then.
const FORGOTTEN_S: f64 = 30.0;
/// Tracks kept; above it the one not seen longest goes.
const TRACKS: usize = 1024;

/// An instant at which a vehicle was seen well.
#[derive(Debug, Clone, PartialEq)]
pub struct PlateMoment {
    /// When.
    pub time: CaptureTime,
    /// Where, in pixels of `frame_px`.
    pub bbox: BoxPx,
    /// Other vehicles whose plates its picture may show, in pixels of `frame_px`.
    pub neighbours: Vec<BoxPx>,
    /// Size of the analysed stream's frame.
    pub frame_px: SizePx,
    /// Larger is better; of one track only.
    quality: f32,
}

impl PlateMoment {
    #[cfg(test)]
    pub(super) fn new(time: CaptureTime, bbox: BoxPx, neighbours: Vec<BoxPx>, frame_px: SizePx) -> Self {
        Self { time, bbox, neighbours, frame_px, quality: 1.0 }
    }

    /// The same in a frame of another size.
    #[must_use]
    pub fn scaled_to(&self, frame_px: SizePx) -> Self {
        let (sx, sy) =
            (frame_px.w as f32 / self.frame_px.w.max(1) as f32, frame_px.h as f32 / self.frame_px.h.max(1) as f32);
        let neighbours = self.neighbours.iter().map(|bbox| bbox.scaled(sx, sy)).collect();
        Self { bbox: self.bbox.scaled(sx, sy), neighbours, frame_px, ..*self }
    }
}

/// The best moments of every track of a camera.
#[derive(Debug, Default)]
pub struct PlateMoments {
    tracks: BTreeMap<u64, Track>,
}

#[derive(Debug)]
struct Track {
    moments: Vec<PlateMoment>,
    last: UtcUs,
}

impl PlateMoments {
    /// Takes the road users of one frame, as the analyzer gives them.
    pub fn see(&mut self, time: CaptureTime, frame_px: SizePx, seen: &[LiveTrack]) {
        for track in seen.iter().filter(|track| bears_plate(track.class)) {
            let quality = quality(track, frame_px, seen);
            let moment = PlateMoment { time, bbox: track.bbox, neighbours: neighbours(track, seen), frame_px, quality };
            let kept = self.tracks.entry(track.track).or_insert_with(|| Track { moments: Vec::new(), last: time.utc });
            kept.last = time.utc;
            keep(&mut kept.moments, moment);
        }
        self.tracks.retain(|_, track| time.utc.since_s(track.last).abs() < FORGOTTEN_S);
        while self.tracks.len() > TRACKS {
            let Some(oldest) = self.tracks.iter().min_by_key(|(_, track)| track.last).map(|(number, _)| *number) else {
                break;
            };
            self.tracks.remove(&oldest);
        }
    }

    /// The moments of a track, best first.
    #[must_use]
    pub fn of(&self, track: u64) -> Vec<PlateMoment> {
        self.tracks.get(&track).map(|track| track.moments.clone()).unwrap_or_default()
    }

    /// The same for a track that has ended, which is then forgotten.
    pub fn take(&mut self, track: u64) -> Vec<PlateMoment> {
        self.tracks.remove(&track).map(|track| track.moments).unwrap_or_default()
    }
}

fn bears_plate(class: VehicleClass) -> bool {
    !matches!(class, VehicleClass::Pedestrian)
}

/// Who bears a plate and stands near enough for it to show in the picture of this one.
fn neighbours(track: &LiveTrack, others: &[LiveTrack]) -> Vec<BoxPx> {
    let b = track.bbox;
    let around =
        BoxPx { x: b.x - NEAR * b.w, y: b.y - NEAR * b.h, w: b.w * (1.0 + 2.0 * NEAR), h: b.h * (1.0 + 2.0 * NEAR) };
    let near = |other: &&LiveTrack| {
        other.track != track.track && bears_plate(other.class) && other.bbox.overlap(&around) > 0.0
    };
    others.iter().filter(near).map(|other| other.bbox).collect()
}

/// Larger boxes are nearer; what is cut off or behind another vehicle shows less of it.
fn quality(track: &LiveTrack, frame: SizePx, others: &[LiveTrack]) -> f32 {
    let b = track.bbox;
    let edge = EDGE * frame.h as f32;
    let cut = b.x <= edge || b.right() >= frame.w as f32 - edge || b.bottom() >= frame.h as f32 - edge;
    // What stands lower in the picture is nearer, and hides what is behind it. Plates are in the lower part.
    let lower = BoxPx { y: b.y + b.h / 2.0, h: b.h / 2.0, ..b };
    let nearer = others.iter().filter(|other| other.track != track.track && other.bbox.bottom() > b.bottom());
    let hidden = nearer.map(|other| other.bbox.overlap(&lower) / lower.area().max(1.0)).fold(0.0f32, f32::max).min(1.0);
    b.area().sqrt() * if cut { CUT_OFF } else { 1.0 } * (1.0 - (1.0 - HIDDEN) * hidden)
}

/// Keeps the best, best first, one of each piece of time. Pieces are fixed: were a better moment to push out whatever is near
/// it, a vehicle that comes nearer would leave only its last.
fn keep(moments: &mut Vec<PlateMoment>, moment: PlateMoment) {
    let same = |known: &PlateMoment| piece(known) == piece(&moment);
    if moments.iter().any(|known| same(known) && known.quality >= moment.quality) {
        return;
    }
    moments.retain(|known| !same(known));
    let at = moments.partition_point(|known| known.quality >= moment.quality);
    moments.insert(at, moment);
    moments.truncate(KEPT);
}

fn piece(moment: &PlateMoment) -> i64 {
    (moment.time.utc.since_s(UtcUs(0)) / PIECE_S).floor() as i64
}

#[cfg(test)]
mod tests {
    use stopline_types::TimeSource;

    use super::*;

    const FRAME: SizePx = SizePx { w: 640, h: 360 };

    fn at(s: f64) -> CaptureTime {
        CaptureTime { utc: UtcUs(0).plus_s(s), error_ms: None, source: TimeSource::File }
    }

    fn track(number: u64, bbox: [f32; 4]) -> LiveTrack {
        let class = VehicleClass::Motorcycle;
        LiveTrack { track: number, class, bbox: bbox.into(), confidence: 0.9, speed_kmh: None }
    }

    #[test]
    fn the_largest_are_kept_apart_in_time() {
        let mut moments = PlateMoments::default();
        for step in 0..100 {
            let side = 20.0 + step as f32;
            moments.see(at(f64::from(step) * 0.04), FRAME, &[track(1, [100.0, 100.0, side, side])]);
        }
        let kept = moments.of(1);
        assert_eq!(kept.len(), KEPT);
        assert!(kept[0].bbox.w > 118.0 && kept.windows(2).all(|pair| pair[0].quality >= pair[1].quality));
        for (i, a) in kept.iter().enumerate() {
            assert!(kept[..i].iter().all(|b| piece(a) != piece(b)));
        }
        assert_eq!(moments.take(1).len(), KEPT);
        assert!(moments.of(1).is_empty());
    }

    #[test]
    fn whole_and_unhidden_is_better_than_large() {
        let mut moments = PlateMoments::default();
        moments.see(at(0.0), FRAME, &[track(1, [300.0, 200.0, 60.0, 60.0])]);
        moments.see(at(1.0), FRAME, &[track(1, [300.0, 260.0, 100.0, 100.0])]);
        assert!((moments.of(1)[0].bbox.w - 60.0).abs() < 0.1, "the larger one is cut by the lower edge");
        let behind = track(2, [100.0, 100.0, 60.0, 60.0]);
        moments.see(at(0.0), FRAME, &[track(2, [100.0, 100.0, 50.0, 50.0])]);
        moments.see(at(1.0), FRAME, &[behind, track(3, [95.0, 120.0, 80.0, 80.0])]);
        assert!((moments.of(2)[0].bbox.w - 50.0).abs() < 0.1, "the larger one is hidden");
    }

    #[test]
    fn pedestrians_and_what_is_long_gone_are_not_kept() {
        let mut moments = PlateMoments::default();
        let walker = LiveTrack { class: VehicleClass::Pedestrian, ..track(9, [1.0, 1.0, 50.0, 50.0]) };
        moments.see(at(0.0), FRAME, &[walker, track(1, [300.0, 200.0, 60.0, 60.0])]);
        assert!(moments.of(9).is_empty());
        moments.see(at(40.0), FRAME, &[]);
        assert!(moments.of(1).is_empty());
    }
}
