//! Parameters of the rules with their defaults. Distances are metres on the road; without ground points they are
//! guessed from the height of the vehicle's box, and the match says so.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use stopline_types::{RuleMode, UtcUs};

use super::config::LimitsConfig;
use crate::local_time::in_vietnam;

/// `[scene.rules]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RulesConfig {
    /// Crossing the stop line on red and going on.
    pub red_light: RedLightConfig,
    /// Standing over the stop line on red.
    pub stop_line: StopLineRuleConfig,
    /// Against the direction of a lane.
    pub wrong_way: WrongWayConfig,
    /// In a lane the class may not use.
    pub wrong_lane: WrongLaneConfig,
    /// Standing in a no-stopping zone.
    pub no_stopping: NoStoppingConfig,
    /// Crossing a solid line.
    pub solid_line: SolidLineConfig,
    /// Turning where a turn of the scene forbids it.
    pub forbidden_turn: TurnRuleConfig,
    /// Turning back where a turn of the scene forbids it.
    pub u_turn: TurnRuleConfig,
    /// In a zone its class may not enter, or not at that hour.
    pub no_entry: DrivesInConfig,
    /// Standing in a no-parking zone.
    pub no_parking: NoStoppingConfig,
    /// Driving in an emergency lane.
    pub emergency_lane: DrivesInConfig,
    /// Driving on a pavement.
    pub pavement: DrivesInConfig,
    /// Faster than the limit.
    pub speed: SpeedConfig,
    /// More people on a motorcycle than the law allows.
    pub over_riders: UnbuiltConfig,
    /// A rider without a helmet.
    pub no_helmet: UnbuiltConfig,
    /// Standing vehicles and queues, reported as incidents.
    pub incidents: IncidentsConfig,
}

/// `[scene.rules.red_light]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedLightConfig {
    /// Live, shadow or off.
    pub mode: RuleMode,
    /// Analysed frames a second below which matches are marked degraded.
    pub min_fps: f64,
    /// The front must cross at least this long after red began, seconds. The law knows no grace; this covers the
    /// uncertainty of the moment of the change.
    pub after_red_s: f64,
    /// A vehicle that crossed must pass the `beyond` line within this time, seconds.
    pub go_on_within_s: f64,
}

impl Default for RedLightConfig {
    fn default() -> Self {
        Self { mode: RuleMode::Live, min_fps: 5.0, after_red_s: 0.1, go_on_within_s: 10.0 }
    }
}

/// `[scene.rules.stop_line]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StopLineRuleConfig {
    /// Live, shadow or off.
    pub mode: RuleMode,
    /// Analysed frames a second below which matches are marked degraded.
    pub min_fps: f64,
    /// Standing still over the line at least this long, seconds.
    pub stand_s: f64,
    /// The front must be past the line by this much, metres, on top of what the vehicle's unknown length may err.
    pub over_m: f64,
}

impl Default for StopLineRuleConfig {
    fn default() -> Self {
        Self { mode: RuleMode::Live, min_fps: 2.0, stand_s: 3.0, over_m: 0.3 }
    }
}

/// `[scene.rules.wrong_way]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrongWayConfig {
    /// Live, shadow or off.
    pub mode: RuleMode,
    /// Analysed frames a second below which matches are marked degraded.
    pub min_fps: f64,
    /// Distance against the lane's direction, metres. More than from one motorcycle of a queue to the next, so that a track
    /// that goes over to the one behind is no wrong way.
    pub distance_m: f64,
    /// Time over which it lasted, seconds: three frames at six a second.
    pub time_s: f64,
}

impl Default for WrongWayConfig {
    fn default() -> Self {
        Self { mode: RuleMode::Live, min_fps: 4.0, distance_m: 3.5, time_s: 0.4 }
    }
}

/// `[scene.rules.wrong_lane]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrongLaneConfig {
    /// Live, shadow or off.
    pub mode: RuleMode,
    /// Analysed frames a second below which matches are marked degraded.
    pub min_fps: f64,
    /// Distance travelled in the lane, metres.
    pub distance_m: f64,
    /// Time in the lane, seconds.
    pub time_s: f64,
}

impl Default for WrongLaneConfig {
    fn default() -> Self {
        Self { mode: RuleMode::Live, min_fps: 2.0, distance_m: 5.0, time_s: 1.0 }
    }
}

/// `[scene.rules.no_stopping]`. How long is a property of the zone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoStoppingConfig {
    /// Live, shadow or off.
    pub mode: RuleMode,
    /// Analysed frames a second below which matches are marked degraded.
    pub min_fps: f64,
    /// Movement that still counts as standing, metres.
    pub still_m: f64,
}

impl Default for NoStoppingConfig {
    fn default() -> Self {
        Self { mode: RuleMode::Live, min_fps: 0.5, still_m: 1.0 }
    }
}

