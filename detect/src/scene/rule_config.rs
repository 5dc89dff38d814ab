//! Parameters of the rules with their defaults. Distances are metres on the road; without ground points they are
//! guessed from the height of the vehicle's box, and the match says so.

use serde::{Deserialize, Serialize};
use stopline_types::RuleMode;

use super::config::LimitsConfig;

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
    /// Faster than the limit.
    pub speed: SpeedConfig,
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
    /// Distance against the lane's direction, metres.
    pub distance_m: f64,
    /// Time over which it lasted, seconds.
    pub time_s: f64,
}

impl Default for WrongWayConfig {
    fn default() -> Self {
        Self { mode: RuleMode::Live, min_fps: 4.0, distance_m: 2.5, time_s: 0.5 }
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

/// `[scene.rules.speed]`. Needs ground points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
        }
    }
}
