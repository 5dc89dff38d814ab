//! Names of the rules.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of violation the engine looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RuleKind {
    /// Crossing the stop line on red and going on.
    RedLight,
    /// Standing over the stop line while the signal is red.
    StopLine,
    /// Against the direction of the lane.
    WrongWay,
    /// In a lane the class may not use.
    WrongLane,
    /// Crossing a solid line between lanes.
    SolidLine,
    /// A turn that the approach forbids.
    ForbiddenTurn,
    /// Turning back where that is forbidden.
    UTurn,
    /// On a road the class may not use, or not at that hour.
    NoEntry,
    /// Standing in a no-stopping zone longer than its dwell limit.
    NoStopping,
    /// Standing in a no-parking zone longer than its dwell limit.
    NoParking,
    /// Driving in the emergency lane or on the hard shoulder.
    EmergencyLane,
    /// Driving on the pavement.
    Pavement,
    /// Faster than the limit of the class, by ground plane.
    Speed,
    /// Faster on average between two cameras than the limit of the class.
    SectionSpeed,
    /// More people on a motorcycle than the law allows. Needs a model that is not there yet.
    OverRiders,
    /// A rider without a helmet. Needs a model that is not there yet.
    NoHelmet,
}

impl RuleKind {
    /// All kinds.
    pub const ALL: [Self; 16] = [
        Self::RedLight,
        Self::StopLine,
        Self::WrongWay,
        Self::WrongLane,
        Self::SolidLine,
        Self::ForbiddenTurn,
        Self::UTurn,
        Self::NoEntry,
        Self::NoStopping,
        Self::NoParking,
        Self::EmergencyLane,
        Self::Pavement,
        Self::Speed,
        Self::SectionSpeed,
        Self::OverRiders,
        Self::NoHelmet,
    ];

    /// The word used in JSON, tables and configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RedLight => "red_light",
            Self::StopLine => "stop_line",
            Self::WrongWay => "wrong_way",
            Self::WrongLane => "wrong_lane",
            Self::SolidLine => "solid_line",
            Self::ForbiddenTurn => "forbidden_turn",
            Self::UTurn => "u_turn",
            Self::NoEntry => "no_entry",
            Self::NoStopping => "no_stopping",
            Self::NoParking => "no_parking",
            Self::EmergencyLane => "emergency_lane",
            Self::Pavement => "pavement",
            Self::Speed => "speed",
            Self::SectionSpeed => "section_speed",
            Self::OverRiders => "over_riders",
            Self::NoHelmet => "no_helmet",
        }
    }

    /// From its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == word)
    }
}

impl fmt::Display for RuleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What becomes of a rule's matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum RuleMode {
    /// Go to review.
    #[default]
    Live,
    /// Are recorded and counted, but reviewed by nobody: for trying a rule.
    Shadow,
    /// Not evaluated.
    Off,
}
