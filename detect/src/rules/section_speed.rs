//! Average speed between two cameras: a pure function of two sightings of one plate.
//!
//! The shortest way the two places allow, over the longest time the two clocks allow, is the least speed that can have
//! been driven; only that accuses. A camera whose clock error is not known accuses nobody.

use serde::{Deserialize, Serialize};
use stopline_types::{CameraId, Passage, Quantities, RuleMode, UtcUs, VehicleClass};

use super::{quantities, two_wheels};
use crate::scene::LimitsConfig;

/// A stretch of road between two cameras.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SectionConfig {
    /// Unique among sections.
    pub name: String,
    /// What becomes of its matches.
    #[serde(default)]
    pub mode: RuleMode,
    /// Where it begins.
    pub entry: CameraId,
    /// Where it ends.
    pub exit: CameraId,
    /// Its length along the road between the places where the cameras see vehicles, metres.
    pub length_m: f64,
    /// Half width of the interval that holds the true way between two sightings, metres: the survey's error and how far
    /// from its usual place a camera may have seen a vehicle best.
    pub length_error_m: f64,
    /// Limits, km/h.
    pub limit_kmh: LimitsConfig,
    /// How much over the limit is an offence, km/h. Decree 168/2024: 5.
    #[serde(default = "five")]
    pub over_kmh: f64,
    /// The largest error that may accuse, km/h.
    #[serde(default = "five")]
    pub max_error_kmh: f64,
    /// How sure the plate must be from both readings together, 0 to 1: `1 - (1 - entry) (1 - exit)`, for two readings that
    /// agree are surer than either. [`LEAST_PLATE`] at each end is asked in any case.
    #[serde(default = "sure")]
    pub min_plate_confidence: f64,
}

fn five() -> f64 {
    5.0
}

fn sure() -> f64 {
    0.95
}

/// A plate read less surely than this is no sighting, 0 to 1.
pub const LEAST_PLATE: f64 = 0.6;

impl SectionConfig {
    /// What is wrong with it: key and what was expected.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, &'static str)> {
        let limits = &self.limit_kmh;
        let all = [limits.default, limits.car, limits.motorcycle, limits.bus, limits.truck, limits.bicycle];
        let held = [
            (!self.name.trim().is_empty(), "name", "expected a name"),
            (self.entry != self.exit, "exit", "expected another camera than entry"),
            (self.length_m > 0.0 && self.length_m <= 200_000.0, "length_m", "expected above 0, up to 200000"),
            (
                self.length_error_m >= 0.0 && self.length_error_m < self.length_m,
                "length_error_m",
                "expected 0 or more, and less than length_m",
            ),
            (all.iter().flatten().next().is_some(), "limit_kmh", "expected at least one limit, e.g. { default = 80 }"),
            (all.iter().flatten().all(|kmh| (5.0..=200.0).contains(kmh)), "limit_kmh", "expected 5 to 200"),
            ((0.0..=100.0).contains(&self.over_kmh), "over_kmh", "expected 0 to 100"),
            (self.max_error_kmh > 0.0 && self.max_error_kmh <= 100.0, "max_error_kmh", "expected above 0, up to 100"),
            ((0.0..=1.0).contains(&self.min_plate_confidence), "min_plate_confidence", "expected 0 to 1"),
        ];
        held.into_iter().filter(|(holds, ..)| !holds).map(|(_, key, expected)| (key, expected)).collect()
    }

    /// Who needs longer than this from one camera to the other cannot be an offender, seconds.
    #[must_use]
    pub fn slowest_offence_s(&self) -> f64 {
        let limits = &self.limit_kmh;
        let all = [limits.default, limits.car, limits.motorcycle, limits.bus, limits.truck, limits.bicycle];
        let lowest = all.into_iter().flatten().fold(f64::INFINITY, f64::min);
        3.6 * (self.length_m + self.length_error_m) / lowest.max(1.0)
    }
}

