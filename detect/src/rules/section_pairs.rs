//! Sightings of two cameras put together to average speeds, as they come: in any order, for passages are told when a track
//! ends and a plate is read, which may take longer at one camera than at the other.
//!
//! Only who may still be an offender is waited for: whoever needs longer than the section takes at its lowest limit is let
//! go. So what waits is bounded by the traffic of a few minutes, and by a fixed number in any case.

use std::collections::VecDeque;

use stopline_types::UtcUs;

use super::section_speed::{LEAST_PLATE, SectionConfig, SectionMatch, Sighting, check};

/// Sightings that wait at each end of a section; when full, the oldest goes and is counted.
const WAITING: usize = 4096;
/// How much later than its time a sighting may be told, seconds.
const LATE_S: f64 = 60.0;

/// A section with who is under way on it. `T` is what the caller wants back of a sighting.
#[derive(Debug)]
pub struct SectionPairs<T> {
    section: SectionConfig,
    entered: VecDeque<(Sighting, T)>,
    left: VecDeque<(Sighting, T)>,
    newest: Option<UtcUs>,
    dropped: u64,
}

impl<T> SectionPairs<T> {
    /// Nobody under way.
    #[must_use]
    pub fn new(section: SectionConfig) -> Self {
        Self { section, entered: VecDeque::new(), left: VecDeque::new(), newest: None, dropped: 0 }
    }

    /// The section.
    #[must_use]
    pub fn section(&self) -> &SectionConfig {
        &self.section
    }

    /// Sightings dropped because too many waited.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether a sighting says anything here: it is of one of the two cameras, and its plate is sure enough.
    #[must_use]
    pub fn wants(&self, seen: &Sighting) -> bool {
        (seen.camera == self.section.entry || seen.camera == self.section.exit)
            && seen.plate_confidence >= LEAST_PLATE
            && seen.error_ms.is_some()
    }

    /// Takes a sighting; gives the offence it completes, with what came with its two sightings (entry, exit).
    pub fn see(&mut self, seen: Sighting, with: T) -> Option<(SectionMatch, T, T)> {
        if !self.wants(&seen) {
            return None;
        }
        self.newest = Some(self.newest.map_or(seen.utc, |newest| newest.max(seen.utc)));
        self.let_go();
        let enters = seen.camera == self.section.entry;
        let others = if enters { &self.left } else { &self.entered };
        // Of several the nearest in time: a plate may pass more than once.
        let partner = others
            .iter()
            .enumerate()
            .filter(|(_, (other, _))| {
                other.plate == seen.plate && if enters { other.utc > seen.utc } else { other.utc < seen.utc }
            })
            .min_by_key(|(_, (other, _))| (other.utc.0 - seen.utc.0).abs())
            .map(|(at, _)| at);
        let own = if enters { &mut self.entered } else { &mut self.left };
        let Some(at) = partner else {
            own.push_back((seen, with));
            if own.len() > WAITING {
                own.pop_front();
                self.dropped += 1;
            }
            return None;
        };
        // Both have been used, whatever comes of it.
        let (other, others_with) = if enters { self.left.remove(at)? } else { self.entered.remove(at)? };
        let (entry, exit, of_entry, of_exit) =
            if enters { (seen, other, with, others_with) } else { (other, seen, others_with, with) };
        check(&self.section, &entry, &exit).map(|found| (found, of_entry, of_exit))
    }

    /// Those who cannot be offenders any more.
    fn let_go(&mut self) {
        let Some(newest) = self.newest else { return };
        let slowest_s = self.section.slowest_offence_s();
        self.entered.retain(|(seen, _)| newest.since_s(seen.utc) <= slowest_s + LATE_S);
        self.left.retain(|(seen, _)| newest.since_s(seen.utc) <= LATE_S);
    }
}

#[cfg(test)]
mod tests {
    use stopline_types::{CameraId, RuleMode, VehicleClass};

    use super::*;
    use crate::scene::LimitsConfig;

    fn pairs() -> SectionPairs<u32> {
        SectionPairs::new(SectionConfig {
            name: "s".into(),
            mode: RuleMode::Live,
            entry: camera("in"),
            exit: camera("out"),
            length_m: 1000.0,
            length_error_m: 5.0,
            limit_kmh: LimitsConfig { default: Some(60.0), ..LimitsConfig::default() },
            over_kmh: 5.0,
            max_error_kmh: 5.0,
            min_plate_confidence: 0.95,
        })
    }

    fn camera(name: &str) -> CameraId {
        CameraId::new(name).expect("plain")
    }

    fn seen(at: &str, plate: &str, s: f64) -> Sighting {
        Sighting {
            camera: camera(at),
            plate: plate.to_owned(),
            plate_confidence: 0.95,
            class: VehicleClass::Car,
            utc: UtcUs(0).plus_s(s),
            error_ms: Some(20.0),
        }
    }

    #[test]
    fn pairs_are_found_in_either_order_and_once() {
        let mut pairs = pairs();
        assert!(pairs.see(seen("in", "30A12345", 0.0), 1).is_none());
        assert!(pairs.see(seen("in", "30A54321", 1.0), 2).is_none());
        // 1 km in 40 s: 90 km/h.
        let (found, entry, exit) = pairs.see(seen("out", "30A12345", 40.0), 3).expect("an offence");
        assert!((found.speed.kmh - 90.0).abs() < 1e-6 && (entry, exit) == (1, 3));
        assert!(pairs.see(seen("out", "30A12345", 41.0), 4).is_none(), "its entry is used");
        // The exit is told first.
        assert!(pairs.see(seen("out", "29C11111", 60.0), 5).is_none());
        let (_, entry, exit) = pairs.see(seen("in", "29C11111", 22.0), 6).expect("an offence");
        assert_eq!((entry, exit), (6, 5));
        assert!(pairs.see(seen("out", "30A54321", 62.0), 7).is_none(), "59 km/h");
    }

    #[test]
    fn who_cannot_be_an_offender_is_let_go_and_what_waits_is_bounded() {
        let mut pairs = pairs();
        pairs.see(seen("in", "30A12345", 0.0), 0);
        pairs.see(seen("in", "30A54321", 200.0), 1);
        assert_eq!(pairs.entered.len(), 1, "1 km in 200 s is 18 km/h");
        for n in 0..WAITING as u32 + 10 {
            pairs.see(seen("in", &format!("30A{n}"), 200.0), n);
        }
        assert_eq!((pairs.entered.len(), pairs.dropped()), (WAITING, 11));
    }

    #[test]
    fn other_cameras_unsure_plates_and_unknown_clocks_say_nothing() {
        let mut pairs = pairs();
        pairs.see(seen("in", "30A12345", 0.0), 0);
        let exit = seen("out", "30A12345", 40.0);
        for useless in [
            Sighting { camera: camera("elsewhere"), ..exit.clone() },
            Sighting { plate_confidence: 0.5, ..exit.clone() },
            Sighting { error_ms: None, ..exit.clone() },
        ] {
            assert!(!pairs.wants(&useless) && pairs.see(useless, 1).is_none());
        }
        assert!(pairs.see(exit, 2).is_some());
    }
}
