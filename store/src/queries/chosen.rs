//! Rows in two steps: which ones, by narrow columns; then the events themselves, of those only. An event's JSON is a
//! hundred times as wide as what most questions look at.

use std::collections::HashMap;

use clickhouse::Row;
use serde::Deserialize;
use stopline_types::{EventId, UtcUs};

use super::Filter;
use crate::{Store, StoreError, store::within};

/// Rows fetched by one statement: their keys travel in the address of the request.
const AT_ONCE: usize = 400;

/// The newest first; hours come first in the table's own order, so that it is read from its end only as far as is needed.
const ORDER: &str = "toStartOfHour(utc) DESC, utc DESC, id DESC";

/// Time and id of a row, by which its table is ordered.
pub(super) type Key = (UtcUs, EventId);

#[derive(Row, Deserialize)]
struct KeyRow {
    us: i64,
    id: [u8; 16],
}

#[derive(Row, Deserialize)]
struct BodyRow {
    id: [u8; 16],
    body: String,
}

impl Store {
    /// The keys of at most `rows` rows of `table`, newest first. A row that was written twice counts once.
    pub(super) async fn choose(
        &self,
        doing: &str,
        table: &str,
        of: &(dyn Fn(Option<Key>) -> Filter + Sync),
        mut after: Option<Key>,
        rows: u32,
    ) -> Result<Vec<Key>, StoreError> {
        let mut keys: Vec<Key> = Vec::new();
        loop {
            let missing = rows - keys.len() as u32;
            let of = of(after);
            let sql = format!(
                "SELECT toUnixTimestamp64Micro(utc) AS us, id FROM {table} {where_} ORDER BY {ORDER} LIMIT {missing}",
                where_ = of.sql(),
            );
            let found = within(doing, of.bind(self.client().query(&sql)).fetch_all::<KeyRow>()).await?;
            let all = found.len() < missing as usize;
            keys.extend(found.into_iter().map(|row| (UtcUs(row.us), EventId::from_bytes(row.id))));
            keys.dedup();
            if all || keys.len() >= rows as usize {
                return Ok(keys);
            }
            after = keys.last().copied();
        }
    }

    /// The events of rows, by id; `table` is one that is ordered by time.
    pub(super) async fn bodies(
        &self,
        doing: &str,
        table: &str,
        keys: &[Key],
    ) -> Result<HashMap<EventId, String>, StoreError> {
        let mut bodies = HashMap::new();
        for some in keys.chunks(AT_ONCE) {
            let bound = |time: Option<UtcUs>| time.map_or(0, |time| time.0);
            let (first, last) = (some.iter().map(|key| key.0).min(), some.iter().map(|key| key.0).max());
            let sql = format!(
                "SELECT id, argMax(body, version) AS body FROM {table} \
                 WHERE utc >= fromUnixTimestamp64Micro({first}, 'UTC') AND utc <= fromUnixTimestamp64Micro({last}, 'UTC') \
                 AND toStartOfHour(utc) IN (SELECT toStartOfHour(fromUnixTimestamp64Micro(toInt64(splitByChar(':', \
                     arrayJoin(splitByChar(',', {{keys:String}})))[1]), 'UTC'))) \
                 AND (utc, id) IN (SELECT fromUnixTimestamp64Micro(toInt64(key[1]), 'UTC'), toFixedString(unhex(key[2]), 16) \
                     FROM (SELECT splitByChar(':', arrayJoin(splitByChar(',', {{keys:String}}))) AS key)) GROUP BY id",
                first = bound(first),
                last = bound(last),
            );
            let text: Vec<String> = some.iter().map(|(utc, id)| format!("{}:{id}", utc.0)).collect();
            let rows = self.client().query(&sql).param("keys", text.join(",")).fetch_all::<BodyRow>();
            bodies.extend(within(doing, rows).await?.into_iter().map(|row| (EventId::from_bytes(row.id), row.body)));
        }
        Ok(bodies)
    }

    /// The decisions that hold, as JSON, of those violations that have one.
    pub(super) async fn decisions(&self, keys: &[Key]) -> Result<HashMap<EventId, String>, StoreError> {
        let mut bodies = HashMap::new();
        for some in keys.chunks(AT_ONCE) {
            let sql = "SELECT violation AS id, argMax(body, (revision, version)) AS body FROM reviews \
                       WHERE violation IN (SELECT toFixedString(unhex(arrayJoin(splitByChar(',', {keys:String}))), 16)) \
                       GROUP BY violation";
            let text: Vec<String> = some.iter().map(|(_, id)| id.to_string()).collect();
            let rows = self.client().query(sql).param("keys", text.join(",")).fetch_all::<BodyRow>();
            let rows = within("reading decisions", rows).await?;
            bodies.extend(rows.into_iter().map(|row| (EventId::from_bytes(row.id), row.body)));
        }
        Ok(bodies)
    }
}