/// A vehicle with a plate at a camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// The camera.
    pub camera: CameraId,
    /// Canonical plate text.
    pub plate: String,
    /// How sure the plate is, 0 to 1.
    pub plate_confidence: f64,
    /// What it is.
    pub class: VehicleClass,
    /// When.
    pub utc: UtcUs,
    /// Half width of the interval the true instant lies in, milliseconds; `None`: unknown.
    pub error_ms: Option<f64>,
}

impl Sighting {
    /// Of a passage; `None` without a plate.
    #[must_use]
    pub fn of(passage: &Passage) -> Option<Self> {
        let plate = passage.plate.as_ref()?;
        Some(Self {
            camera: passage.camera.clone(),
            plate: plate.text.clone(),
            plate_confidence: plate.confidence,
            class: passage.class,
            utc: passage.utc,
            error_ms: passage.error_ms,
        })
    }
}

/// An average speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SectionSpeed {
    /// Kilometres an hour.
    pub kmh: f64,
    /// How much less it may have been, km/h.
    pub error_kmh: f64,
}

/// An average speed that is an offence.
#[derive(Debug, Clone, PartialEq)]
pub struct SectionMatch {
    /// The speed.
    pub speed: SectionSpeed,
    /// km/h above the limit.
    pub excess_kmh: f64,
    /// What was measured.
    pub measured: Quantities,
    /// What would have been allowed.
    pub limit: Quantities,
}

/// The average speed between two sightings of one plate; `None` if they are not the section's, the plates or their
/// kinds of vehicle differ, or a clock error is not known.
#[must_use]
pub fn measure(section: &SectionConfig, entry: &Sighting, exit: &Sighting) -> Option<SectionSpeed> {
    let same = entry.plate == exit.plate
        && !entry.plate.is_empty()
        && two_wheels(entry.class) == two_wheels(exit.class)
        && entry.camera == section.entry
        && exit.camera == section.exit;
    let time_s = exit.utc.since_s(entry.utc);
    let error_s = (entry.error_ms? + exit.error_ms?) / 1000.0;
    if !same || time_s <= error_s || section.length_m <= section.length_error_m {
        return None;
    }
    let kmh = 3.6 * section.length_m / time_s;
    let least = 3.6 * (section.length_m - section.length_error_m) / (time_s + error_s);
    Some(SectionSpeed { kmh, error_kmh: kmh - least })
}

