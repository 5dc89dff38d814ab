//! Writing and opening what stands around an event in the spool and on Kafka ([`Envelope`]), and which events are kept aside.
//!
//! ```json
//! {"schema":1,"at":"2026-11-21T07:30:00.000000Z","event":{"event":"passage", …}}
//! ```
//! `docs/events.md` is the contract in words, `docs/events.schema.json` as a JSON Schema; `tests/contract` makes both.

use serde::Deserialize;
use serde_json::value::RawValue;
use stopline_types::{Envelope, Event, EventId, SCHEMA_VERSION, UtcUs};

/// The oldest schema this program reads.
pub const OLDEST_SCHEMA: u32 = 1;
/// Longest envelope that goes to ClickHouse's tables and Kafka. Ours are below 30 kB; Kafka's own default limit is 1 MB.
pub const MOST_BYTES: usize = 512 << 10;
/// How far an event may lie after the moment it was appended. Cameras' clocks are measured, so seconds are usual; a day
/// means that a clock is wrong and the event would poison every "newest first".
const FUTURE_S: f64 = 86_400.0;

/// Why an event is kept aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Longer than [`MOST_BYTES`].
    Oversized,
    /// No JSON, no envelope, or no event.
    Malformed,
    /// Written by a newer program.
    Newer,
    /// Written by a program older than [`OLDEST_SCHEMA`].
    Older,
    /// Dated before 1970 or more than a day after it was appended.
    Time,
    /// ClickHouse refuses it whatever batch it comes in.
    Refused,
}

impl Cause {
    /// The word in `dead_letters`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Oversized => "oversized",
            Self::Malformed => "malformed",
            Self::Newer => "newer",
            Self::Older => "older",
            Self::Time => "time",
            Self::Refused => "refused",
        }
    }
}

/// An event kept aside, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", .cause.as_str())]
pub struct Aside {
    /// The kind of trouble.
    pub cause: Cause,
    /// What was expected and what was found.
    pub reason: String,
}

impl Aside {
    pub(crate) fn new(cause: Cause, reason: impl Into<String>) -> Self {
        Self { cause, reason: reason.into() }
    }
}

#[derive(Deserialize)]
struct Read<'a> {
    at: UtcUs,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// An envelope opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// When it was appended to a spool.
    pub at: UtcUs,
    /// The event.
    pub event: Event,
    /// Its JSON, byte for byte as it came.
    pub json: String,
}

/// Puts an event into its envelope.
pub fn seal(event: &Event, at: UtcUs) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Envelope { schema: SCHEMA_VERSION, at, event })
}

