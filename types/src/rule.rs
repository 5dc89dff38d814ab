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
    /// Standing in a no-stopping zone longer than its dwell limit.
    NoStopping,
    /// Faster than the limit of the class, by ground plane.
    Speed,
}

impl RuleKind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::RedLight, Self::StopLine, Self::WrongWay, Self::WrongLane, Self::NoStopping, Self::Speed];

    /// The word used in JSON, tables and configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RedLight => "red_light",
            Self::StopLine => "stop_line",
            Self::WrongWay => "wrong_way",
            Self::WrongLane => "wrong_lane",
            Self::NoStopping => "no_stopping",
            Self::Speed => "speed",
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