/// Judges two sightings.
#[must_use]
pub fn check(section: &SectionConfig, entry: &Sighting, exit: &Sighting) -> Option<SectionMatch> {
    let speed = measure(section, entry, exit)?;
    let limit = section.limit_kmh.of(exit.class)?;
    let excess = speed.kmh - limit;
    let accuses = excess >= section.over_kmh
        && speed.kmh - speed.error_kmh > limit
        && speed.error_kmh <= section.max_error_kmh
        && entry.plate_confidence.min(exit.plate_confidence) >= LEAST_PLATE
        && 1.0 - (1.0 - entry.plate_confidence) * (1.0 - exit.plate_confidence) >= section.min_plate_confidence;
    accuses.then(|| SectionMatch {
        speed,
        excess_kmh: excess,
        measured: quantities([
            ("speed_kmh", speed.kmh),
            ("speed_error_kmh", speed.error_kmh),
            ("excess_kmh", excess),
            ("section_m", section.length_m),
            ("section_s", exit.utc.since_s(entry.utc)),
        ]),
        limit: quantities([("speed_kmh", limit), ("tolerance_kmh", section.over_kmh)]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn section() -> SectionConfig {
        SectionConfig {
            name: "QL10".into(),
            mode: RuleMode::Live,
            entry: CameraId::new("a").expect("plain"),
            exit: CameraId::new("b").expect("plain"),
            length_m: 2000.0,
            length_error_m: 20.0,
            limit_kmh: LimitsConfig { default: Some(80.0), ..LimitsConfig::default() },
            over_kmh: 5.0,
            max_error_kmh: 5.0,
            min_plate_confidence: 0.95,
        }
    }

    fn seen(camera: &str, s: f64, error_ms: Option<f64>) -> Sighting {
        let (camera, plate) = (CameraId::new(camera).expect("plain"), "30F25658".to_owned());
        Sighting { camera, plate, plate_confidence: 0.95, class: VehicleClass::Car, utc: UtcUs(0).plus_s(s), error_ms }
    }

    fn at(kmh: f64) -> f64 {
        2000.0 / (kmh / 3.6)
    }

    proptest! {
        /// The interval holds the true speed whatever clocks and places do within their errors; who drives at the limit
        /// is never accused, who drives clearly faster always is.
        #[test]
        fn errors_are_carried(
            kmh in 40.0f64..160.0, a in -50.0f64..50.0, b in -50.0f64..50.0, place in -20.0f64..20.0
        ) {
            let seconds = (2000.0 + place) / (kmh / 3.6);
            let (entry, exit) = (seen("a", a / 1e3, Some(50.0)), seen("b", seconds + b / 1e3, Some(50.0)));
            let speed = measure(&section(), &entry, &exit).expect("a speed");
            prop_assert!(speed.kmh - speed.error_kmh <= kmh + 1e-3, "{speed:?}");
            let found = check(&section(), &entry, &exit);
            if kmh <= 80.0 {
                prop_assert!(found.is_none(), "{found:?}");
            }
            if kmh > 87.0 {
                prop_assert!(found.is_some());
            }
        }
    }

    #[test]
    fn faults_name_the_key() {
        assert!(section().faults().is_empty());
        let keys = |section: SectionConfig| section.faults().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys(SectionConfig { length_error_m: 2000.0, ..section() }), ["length_error_m"]);
        assert_eq!(keys(SectionConfig { exit: section().entry, ..section() }), ["exit"]);
        assert_eq!(keys(SectionConfig { length_m: f64::NAN, ..section() }), ["length_m", "length_error_m"]);
        assert_eq!(keys(SectionConfig { limit_kmh: LimitsConfig::default(), ..section() }), ["limit_kmh"]);
    }

    #[test]
    fn thresholds_and_what_accuses_nobody() {
        let run = |section: &SectionConfig, kmh: f64, error_ms| {
            check(section, &seen("a", 0.0, Some(0.0)), &seen("b", at(kmh), error_ms))
        };
        assert!(run(&section(), 85.01, Some(0.0)).is_some() && run(&section(), 84.99, Some(0.0)).is_none());
        assert!(run(&section(), 100.0, None).is_none(), "a clock of unknown error");
        // 2 km at 100 km/h are 72 s: 3.0 s more are 96 km/h, less the place's 1 %.
        assert!(run(&section(), 100.0, Some(2_500.0)).is_some() && run(&section(), 100.0, Some(3_200.0)).is_none());
        let strict = SectionConfig { max_error_kmh: 0.9, ..section() };
        assert!(run(&strict, 100.0, Some(0.0)).is_none());
        let (a, b) = (seen("a", 0.0, Some(0.0)), seen("b", at(100.0), Some(0.0)));
        let found = check(&section(), &a, &b).expect("an offence");
        assert!((found.excess_kmh - 20.0).abs() < 1e-3 && (found.measured["section_s"] - 72.0).abs() < 1e-3);
        for other in [
            Sighting { plate: "30F25650".into(), ..b.clone() },
            Sighting { plate_confidence: 0.59, ..b.clone() },
            Sighting { class: VehicleClass::Motorcycle, ..b.clone() },
            Sighting { camera: a.camera.clone(), ..b.clone() },
        ] {
            assert!(check(&section(), &a, &other).is_none(), "{other:?}");
        }
        assert!(check(&section(), &b, &a).is_none(), "the other way");
        let sure = |entry: f64, exit: f64| {
            let (a, b) =
                (Sighting { plate_confidence: entry, ..a.clone() }, Sighting { plate_confidence: exit, ..b.clone() });
            check(&section(), &a, &b).is_some()
        };
        assert!(sure(0.8, 0.76) && !sure(0.8, 0.74), "0.952 and 0.948 together");
    }
}
