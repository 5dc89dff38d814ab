//! What stands around an event wherever it is kept or sent.

use serde::Serialize;

use crate::{Event, UtcUs};

/// The value of a record in the spool and of a message on Kafka: an event, who could read it, and since when we have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Envelope<E = Event> {
    /// Version of this contract that the writer spoke: a whole number, counting up.
    pub schema: u32,
    /// When the event was appended to the spool where it was found. Never changes after that.
    pub at: UtcUs,
    /// The event.
    pub event: E,
}
