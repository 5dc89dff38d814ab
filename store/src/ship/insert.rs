//! One INSERT, and what its failure means.

use std::{collections::HashSet, time::Duration};

use clickhouse::{Row, RowOwned, RowWrite, error::Error};

use super::{
    dead::DeadLetterRow,
    rows::{IncidentRow, PassageRow, ReviewRow, ViolationRow},
};
use crate::{Store, spool::Spooled};

/// How long one chunk may take to be taken by the socket, and how long ClickHouse may take to write a batch.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
pub(super) const END_TIMEOUT: Duration = Duration::from_secs(120);

/// Ids looked up at once: some 70 kB of a request.
const IDS_A_QUESTION: usize = 2_000;

/// The tables events go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Passages,
    Violations,
    Reviews,
    Incidents,
}

impl Table {
    pub(super) const ALL: [Self; 4] = [Self::Passages, Self::Violations, Self::Reviews, Self::Incidents];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Passages => "passages",
            Self::Violations => "violations",
            Self::Reviews => "reviews",
            Self::Incidents => "incidents",
        }
    }

    pub(super) fn of(spooled: &Spooled) -> Self {
        use stopline_types::Event::{Incident, Passage, Review, Violation};
        match spooled.event {
            Passage(_) => Self::Passages,
            Violation(_) => Self::Violations,
            Review(_) => Self::Reviews,
            Incident(_) => Self::Incidents,
        }
    }
}

/// Writes `events`, all of `table`, as one block under `token`.
pub(super) async fn insert(store: &Store, table: Table, token: &str, events: &[&Spooled]) -> Result<(), Error> {
    match table {
        Table::Passages => send(store, table.name(), token, events.iter().filter_map(|e| PassageRow::of(e))).await,
        Table::Violations => send(store, table.name(), token, events.iter().filter_map(|e| ViolationRow::of(e))).await,
        Table::Reviews => send(store, table.name(), token, events.iter().filter_map(|e| ReviewRow::of(e))).await,
        Table::Incidents => send(store, table.name(), token, events.iter().filter_map(|e| IncidentRow::of(e))).await,
    }
}

/// Writes rows into `dead_letters`.
pub(super) async fn bury(store: &Store, token: &str, rows: &[DeadLetterRow]) -> Result<(), Error> {
    send(store, "dead_letters", token, rows.iter().cloned()).await
}

/// Which of `events` are in `table` already.
pub(super) async fn present(store: &Store, table: Table, events: &[&Spooled]) -> Result<HashSet<[u8; 16]>, Error> {
    let mut found = HashSet::new();
    for chunk in events.chunks(IDS_A_QUESTION) {
        let times = || chunk.iter().map(|event| event.event.utc().0);
        let (Some(first), Some(last)) = (times().min(), times().max()) else { continue };
        let ids: Vec<String> = chunk.iter().map(|event| event.event.id().to_string()).collect();
        // The times let ClickHouse skip what the table's order can skip.
        let sql = format!(
            "SELECT id FROM {} WHERE utc >= fromUnixTimestamp64Micro({{first:Int64}}, 'UTC') \
             AND utc <= fromUnixTimestamp64Micro({{last:Int64}}, 'UTC') \
             AND id IN (SELECT toFixedString(unhex(arrayJoin({{ids:Array(String)}})), 16))",
            table.name()
        );
        let query = store.client().query(&sql).param("first", first).param("last", last).param("ids", ids);
        let rows =
            tokio::time::timeout(END_TIMEOUT, query.fetch_all::<IdRow>()).await.map_err(|_| Error::TimedOut)??;
        found.extend(rows.into_iter().map(|row| row.id));
    }
    Ok(found)
}

#[derive(Row, serde::Deserialize)]
struct IdRow {
    id: [u8; 16],
}

async fn send<T>(store: &Store, table: &str, token: &str, rows: impl Iterator<Item = T>) -> Result<(), Error>
where
    T: for<'a> Row<Value<'a> = T> + RowOwned + RowWrite,
{
    let mut insert = store
        .client()
        .insert::<T>(table)
        .await?
        .with_timeouts(Some(SEND_TIMEOUT), Some(END_TIMEOUT))
        .with_setting("insert_deduplicate", "1")
        .with_setting("insert_deduplication_token", token)
        // Replaying old files may touch many months at once.
        .with_setting("max_partitions_per_insert_block", "0");
    for row in rows {
        insert.write(&row).await?;
    }
    insert.end().await
}

/// Whether ClickHouse refused a row for what it holds, so that sending it again can never help. Codes as in
/// ClickHouse's `ErrorCodes.cpp`. What is not known to be about data is taken for trouble that passes.
pub(super) fn about_data(error: &Error) -> bool {
    let Error::BadResponse(text) = error else { return false };
    let code = text.split("Code: ").nth(1).and_then(|rest| rest.split(['.', ' ', '\n']).next()?.parse().ok());
    let about_data: [u32; 14] = [
        6,   // CANNOT_PARSE_TEXT
        26,  // CANNOT_PARSE_QUOTED_STRING
        27,  // CANNOT_PARSE_INPUT_ASSERTION_FAILED
        38,  // CANNOT_PARSE_DATE
        41,  // CANNOT_PARSE_DATETIME
        69,  // ARGUMENT_OUT_OF_BOUND
        70,  // CANNOT_CONVERT_TYPE
        117, // INCORRECT_DATA
        131, // TOO_LARGE_STRING_SIZE
        321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        395, // FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
        407, // DECIMAL_OVERFLOW
        469, // VIOLATED_CONSTRAINT
    ];
    code.is_some_and(|code| about_data.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_data_errors_condemn_a_row() {
        let says = |text: &str| about_data(&Error::BadResponse(text.to_owned()));
        assert!(says("Code: 469. DB::Exception: Constraint `c` … is violated. (VIOLATED_CONSTRAINT)"));
        for passing in ["Code: 241. DB::Exception: memory", "Code: 60. DB::Exception: no table", "502 Bad Gateway", ""]
        {
            assert!(!says(passing), "{passing}");
        }
        assert!(!about_data(&Error::TimedOut));
    }
}
