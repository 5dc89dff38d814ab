//! Names: cameras, streams, events.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{RuleKind, UtcUs};

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Camera ids are used in file names, URLs and Kafka keys, so they are kept plain.
    #[error("camera id {0:?}: expected 1 to 64 of a-z, 0-9, '-', '_'")]
    Camera(String),
    /// Event ids are 32 lower-case hexadecimal digits.
    #[error("event id {0:?}: expected 32 hexadecimal digits")]
    Event(String),
}

/// A camera's name, unique in the installation: 1 to 64 of `a-z 0-9 - _`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
pub struct CameraId(Arc<str>);

impl CameraId {
    /// Checks and takes a name.
    pub fn new(name: &str) -> Result<Self, IdError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(IdError::Camera(name.to_owned()));
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl TryFrom<String> for CameraId {
    type Error = IdError;
    fn try_from(name: String) -> Result<Self, IdError> {
        Self::new(&name)
    }
}

impl From<CameraId> for String {
    fn from(id: CameraId) -> Self {
        id.0.as_ref().to_owned()
    }
}

/// Which of a camera's streams: `main` carries evidence and plates, `sub` is the small one for analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum StreamRole {
    /// Full size: evidence and plates. A camera may have only this one.
    Main,
    /// Small: analysis.
    Sub,
}

impl fmt::Display for StreamRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "main",
            Self::Sub => "sub",
        })
    }
}

/// The name of an event, 32 lower-case hexadecimal digits: derived from what happened, so that the same act seen again
/// has the same id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
pub struct EventId([u8; 16]);

impl EventId {
    /// Id of what `track` of `camera` did at `at`: the first 16 bytes of SHA-256 over the named parts.
    /// `rule` tells a violation from the passage of the same track.
    #[must_use]
    pub fn derive(camera: &CameraId, at: UtcUs, track: u64, rule: Option<RuleKind>) -> Self {
        let rule = rule.map_or("passage", RuleKind::as_str);
        Self::of(&["track", camera.as_str(), &at.0.to_string(), &track.to_string(), rule])
    }

    /// Id from any list of parts; parts are length-prefixed, so `["ab","c"]` and `["a","bc"]` differ.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut id = [0; 16];
        id.copy_from_slice(&hash.finalize()[..16]);
        Self(id)
    }

    /// The 16 bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 16] {
        self.0
    }

    /// From 16 bytes as stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// From 32 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let refused = || IdError::Event(text.to_owned());
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(refused());
        }
        let mut id = [0; 16];
        for (byte, digits) in id.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| refused())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| refused())?;
        }
        Ok(Self(id))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for EventId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn camera_names_are_plain() {
        assert!(CameraId::new("thai-binh_gate-3").is_ok());
        for bad in ["", "Gate", "a b", "../x", "é", &"x".repeat(65)] {
            assert!(CameraId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn event_ids_are_stable_and_differ_by_part() -> Result<(), IdError> {
        let camera = CameraId::new("cam-1")?;
        let id = EventId::derive(&camera, UtcUs(1), 7, Some(RuleKind::RedLight));
        assert_eq!(id, EventId::derive(&camera, UtcUs(1), 7, Some(RuleKind::RedLight)));
        assert_ne!(id, EventId::derive(&camera, UtcUs(1), 7, None));
        assert_ne!(EventId::of(&["ab", "c"]), EventId::of(&["a", "bc"]));
        assert_eq!(EventId::parse(&id.to_string())?, id);
        assert!(EventId::parse("zz").is_err());
        Ok(())
    }
}
