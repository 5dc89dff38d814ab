//! What is kept aside.

use clickhouse::Row;
use serde::Deserialize;

use crate::{Store, StoreError, store::within};

/// Something that is in no table of events, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct DeadLetter {
    /// Kind of event, or `unreadable`.
    pub kind: String,
    /// Its camera; of what is unreadable, the key it came with.
    pub camera: String,
    /// A word: see [`crate::envelope::Cause`]. Empty for rows of older versions.
    pub cause: String,
    /// In words.
    pub reason: String,
    /// Spool or partition, and its number there.
    pub source: String,
    /// The event's JSON, or all that came.
    pub body: String,
}

impl Store {
    /// What is kept aside, newest first, at most `limit`.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        let sql = "SELECT kind, camera, cause, reason, source, body FROM dead_letters FINAL \
                   ORDER BY version DESC, id LIMIT {limit:UInt32}";
        let query = self.client().query(sql).param("limit", super::limit(limit));
        within("reading what is kept aside", query.fetch_all::<DeadLetter>()).await
    }
}