/// `[scene.rules.solid_line]`. Lines are the scene's `solid_lines`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SolidLineConfig {
    /// Live, shadow or off.
    pub mode: RuleMode,
    /// Analysed frames a second below which matches are marked degraded.
    pub min_fps: f64,
    /// The middle of the vehicle must be this far from the line on one side, then on the other, metres. A foot point
    /// errs by 0.2 to 0.3 m; half a car's width is 0.9 m, so a wheel is over long before.
    pub clear_m: f64,
    /// The crossing must be over within this time, seconds: a box that wanders from one side to the other while
    /// vehicles pass before it takes longer.
    pub within_s: f64,
    /// How long a graver act of the same vehicle (wrong way, a forbidden turn) is waited for, seconds.
    pub settle_s: f64,
}

impl Default for SolidLineConfig {
    fn default() -> Self {
        Self { mode: RuleMode::Live, min_fps: 5.0, clear_m: 0.4, within_s: 3.0, settle_s: 2.0 }
    }
}

/// `[scene.rules.forbidden_turn]` and `[scene.rules.u_turn]`. Which turns is a property of the scene's `turns`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TurnRuleConfig {
    /// Live, shadow or off.
    pub mode: RuleMode,
    /// Analysed frames a second below which matches are marked degraded.
    pub min_fps: f64,
    /// A turn is a change of heading by this many degrees; a change of lane is under 30.
    pub turn_deg: f64,
    /// Turning back is a change of heading by this many degrees.
    pub back_deg: f64,
    /// A heading is measured over this way, metres: long against the jitter of a foot point.
    pub heading_m: f64,
}

impl Default for TurnRuleConfig {
    fn default() -> Self {
        Self { mode: RuleMode::Live, min_fps: 4.0, turn_deg: 50.0, back_deg: 145.0, heading_m: 2.5 }
    }
}

/// `[scene.rules.no_entry]`, `emergency_lane` and `pavement`: driving in a zone of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DrivesInConfig {
    /// Live, shadow or off.
    pub mode: RuleMode,
    /// Analysed frames a second below which matches are marked degraded.
    pub min_fps: f64,
    /// Distance travelled inside the zone, metres. On a pavement it keeps those apart who only cross it to a house,
    /// which the law allows.
    pub distance_m: f64,
    /// Time inside the zone, seconds.
    pub time_s: f64,
}

impl Default for DrivesInConfig {
    fn default() -> Self {
        Self { mode: RuleMode::Live, min_fps: 3.0, distance_m: 6.0, time_s: 1.0 }
    }
}

/// A rule whose model does not exist yet: it can only be off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnbuiltConfig {
    /// Off; anything else is refused.
    pub mode: RuleMode,
}

impl Default for UnbuiltConfig {
    fn default() -> Self {
        Self { mode: RuleMode::Off }
    }
}

/// `[scene.rules.incidents]`. Off unless asked for: an incident is about the road and accuses nobody.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IncidentsConfig {
    /// Live or off; shadow is as live.
    pub mode: RuleMode,
    /// A vehicle that stands in a lane this long, while others pass, is a stopped vehicle, seconds.
    pub stopped_s: f64,
    /// Vehicles standing in one lane that make a queue.
    pub queue_vehicles: u32,
    /// How long they must stand, seconds.
    pub queue_s: f64,
}

impl Default for IncidentsConfig {
    fn default() -> Self {
        Self { mode: RuleMode::Off, stopped_s: 60.0, queue_vehicles: 5, queue_s: 60.0 }
    }
}

/// The verification of a speed meter: QCVN 05:2024/BCA systems measure speed with a verified device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateConfig {
    /// Its number.
    pub number: String,
    /// The body that verified the device.
    pub body: String,
    /// The last day it holds, in Vietnam, like `2027-03-31`.
    pub expires: String,
}

impl CertificateConfig {
    pub(super) fn last_day(&self) -> Option<Date> {
        self.expires.parse().ok()
    }

    /// Whether it holds at an instant.
    #[must_use]
    pub fn holds(&self, utc: UtcUs) -> bool {
        self.last_day().is_some_and(|last| in_vietnam(utc).date() <= last)
    }
}

/// `[scene.rules.speed]`. Needs ground points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeedConfig {
    /// Live, shadow or off.
    pub mode: RuleMode,
    /// Analysed frames a second below which matches are marked degraded.
    pub min_fps: f64,
    /// Limits where the lane has none, km/h.
    pub limit_kmh: LimitsConfig,
    /// How much over the limit is an offence, km/h. Decree 168/2024: 5.
    pub over_kmh: f64,
    /// Time a speed is measured over, seconds.
    pub window_s: f64,
    /// Largest error of a measurement that may accuse, km/h.
    pub max_error_kmh: f64,
    /// The device's verification. Speeds are measured without one too; each violation then says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateConfig>,
}

impl Default for SpeedConfig {
    fn default() -> Self {
        Self {
            mode: RuleMode::Live,
            min_fps: 6.0,
            limit_kmh: LimitsConfig::default(),
            over_kmh: 5.0,
            window_s: 1.0,
            max_error_kmh: 6.0,
            certificate: None,
        }
    }
}
