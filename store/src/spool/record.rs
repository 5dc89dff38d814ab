//! One record: an event in its envelope.

use stopline_types::{Event, UtcUs};

use crate::envelope;

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
            let json = envelope::seal(event, at)
                .map_err(|error| format!("{} {} cannot be written as JSON: {error}", event.kind(), event.id()))?;
            Ok(Record { json, sheddable: matches!(event, Event::Passage(_)) })
        })
        .collect()
}
