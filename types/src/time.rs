//! Time as evidence needs it: an instant, how far it may be off, and where it came from.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// An instant, in microseconds since 1970-01-01 UTC. In JSON RFC 3339 with microseconds: `2026-11-21T07:30:12.400000Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, format = DateTime))]
pub struct UtcUs(pub i64);

impl UtcUs {
    /// This instant moved by `seconds`, which may be negative.
    #[must_use]
    pub fn plus_s(self, seconds: f64) -> Self {
        Self(self.0.saturating_add((seconds * 1e6).round() as i64))
    }

    /// Seconds from `earlier` to this instant.
    #[must_use]
    pub fn since_s(self, earlier: Self) -> f64 {
        (self.0 - earlier.0) as f64 / 1e6
    }

    /// As a `jiff` timestamp. Instants outside the years 1 to 9999 are clamped.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX })
    }

    /// Parses RFC 3339, for example `2026-11-21T07:30:00Z`.
    pub fn parse(text: &str) -> Result<Self, jiff::Error> {
        Ok(Self(text.parse::<Timestamp>()?.as_microsecond()))
    }
}

impl From<std::time::SystemTime> for UtcUs {
    fn from(at: std::time::SystemTime) -> Self {
        let us = |d: std::time::Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        match at.duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => Self(us(after)),
            Err(before) => Self(-us(before.duration())),
        }
    }
}

impl fmt::Display for UtcUs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.timestamp())
    }
}

impl fmt::Debug for UtcUs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for UtcUs {
    type Error = jiff::Error;
    fn try_from(text: String) -> Result<Self, jiff::Error> {
        Self::parse(&text)
    }
}

impl From<UtcUs> for String {
    fn from(at: UtcUs) -> Self {
        at.to_string()
    }
}

impl std::ops::Add<SignedDuration> for UtcUs {
    type Output = Self;
    fn add(self, by: SignedDuration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// Where a capture time came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum TimeSource {
    /// The camera's own clock, by RTCP sender reports.
    SenderReport,
    /// Our clock when the packet came, less nothing: later than the truth by the unknown network delay.
    Receive,
    /// A file's time stamps added to a start time that was given or stands in the file.
    File,
    /// A file's time stamps added to a nominal start, because no real one is known. Not evidence.
    FileNominal,
}

/// When a picture was taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CaptureTime {
    /// The instant.
    pub utc: UtcUs,
    /// Half width of the interval the true instant lies in, in milliseconds; null: unknown.
    pub error_ms: Option<f64>,
    /// Where the instant came from.
    pub source: TimeSource,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_microseconds() -> Result<(), jiff::Error> {
        let at = UtcUs::parse("2026-11-21T07:30:05.400001Z")?;
        assert_eq!(at.to_string(), "2026-11-21T07:30:05.400001Z");
        assert_eq!(UtcUs::parse("2026-11-21T14:30:05.400001+07:00")?, at);
        assert_eq!(at.plus_s(1.5).since_s(at), 1.5);
        assert_eq!(UtcUs::from(std::time::UNIX_EPOCH), UtcUs(0));
        Ok(())
    }
}
