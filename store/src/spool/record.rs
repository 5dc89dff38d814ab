//! One record: an event with the schema version and the time it was appended.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stopline_types::{Event, SCHEMA_VERSION, UtcUs};

#[derive(Serialize)]
struct Write<'a> {
    schema: u32,
    at: UtcUs,
    event: &'a Event,
}

#[derive(Deserialize)]
struct Read<'a> {
    schema: u32,
    at: UtcUs,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// An event ready to be stored.
pub(super) struct Record {
    pub(super) json: Vec<u8>,
    /// May be given up when the spool is full.
    pub(super) sheddable: bool,
}

pub(super) fn now() -> UtcUs {
    std::time::SystemTime::now().into()
}

pub(super) fn encode_all(events: &[Event], at: UtcUs) -> Result<Vec<Record>, String> {
    events
        .iter()
        .map(|event| {
            let json = serde_json::to_vec(&Write { schema: SCHEMA_VERSION, at, event })
                .map_err(|error| format!("{} {} cannot be written as JSON: {error}", event.kind(), event.id()))?;
            Ok(Record { json, sheddable: matches!(event, Event::Passage(_)) })
        })
        .collect()
}

/// Event, time of appending, and the event's own JSON.
pub(super) fn decode(json: &[u8]) -> Result<(Event, UtcUs, String), String> {
    #[derive(Deserialize)]
    struct Schema {
        schema: u32,
    }
    let Schema { schema } = serde_json::from_slice(json).map_err(|error| format!("damaged: {error}"))?;
    if schema > SCHEMA_VERSION {
        return Err(format!("schema {schema} is newer than {SCHEMA_VERSION}, the newest this program knows"));
    }
    let read: Read<'_> = serde_json::from_slice(json).map_err(|error| format!("damaged: {error}"))?;
    debug_assert_eq!(read.schema, schema);
    let event = serde_json::from_str(read.event.get()).map_err(|error| format!("not an event: {error}"))?;
    Ok((event, read.at, read.event.get().to_owned()))
}

/// Only the time of appending, for statistics.
pub(super) fn appended_at(json: &[u8]) -> Option<UtcUs> {
    #[derive(Deserialize)]
    struct At {
        at: UtcUs,
    }
    serde_json::from_slice::<At>(json).ok().map(|read| read.at)
}
