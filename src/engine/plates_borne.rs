//! Which plates a camera has just read: two vehicles do not bear the same one.

use std::collections::{BTreeMap, HashMap, VecDeque};

use stopline_types::{CameraId, PlateDoubt, PlateRead, UtcUs};

/// A plate read again within this time on another track is doubtful: a queue takes so long to pass.
const WITHIN_S: f64 = 60.0;
/// Plates remembered of a camera.
const REMEMBERED: usize = 256;

/// The sure plates of each camera's last minute, each with its track.
#[derive(Debug, Default)]
pub(super) struct Borne(HashMap<CameraId, VecDeque<(UtcUs, u64, String)>>);

impl Borne {
    /// Makes doubtful what another track bore already. Of tracks read together the one with more reads is believed.
    pub(super) fn doubt(&mut self, camera: &CameraId, read: &mut BTreeMap<u64, Option<PlateRead>>) {
        let before = self.0.entry(camera.clone()).or_default();
        let mut sure: Vec<(&u64, &mut PlateRead)> = read
            .iter_mut()
            .filter_map(|(track, plate)| Some((track, plate.as_mut().filter(|plate| plate.sure)?)))
            .collect();
        sure.sort_by(|(_, a), (_, b)| b.reads.cmp(&a.reads).then(b.confidence.total_cmp(&a.confidence)));
        for (track, plate) in sure {
            let Some(seen) = plate.seen else { continue };
            let same = |(utc, of, text): &(UtcUs, u64, String)| {
                of != track && *text == plate.text && seen.utc.since_s(*utc).abs() < WITHIN_S
            };
            if before.iter().any(same) {
                plate.sure = false;
                plate.doubts.push(PlateDoubt::BorneByAnother);
                continue;
            }
            before.push_back((seen.utc, *track, plate.text.clone()));
            if before.len() > REMEMBERED {
                before.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plate(at_s: f64, reads: u32) -> Option<PlateRead> {
        let utc = UtcUs(0).plus_s(at_s);
        let json = serde_json::json!({
            "text": "29G133871", "confidence": 0.99, "sure": true, "doubts": [], "display": "29-G1 338.71", "kinds": [], "kind": null,
            "colour": null, "lines": 2, "province": null, "raw": "29G133871", "edits": [], "characters": [], "alternatives": [],
            "class_mismatch": false, "reads": reads, "model": "m",
            "seen": {"utc": utc, "box": [1.0, 1.0, 20.0, 16.0], "frame_px": [640, 360]},
        });
        Some(serde_json::from_value(json).expect("a plate read"))
    }

    #[test]
    fn a_plate_is_believed_of_one_track_and_for_a_minute() {
        let camera = CameraId::new("cam-1").expect("plain");
        let mut borne = Borne::default();
        let sure = |read: &BTreeMap<u64, Option<PlateRead>>| {
            read.values().flatten().map(|plate| (plate.sure, plate.doubts.len())).collect::<Vec<_>>()
        };
        let mut both = BTreeMap::from([(1, plate(0.0, 2)), (2, plate(0.5, 6)), (3, None)]);
        borne.doubt(&camera, &mut both);
        assert_eq!(sure(&both), [(false, 1), (true, 0)]);
        let mut again = BTreeMap::from([(2, plate(3.0, 6)), (4, plate(20.0, 6))]);
        borne.doubt(&camera, &mut again);
        assert_eq!(sure(&again), [(true, 0), (false, 1)], "its own track may say it again");
        let mut later = BTreeMap::from([(9, plate(90.0, 6))]);
        borne.doubt(&camera, &mut later);
        assert_eq!(sure(&later), [(true, 0)]);
        borne.doubt(&CameraId::new("cam-2").expect("plain"), &mut later);
        assert_eq!(sure(&later), [(true, 0)], "another camera");
    }
}
