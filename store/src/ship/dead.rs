//! Rows of `dead_letters`: what is kept aside, with the reason.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use stopline_types::UtcUs;

use crate::{
    envelope::{self, Aside},
    spool::Spooled,
};

/// Something that is no event: bytes from Kafka that cannot be read, or not by this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// Offset.
    pub(crate) number: u64,
    /// When it came, by the broker.
    pub(crate) at: UtcUs,
    /// What it was keyed with: the camera, if its sender keeps to the rules.
    pub(crate) key: String,
    pub(crate) raw: Vec<u8>,
    pub(crate) aside: Aside,
}

#[derive(Debug, Clone, Row, Serialize, Deserialize)]
pub(super) struct DeadLetterRow {
    id: [u8; 16],
    kind: String,
    camera: String,
    utc: i64,
    cause: String,
    reason: String,
    source: String,
    body: String,
    version: u64,
}

impl DeadLetterRow {
    /// Of an event that can be read but not go into its table. `source`: where it came from, with its number there.
    pub(super) fn of(spooled: &Spooled, aside: &Aside, source: String) -> Self {
        let event = &spooled.event;
        Self {
            id: event.id().bytes(),
            kind: event.kind().to_owned(),
            camera: event.camera().to_string(),
            utc: in_range(event.utc()),
            cause: aside.cause.as_str().to_owned(),
            reason: aside.reason.clone(),
            source,
            body: spooled.json.clone(),
            version: u64::try_from(spooled.at.0).unwrap_or(0),
        }
    }

    /// Of what cannot be read. The whole envelope stands in `body`.
    pub(super) fn unreadable(of: &Unreadable, source: String) -> Self {
        Self {
            id: envelope::id_of_unreadable(&of.raw).bytes(),
            kind: "unreadable".to_owned(),
            camera: of.key.clone(),
            utc: in_range(of.at),
            cause: of.aside.cause.as_str().to_owned(),
            reason: of.aside.reason.clone(),
            source,
            body: envelope::text_of(&of.raw),
            version: u64::try_from(of.at.0).unwrap_or(0),
        }
    }
}

impl std::fmt::Display for DeadLetterRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} at {}: {}: {}", self.kind, self.camera, self.source, self.cause, self.reason)
    }
}

/// What `DateTime64(6)` can show: 1900 to 2299, here 1970 to 2250.
fn in_range(utc: UtcUs) -> i64 {
    utc.0.clamp(0, 8_835_868_800_000_000)
}
