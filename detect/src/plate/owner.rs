//! Whose plate is it? In a queue boxes overlap, and a rider's picture shows the plate of the one in front as well.
//!
//! Plates hang at much the same place of every vehicle. Measured on 1 900 plates of four rendered scenes: the centre between
//! 0.35 and 0.72 of the box's width and between 0.60 and 0.86 of its height, 0.14 to 0.30 of its width wide. A plate that hangs
//! there better on a neighbour is the neighbour's.

use stopline_types::BoxPx;

use super::{PlateFound, PlateMoment};

/// Where a plate hangs (centre, share of the vehicle's box), how wide it is (share of its width), and how far each strays:
/// boxes of a detector are less exact than those measured, and a width strays by a factor.
const CENTRE: [f32; 2] = [0.5, 0.74];
const STRAYS: [f32; 2] = [0.2, 0.13];
const WIDTH: f32 = 0.24;
const WIDTH_STRAYS: f32 = 0.4;
/// A plate that hangs worse than this hangs on nothing we see.
const HANGS: f32 = 0.02;
/// A neighbour on whom the plate hangs at least this share as well makes it doubtful whose it is.
const DOUBTFUL: f32 = 0.25;

/// The plate of the vehicle of `moment` among those found in its picture, in pixels of the same frame as the moment's boxes;
/// true when it may be a neighbour's.
#[must_use]
pub fn of_vehicle(found: Vec<PlateFound>, moment: &PlateMoment) -> Option<(PlateFound, bool)> {
    let hung = found.into_iter().filter_map(|plate| {
        let own = hangs(&plate.bbox, &moment.bbox);
        let others = moment.neighbours.iter().map(|neighbour| hangs(&plate.bbox, neighbour)).fold(0.0, f32::max);
        (own >= HANGS && own >= others).then_some((plate.score * own, plate, others > DOUBTFUL * own))
    });
    hung.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, plate, doubtful)| (plate, doubtful))
}

/// How well a plate hangs on a vehicle, 0 to 1.
fn hangs(plate: &BoxPx, vehicle: &BoxPx) -> f32 {
    let (w, h) = (vehicle.w.max(1.0), vehicle.h.max(1.0));
    let centre = plate.centre();
    let aside = ((centre.x - vehicle.x) / w - CENTRE[0]) / STRAYS[0];
    let above = ((centre.y - vehicle.y) / h - CENTRE[1]) / STRAYS[1];
    let wider = ((plate.w / w).max(1e-3) / WIDTH).ln() / WIDTH_STRAYS;
    (-0.5 * (aside * aside + above * above + wider * wider)).exp()
}

#[cfg(test)]
mod tests {
    use stopline_types::{CaptureTime, PointPx, SizePx, TimeSource, UtcUs};

    use super::*;
    use crate::plate::vote::Look;

    fn plate(bbox: [f32; 4], score: f32) -> PlateFound {
        let look = Look { odds: vec![], lines: None, colour: None, weight: 1.0, seen: None, doubtful: false };
        PlateFound { score, bbox: bbox.into(), corners: [PointPx { x: 0.0, y: 0.0 }; 4], look }
    }

    fn moment(bbox: [f32; 4], neighbours: &[[f32; 4]]) -> PlateMoment {
        let time = CaptureTime { utc: UtcUs(0), error_ms: None, source: TimeSource::File };
        let neighbours = neighbours.iter().map(|bbox| BoxPx::from(*bbox)).collect();
        PlateMoment::new(time, bbox.into(), neighbours, SizePx { w: 640, h: 360 })
    }

    const RIDER: [f32; 4] = [100.0, 100.0, 40.0, 80.0];
    const ITS_PLATE: [f32; 4] = [115.0, 155.0, 10.0, 8.0];

    #[test]
    fn the_plate_that_hangs_where_plates_hang_is_taken() {
        let cap = plate([110.0, 104.0, 10.0, 8.0], 0.95);
        let (found, doubtful) = of_vehicle(vec![cap, plate(ITS_PLATE, 0.5)], &moment(RIDER, &[])).expect("one hangs");
        assert_eq!((found.bbox, doubtful), (ITS_PLATE.into(), false));
        assert!(
            of_vehicle(vec![plate([101.0, 150.0, 38.0, 12.0], 0.9)], &moment(RIDER, &[])).is_none(),
            "a bus's, too wide"
        );
    }

    #[test]
    fn a_neighbours_plate_is_left_to_the_neighbour() {
        // The one in front stands lower; its plate shows at the foot of the one behind.
        let front = [104.0, 130.0, 44.0, 90.0];
        let its = plate([120.0, 188.0, 11.0, 9.0], 0.9);
        assert!(of_vehicle(vec![its.clone()], &moment(RIDER, &[front])).is_none());
        assert!(of_vehicle(vec![its], &moment(front, &[RIDER])).is_some());
    }

    #[test]
    fn a_plate_that_may_be_of_either_is_doubtful() {
        let beside = [108.0, 104.0, 40.0, 80.0];
        let (_, doubtful) = of_vehicle(vec![plate(ITS_PLATE, 0.9)], &moment(RIDER, &[beside])).expect("hangs");
        assert!(doubtful);
    }
}