/// Puts the JSON of an event that was opened back into an envelope.
pub(crate) fn seal_again(json: &str, at: UtcUs) -> Vec<u8> {
    format!(r#"{{"schema":{SCHEMA_VERSION},"at":"{at}","event":{json}}}"#).into_bytes()
}

/// Opens an envelope. Length and dates are judged by `check`, because the spool takes them.
pub fn open(json: &[u8]) -> Result<Opened, Aside> {
    #[derive(Deserialize)]
    struct Schema {
        schema: u32,
    }
    let malformed = |error: serde_json::Error| Aside::new(Cause::Malformed, format!("not an event: {error}"));
    let Schema { schema } = serde_json::from_slice(json).map_err(malformed)?;
    if schema > SCHEMA_VERSION {
        let reason = format!("schema {schema} is newer than {SCHEMA_VERSION}, the newest this program knows");
        return Err(Aside::new(Cause::Newer, reason));
    }
    if schema < OLDEST_SCHEMA {
        let reason = format!("schema {schema} is older than {OLDEST_SCHEMA}, the oldest this program reads");
        return Err(Aside::new(Cause::Older, reason));
    }
    let read: Read<'_> = serde_json::from_slice(json).map_err(malformed)?;
    let event = serde_json::from_str(read.event.get()).map_err(malformed)?;
    Ok(Opened { at: read.at, event, json: read.event.get().to_owned() })
}

/// Whether an event may go into the tables. Gives the same answer at every sending.
pub(crate) fn check(event: &Event, at: UtcUs, bytes: usize) -> Result<(), Aside> {
    if bytes > MOST_BYTES {
        return Err(Aside::new(Cause::Oversized, format!("{bytes} bytes, expected at most {MOST_BYTES}")));
    }
    let utc = event.utc();
    if utc.0 < 0 {
        return Err(Aside::new(Cause::Time, format!("dated {utc}, expected 1970 or later")));
    }
    if utc.since_s(at) > FUTURE_S {
        return Err(Aside::new(Cause::Time, format!("dated {utc}, a day or more after it was appended at {at}")));
    }
    Ok(())
}

/// Only the time of appending, for statistics.
pub(crate) fn appended_at(json: &[u8]) -> Option<UtcUs> {
    #[derive(Deserialize)]
    struct At {
        at: UtcUs,
    }
    serde_json::from_slice::<At>(json).ok().map(|read| read.at)
}

/// The id under which something that cannot be read is kept: the same bytes, the same id.
pub(crate) fn id_of_unreadable(raw: &[u8]) -> EventId {
    EventId::of(&["unreadable", &text_of(raw)])
}

/// Bytes as text without loss: as they are if they are UTF-8, else `hex:` and digits.
pub(crate) fn text_of(raw: &[u8]) -> String {
    match std::str::from_utf8(raw) {
        Ok(text) => text.to_owned(),
        Err(_) => std::iter::once("hex:".to_owned()).chain(raw.iter().map(|byte| format!("{byte:02x}"))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use stopline_types::{CameraId, Incident};

    use super::*;

    fn event(utc: UtcUs) -> Event {
        Event::Incident(Incident {
            id: EventId::of(&["x"]),
            camera: CameraId::new("cam-1").unwrap(),
            t_s: 0.0,
            utc,
            error_ms: None,
            kind: "queue".into(),
            lane: None,
            measured: [].into(),
        })
    }

    #[test]
    fn an_envelope_comes_back_as_it_was() {
        let (event, at) = (event(UtcUs(5)), UtcUs(7));
        let opened = open(&seal(&event, at).unwrap()).unwrap();
        assert_eq!((&opened.event, opened.at), (&event, at));
        assert_eq!(opened.json, serde_json::to_string(&event).unwrap());
        assert_eq!(seal_again(&opened.json, at), seal(&event, at).unwrap());
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (text, cause) in [
            (r#"{"schema":2,"at":"2026-11-21T07:30:00Z","event":{"event":"dream"}}"#, Cause::Newer),
            (r#"{"schema":0,"at":"2026-11-21T07:30:00Z","event":{}}"#, Cause::Older),
            (r#"{"schema":1,"at":"2026-11-21T07:30:00Z","event":{"event":"dream"}}"#, Cause::Malformed),
            (r#"{"schema":1,"event":{}}"#, Cause::Malformed),
            ("\u{0}", Cause::Malformed),
            ("", Cause::Malformed),
        ] {
            let aside = open(text.as_bytes()).unwrap_err();
            assert_eq!(aside.cause, cause, "{text}: {aside}");
        }
    }

    #[test]
    fn dates_and_lengths_have_bounds() {
        let at = UtcUs::parse("2026-11-21T07:30:00Z").unwrap();
        assert_eq!(check(&event(at.plus_s(3_600.0)), at, 300), Ok(()));
        assert_eq!(check(&event(at.plus_s(-1e9)), at, 300), Ok(()), "old files are replayed");
        assert_eq!(check(&event(at.plus_s(90_000.0)), at, 300).unwrap_err().cause, Cause::Time);
        assert_eq!(check(&event(UtcUs(-1)), at, 300).unwrap_err().cause, Cause::Time);
        assert_eq!(check(&event(at), at, MOST_BYTES + 1).unwrap_err().cause, Cause::Oversized);
    }

    #[test]
    fn bytes_become_text_without_loss() {
        assert_eq!(text_of("ữ\0".as_bytes()), "ữ\0");
        assert_eq!(text_of(&[0xff, 0]), "hex:ff00");
    }
}
