//! Passages by the hour: counted ones for hours that are over and at rest, the passages themselves for the others.
//!
//! An hour is at rest when nothing was written to it for [`SETTLED_S`] before it was counted. So figures are those of the
//! table of passages at every moment, and the counting ([`Store::roll_hours`]) may be late, be repeated or be missing.

use clickhouse::Row;
use serde::Deserialize;

use super::Filter;
use crate::{
    Store, StoreError,
    store::{within, within_time},
};

/// Longer than any INSERT may take: a row that is not seen by the counting was marked later than this before it.
const SETTLED_S: u32 = 300;
/// Hours counted by one statement.
const AT_ONCE: usize = 48;
const COUNTING: std::time::Duration = std::time::Duration::from_secs(600);

/// Hours that are read from the passages.
pub(crate) fn unsettled() -> String {
    format!(
        "SELECT hour FROM hour_marks GROUP BY hour HAVING NOT max(closed) AND max(marked) + {SETTLED_S} > max(rolled)"
    )
}

/// A subquery with the columns `hour`, `camera`, `class`, `n` (passages) and `reads` (of these, with a plate) of the
/// passages that `of` lets through; it may ask for time and cameras only.
pub(super) fn passages_by_hour(of: &Filter) -> String {
    let raw = match of.ends() {
        ends if ends.is_empty() => unsettled(),
        // The hours at both ends are there in part.
        ends => format!("{} UNION ALL {ends}", unsettled()),
    };
    format!(
        "(WITH apart AS ({raw}) \
          SELECT hour, camera, class, toUInt64(passages) AS n, toUInt64(plates_read) AS reads FROM passage_hours FINAL \
          {hours} AND hour NOT IN apart \
          AND (hour, rolled) IN (SELECT hour, max(rolled) FROM hour_marks GROUP BY hour) \
          UNION ALL SELECT toStartOfHour(utc) AS hour, camera, class, count() AS n, countIf(plate != '') AS reads \
          FROM passages FINAL {rows} AND toStartOfHour(utc) IN apart GROUP BY hour, camera, class)",
        hours = of.sql_of("hour"),
        rows = of.sql(),
    )
}

#[derive(Row, Deserialize)]
struct HourRow {
    hour: i64,
}

impl Store {
    /// Lays the rows of `cases` anew from all violations and reviews: for a history that another than the shipper wrote.
    pub async fn lay_cases(&self) -> Result<(), StoreError> {
        let sql = "INSERT INTO cases \
            SELECT v.utc, v.id, v.camera, v.rule, v.lane, v.plate, v.confidence, r.verdict, \
                   r.verdict NOT IN ('confirmed', 'rejected'), if(r.standing = 0, v.version, r.standing) \
            FROM (SELECT utc, id, camera, rule, lane, plate, confidence, version FROM violations FINAL WHERE mode = 'live') AS v \
            LEFT JOIN (SELECT violation, argMax(verdict, (revision, version)) AS verdict, \
                              max(bitShiftLeft(toUInt64(least(revision, 8191)), 51) + version) AS standing \
                       FROM reviews GROUP BY violation) AS r ON r.violation = v.id \
            SETTINGS max_partitions_per_insert_block = 0";
        within_time(COUNTING, "laying the cases anew", self.client().query(sql).execute()).await
    }

    /// Counts the hours that are at rest and not counted since they were written to, oldest first; returns how many.
    pub async fn roll_hours(&self) -> Result<usize, StoreError> {
        let sql = format!(
            "SELECT toInt64(toUnixTimestamp(hour)) AS hour FROM hour_marks GROUP BY hour \
             HAVING NOT max(closed) AND max(marked) + {SETTLED_S} > max(rolled) AND max(marked) + {SETTLED_S} < now64(3) \
             ORDER BY hour"
        );
        let rows = self.client().query(&sql).fetch_all::<HourRow>();
        let hours: Vec<i64> = within("looking for hours to count", rows).await?.iter().map(|row| row.hour).collect();
        for some in hours.chunks(AT_ONCE) {
            // Taken before the counting: what is marked later counts as not seen.
            let began: i64 = within(
                "asking the time",
                self.client().query("SELECT toUnixTimestamp64Milli(now64(3))").fetch_one::<i64>(),
            )
            .await?;
            let (first, last) = (some[0], some[some.len() - 1] + 3600);
            let count = "INSERT INTO passage_hours \
                SELECT toStartOfHour(utc) AS hour, camera, lane, class, count(), countIf(plate != ''), \
                       fromUnixTimestamp64Milli({began:Int64}, 'UTC') \
                FROM passages FINAL WHERE utc >= fromUnixTimestamp({first:Int64}) AND utc < fromUnixTimestamp({last:Int64}) \
                AND has({hours:Array(Int64)}, toUnixTimestamp(hour)) GROUP BY hour, camera, lane, class";
            let note = "INSERT INTO hour_marks (hour, marked, rolled) SELECT toDateTime(arrayJoin({hours:Array(Int64)}), 'UTC'), \
                        toDateTime64(0, 3, 'UTC'), fromUnixTimestamp64Milli({began:Int64}, 'UTC')";
            let bound = |sql| self.client().query(sql).param("hours", some.to_vec()).param("began", began);
            let counting = bound(count).param("first", first).param("last", last);
            let counting = counting.with_setting("max_partitions_per_insert_block", "0").execute();
            within_time(COUNTING, "counting passages by hour", counting).await?;
            within("noting what is counted", bound(note).execute()).await?;
        }
        Ok(hours.len())
    }
}
