//! What the detector sees.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::BoxPx;

/// Classes of road users. A motorcycle is one object with its riders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum VehicleClass {
    /// Passenger car, taxi, van, pick-up.
    Car,
    /// Motorcycle, scooter or moped with its riders.
    Motorcycle,
    /// City bus or coach.
    Bus,
    /// Lorry, tractor unit.
    Truck,
    /// Bicycle with its rider.
    Bicycle,
    /// A person on foot.
    Pedestrian,
}

impl VehicleClass {
    /// All classes.
    pub const ALL: [Self; 6] = [Self::Car, Self::Motorcycle, Self::Bus, Self::Truck, Self::Bicycle, Self::Pedestrian];

    /// The word used in JSON, tables and configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Car => "car",
            Self::Motorcycle => "motorcycle",
            Self::Bus => "bus",
            Self::Truck => "truck",
            Self::Bicycle => "bicycle",
            Self::Pedestrian => "pedestrian",
        }
    }

    /// From its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

impl fmt::Display for VehicleClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One object in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// What it is.
    pub class: VehicleClass,
    /// How sure the model is, 0 to 1.
    pub score: f32,
    /// Where, in pixels of the stream's own frame.
    pub bbox: BoxPx,
}

/// What a signal head shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SignalState {
    /// Stop.
    Red,
    /// Stop before the line unless on it or past it.
    Yellow,
    /// Go.
    Green,
    /// Yellow going on and off: pass with care.
    FlashingYellow,
    /// No lamp lit.
    Dark,
    /// Hidden, blurred or not decided.
    Unknown,
}

impl SignalState {
    /// The word used in JSON, tables and configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Yellow => "yellow",
            Self::Green => "green",
            Self::FlashingYellow => "flashing_yellow",
            Self::Dark => "dark",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for SignalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
