//! Which pictures of a track are looked at for its plate, and what they show.

use std::collections::{BTreeMap, HashSet};

use stopline_detect::plate::{PlateFound, PlateMoment, owner, vote::Look};
use stopline_ingest::{CropRequest, Part, PartWanted, Ring};
use stopline_types::{BoxPx, PlateSeen, VehicleClass};

/// Pictures of a track looked at first. Of most tracks these two say all: the plate is sure, or there is none to be read (a
/// motorcycle from the front). What they leave open takes all its pictures.
const FIRST_LOOKS: usize = 2;
/// How much more than the vehicle's box is cut out, share of its sides: plates stand out, and boxes are of another moment by
/// up to half a frame.
const GROWN: f32 = 0.12;

/// The tracks that are read together: their moments, best first, and their classes.
pub(super) type Tracks = BTreeMap<u64, (Vec<PlateMoment>, Option<VehicleClass>)>;

/// What was seen of each track.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// Looks at its own plate.
    pub own: BTreeMap<u64, Vec<Look>>,
    /// Of these there was a picture.
    pub pictured: HashSet<u64>,
    /// Of these the models failed on a picture.
    pub failed: HashSet<u64>,
}

/// The vehicles' pictures that are still there, each track's best first.
pub(super) fn cut_out(ring: &Ring, tracks: &Tracks) -> Vec<(u64, PlateMoment, Part)> {
    let wanted: Vec<(u64, &PlateMoment)> =
        tracks.iter().flat_map(|(track, (moments, _))| moments.iter().map(|moment| (*track, moment))).collect();
    let times = wanted.iter().map(|(_, moment)| moment.time.utc);
    let (Some(first), Some(last)) = (times.clone().min(), times.max()) else { return Vec::new() };
    let Ok(cut) = ring.cut(first, last) else { return Vec::new() };
    let parts: Vec<PartWanted> = wanted
        .iter()
        .map(|(_, moment)| PartWanted { at: moment.time.utc, part: grown(&moment.bbox, moment) })
        .collect();
    let made = wanted.into_iter().zip(cut.parts(&parts));
    made.filter_map(|((track, moment), part)| Some((track, moment.clone(), part.ok()?))).collect()
}

/// Takes all but the first pictures of each track out.
pub(super) fn after_the_first(pictures: &mut Vec<(u64, PlateMoment, Part)>) -> Vec<(u64, PlateMoment, Part)> {
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    let later = |(track, ..): &mut (u64, PlateMoment, Part)| {
        let count = seen.entry(*track).or_default();
        *count += 1;
        *count > FIRST_LOOKS
    };
    pictures.extract_if(.., later).collect()
}

fn grown(bbox: &BoxPx, moment: &PlateMoment) -> CropRequest {
    let (w, h) = (moment.frame_px.w.max(1) as f32, moment.frame_px.h.max(1) as f32);
    let (dx, dy) = (bbox.w * GROWN, bbox.h * GROWN);
    let inside = |from: f32, to: f32| (from.clamp(0.0, 1.0), to.clamp(0.0, 1.0));
    let (left, right) = inside((bbox.x - dx) / w, (bbox.right() + dx) / w);
    let (top, bottom) = inside((bbox.y - dy) / h, (bbox.bottom() + dy) / h);
    CropRequest { x: left, y: top, w: right - left, h: bottom - top }
}

/// The look at this vehicle's own plate, if its picture shows it.
pub(super) fn own_look(found: Vec<PlateFound>, moment: &PlateMoment, part: &Part) -> Option<Look> {
    let placed = found.into_iter().map(|plate| {
        let bbox = BoxPx { x: plate.bbox.x + part.x as f32, y: plate.bbox.y + part.y as f32, ..plate.bbox };
        PlateFound { bbox, ..plate }
    });
    let (PlateFound { bbox, look, .. }, doubtful) =
        owner::of_vehicle(placed.collect(), &moment.scaled_to(part.frame_px))?;
    let tenth = |v: f32| (v * 10.0).round() / 10.0;
    let bbox = BoxPx { x: tenth(bbox.x), y: tenth(bbox.y), w: tenth(bbox.w), h: tenth(bbox.h) };
    Some(Look { seen: Some(PlateSeen { utc: part.time, bbox, frame_px: part.frame_px }), doubtful, ..look })
}
