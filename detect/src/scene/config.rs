//! The raw form of a scene as it stands in a camera file.

use serde::{Deserialize, Serialize};
use stopline_types::{BoxPx, PointPx, SignalState, SizePx, VehicleClass};

use super::hours::Hours;
use super::lens::LensConfig;
use super::rule_config::RulesConfig;

/// `[scene]` of a camera file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneConfig {
    /// `[width, height]` of the frame the coordinates below are pixels of.
    pub frame_px: SizePx,
    /// Lanes.
    #[serde(default)]
    pub lanes: Vec<LaneConfig>,
    /// Stop lines.
    #[serde(default)]
    pub stop_lines: Vec<StopLineConfig>,
    /// Zones.
    #[serde(default)]
    pub zones: Vec<ZoneConfig>,
    /// Solid lines that may not be crossed.
    #[serde(default)]
    pub solid_lines: Vec<SolidLineConfig>,
    /// Turns that are forbidden.
    #[serde(default)]
    pub turns: Vec<TurnConfig>,
    /// Signal heads.
    #[serde(default)]
    pub signals: Vec<SignalConfig>,
    /// Ground-plane points.
    pub ground: Option<GroundConfig>,
    /// Distortion of the lens, for the ground plane.
    pub lens: Option<LensConfig>,
    /// The part of the picture that is analysed.
    #[serde(default)]
    pub region: RegionConfig,
    /// Rules. A rule without an entry runs with its defaults where the scene has what it needs.
    #[serde(default)]
    pub rules: RulesConfig,
}

/// `region`: the part of the picture that the detector looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"whole\", \"road\" or [x, y, w, h] in pixels")]
pub enum RegionConfig {
    /// `"whole"`.
    #[default]
    #[serde(with = "whole")]
    Whole,
    /// `"road"`: around lanes, lines and zones, with room for what stands on them.
    #[serde(with = "road")]
    Road,
    /// `[x, y, w, h]`.
    Box(BoxPx),
}

/// A word of its own in an untagged choice.
macro_rules! word {
    ($name:ident, $word:literal) => {
        mod $name {
            use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

            pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($word)
            }

            pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
                let found = String::deserialize(deserializer)?;
                if found == $word { Ok(()) } else { Err(D::Error::custom($word)) }
            }
        }
    };
}
word!(whole, "whole");
word!(road, "road");

/// A lane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaneConfig {
    /// Unique among lanes.
    pub name: String,
    /// Three or more corners.
    pub polygon: Vec<PointPx>,
    /// Direction of travel as a vector in pixels, e.g. `[0.0, -1.0]` for up the picture.
    pub direction: PointPx,
    /// Classes that may use it; absent: all.
    pub classes: Option<Vec<VehicleClass>>,
    /// When `classes` holds, local time; absent: always.
    pub hours: Option<Hours>,
    /// Speed limits of this lane, km/h.
    #[serde(default)]
    pub limit_kmh: LimitsConfig,
}

/// Speed limits by class, km/h. A class without an entry has the limit `default`, if there is one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// For classes not named.
    pub default: Option<f64>,
    /// Cars.
    pub car: Option<f64>,
    /// Motorcycles.
    pub motorcycle: Option<f64>,
    /// Buses.
    pub bus: Option<f64>,
    /// Lorries.
    pub truck: Option<f64>,
    /// Bicycles.
    pub bicycle: Option<f64>,
}

impl LimitsConfig {
    /// The limit of a class, km/h.
    #[must_use]
    pub fn of(&self, class: VehicleClass) -> Option<f64> {
        let own = match class {
            VehicleClass::Car => self.car,
            VehicleClass::Motorcycle => self.motorcycle,
            VehicleClass::Bus => self.bus,
            VehicleClass::Truck => self.truck,
            VehicleClass::Bicycle => self.bicycle,
            VehicleClass::Pedestrian => return None,
        };
        own.or(self.default)
    }

    pub(super) fn entries(&self) -> [(&'static str, Option<f64>); 6] {
        [
            ("default", self.default),
            ("car", self.car),
            ("motorcycle", self.motorcycle),
            ("bus", self.bus),
            ("truck", self.truck),
            ("bicycle", self.bicycle),
        ]
    }
}

/// A stop line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopLineConfig {
    /// Unique among stop lines.
    pub name: String,
    /// Two or more points along the middle of the painted line.
    pub points: Vec<PointPx>,
    /// Direction of the traffic it stops, a vector in pixels.
    pub direction: PointPx,
    /// Name of the signal head that governs it.
    pub signal: String,
    /// Two or more points of the line after which a vehicle has gone on into the junction, e.g. the far edge of the
    /// pedestrian crossing. Absent: 3 m behind the stop line.
    pub beyond: Option<Vec<PointPx>>,
    /// Turns that a board or an arrow allows on red.
    #[serde(default)]
    pub turns_on_red: Vec<TurnOnRedConfig>,
}

/// A turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// To the left.
    Left,
    /// To the right.
    Right,
    /// Back where one came from.
    UTurn,
}

impl Turn {
    /// The word used in camera files, events and the law catalogue.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::UTurn => "u_turn",
        }
    }
}

/// A turn allowed on red.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TurnOnRedConfig {
    /// Which; `u_turn` is never allowed on red.
    pub turn: Turn,
    /// For whom; absent: all classes.
    pub classes: Option<Vec<VehicleClass>>,
    /// Where the turn leads; absent: told by the change of heading.
    pub exit: Option<Vec<PointPx>>,
}

/// A line between lanes or directions that may not be crossed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SolidLineConfig {
    /// Unique among solid lines.
    pub name: String,
    /// Two or more points along it.
    pub points: Vec<PointPx>,
    /// Classes that may cross it all the same, e.g. motorcycles into their own lane.
    #[serde(default)]
    pub crossing_allowed: Vec<VehicleClass>,
}

/// A forbidden turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TurnConfig {
    /// Unique among turns.
    pub name: String,
    /// What is forbidden.
    pub turn: Turn,
    /// Names of the lanes it is forbidden from.
    pub from: Vec<String>,
    /// Where it leads; absent: told by the change of heading alone.
    pub exit: Option<Vec<PointPx>>,
    /// For whom; absent: all classes.
    pub classes: Option<Vec<VehicleClass>>,
    /// When, local time; absent: always.
    pub hours: Option<Hours>,
}

/// What a zone forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZoneKind {
    /// Standing longer than `dwell_s`.
    NoStopping,
    /// Standing longer than `dwell_s`: more than loading takes.
    NoParking,
    /// Driving in it.
    NoEntry,
    /// Driving in it: the emergency lane or hard shoulder of an expressway.
    EmergencyLane,
    /// Driving on it.
    Pavement,
}

impl ZoneKind {
    /// Whether a time of standing belongs to it.
    #[must_use]
    pub fn stands(self) -> bool {
        matches!(self, Self::NoStopping | Self::NoParking)
    }
}

/// A zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneConfig {
    /// Unique among zones.
    pub name: String,
    /// What it forbids.
    pub kind: ZoneKind,
    /// Three or more corners.
    pub polygon: Vec<PointPx>,
    /// Standing longer than this is an offence, seconds; for `no_stopping` and `no_parking`. The law gives no number:
    /// it is the site's own.
    pub dwell_s: Option<f64>,
    /// For whom; absent: all classes.
    pub classes: Option<Vec<VehicleClass>>,
    /// When, local time; absent: always.
    pub hours: Option<Hours>,
}

/// How the lamps of a head stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LampLayout {
    /// One below the other.
    #[default]
    Vertical,
    /// Side by side.
    Horizontal,
}

/// A signal head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalConfig {
    /// Unique among signals.
    pub name: String,
    /// `[x, y, w, h]` of the housing with its lamps, without a countdown beside or above it.
    #[serde(rename = "box")]
    pub bbox: BoxPx,
    /// How the lamps stand.
    #[serde(default)]
    pub layout: LampLayout,
    /// Lamps from the top or the left.
    #[serde(default = "usual_lamps")]
    pub lamps: Vec<SignalState>,
}

fn usual_lamps() -> Vec<SignalState> {
    vec![SignalState::Red, SignalState::Yellow, SignalState::Green]
}

/// The ground plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroundConfig {
    /// Four or more places on the road whose position is known.
    pub points: Vec<GroundPointConfig>,
    /// The largest accepted root mean square error of the fit, metres.
    #[serde(default = "usual_ground_error_m")]
    pub max_error_m: f64,
}

fn usual_ground_error_m() -> f64 {
    0.5
}

/// A place on the road.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroundPointConfig {
    /// Where it is in the picture.
    pub px: PointPx,
    /// Where it is on the road, metres, in any right-angled axes.
    pub m: [f64; 2],
}
