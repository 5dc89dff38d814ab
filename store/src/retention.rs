//! What is deleted for its age, by class of data, and what is held against that.
//!
//! A deleting task and not a TTL of the tables, because a TTL cannot ask whether something is held or belongs to a violation
//! that is kept. The ages are a choice of the product, not law, but for the one year in which an act may be punished; which
//! is why all of them are settings. Deleted rows are hidden at once and leave the disk when ClickHouse next merges
//! their parts. What was deleted is noted in the table `deletions`.

use clickhouse::{Row, query::Query};
use serde::Deserialize;
use stopline_types::{EventId, UtcUs};

use crate::{Store, StoreError, store::within_time};

/// Cases deleted by one statement.
const AT_ONCE: u32 = 2_000;
/// A statement may have to look through years.
const STATEMENT: std::time::Duration = std::time::Duration::from_secs(3600);
const DAY_US: i64 = 86_400_000_000;

/// Days that things are kept, from the act on; 0: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Passages that belong to no violation.
    pub passages_days: u32,
    /// Violations that a person rejected, and those of rules on trial.
    pub rejected_days: u32,
    /// Violations that nobody has decided: a year in which they may be punished, and a month.
    pub undecided_days: u32,
    /// Violations that a person confirmed.
    pub confirmed_days: u32,
    /// Incidents.
    pub incidents_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { passages_days: 30, rejected_days: 90, undecided_days: 396, confirmed_days: 731, incidents_days: 366 }
    }
}

/// How much was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Violations with what was decided about them.
    pub violations: u64,
    /// Passages.
    pub passages: u64,
    /// Incidents.
    pub incidents: u64,
}

#[derive(Row, Deserialize)]
struct IdRow {
    id: [u8; 16],
}

#[derive(Row, Deserialize)]
struct DayRow {
    day: i64,
}

const HELD: &str = "SELECT violation FROM holds FINAL WHERE held";

impl Store {
    /// Keeps a violation, what was decided about it and the passages of its vehicle, however old they become.
    pub async fn hold(&self, violation: EventId, reason: &str, by: &str) -> Result<(), StoreError> {
        self.note_hold(violation, true, reason, by).await
    }

    /// Lets go what [`Store::hold`] held: the next run deletes it if it is old enough.
    pub async fn release(&self, violation: EventId, reason: &str, by: &str) -> Result<(), StoreError> {
        self.note_hold(violation, false, reason, by).await
    }

    async fn note_hold(&self, violation: EventId, held: bool, reason: &str, by: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO holds SELECT toFixedString(unhex({id:String}), 16), {held:Bool}, {reason:String}, {by:String}, now64(6)";
        let note = self.client().query(sql).param("id", violation.to_string()).param("held", held);
        self.done("noting a hold", note.param("reason", reason).param("by", by)).await
    }

    /// Deletes what is older at `now` than `keep` says and not held. May be stopped at any time and done again.
    pub async fn retain(&self, keep: &Retention, now: UtcUs) -> Result<Deleted, StoreError> {
        let before = |days: u32| (days > 0).then(|| UtcUs(now.0 - i64::from(days) * DAY_US));
        let mut deleted = Deleted::default();
        for (verdict, what, days) in [
            ("verdict = 'rejected'", "rejected", keep.rejected_days),
            ("verdict = 'confirmed'", "confirmed", keep.confirmed_days),
            ("open", "undecided", keep.undecided_days),
        ] {
            let Some(before) = before(days) else { continue };
            let rows = self.drop_cases(&format!("FROM cases FINAL WHERE {verdict}"), before).await?;
            self.note_deleted(what, before, rows).await?;
            deleted.violations += rows;
        }
        if let Some(before) = before(keep.rejected_days) {
            let rows = self.drop_cases("FROM violations WHERE mode != 'live'", before).await?;
            self.note_deleted("on trial", before, rows).await?;
            deleted.violations += rows;
        }
        if let Some(before) = before(keep.incidents_days) {
            deleted.incidents = self.drop_rows("incidents", "1", before).await?;
            self.note_deleted("incidents", before, deleted.incidents).await?;
        }
        if let Some(before) = before(keep.passages_days) {
            deleted.passages = self.drop_passages(before).await?;
            self.note_deleted("passages", before, deleted.passages).await?;
        }
        Ok(deleted)
    }

    /// Deletes violations that `which` finds, with their rows in all tables.
    async fn drop_cases(&self, which: &str, before: UtcUs) -> Result<u64, StoreError> {
        let mut count = 0;
        loop {
            let sql = format!(
                "SELECT DISTINCT id {which} AND utc < fromUnixTimestamp64Micro({{before:Int64}}, 'UTC') AND id NOT IN ({HELD}) LIMIT {AT_ONCE}"
            );
            let query = self.client().query(&sql).param("before", before.0).fetch_all::<IdRow>();
            let rows = within_time(STATEMENT, "looking for old violations", query).await?;
            if rows.is_empty() {
                return Ok(count);
            }
            let ids: Vec<String> = rows.iter().map(|row| EventId::from_bytes(row.id).to_string()).collect();
            // `cases` last: by it they are found again when this is interrupted.
            for (table, key) in [("reviews", "violation"), ("violations", "id"), ("cases", "id")] {
                // A hold that came meanwhile counts.
                let sql = format!(
                    "DELETE FROM {table} WHERE {key} IN (SELECT toFixedString(unhex(arrayJoin({{ids:Array(String)}})), 16)) \
                     AND {key} NOT IN ({HELD})"
                );
                self.done("deleting old violations", self.client().query(&sql).param("ids", ids.clone())).await?;
            }
            count += rows.len() as u64;
        }
    }

    /// Deletes passages, day by day, but those of vehicles with a violation that is still kept. Their hours stay counted.
    async fn drop_passages(&self, before: UtcUs) -> Result<u64, StoreError> {
        self.close_hours(before).await?;
        let doing = "deleting old passages";
        let days = "SELECT toInt64(toUnixTimestamp(toStartOfDay(utc, 'UTC'))) AS day FROM passages \
                    WHERE utc < fromUnixTimestamp64Micro({before:Int64}, 'UTC') GROUP BY day ORDER BY day";
        let days = self.client().query(days).param("before", before.0).fetch_all::<DayRow>();
        let mut count = 0;
        for DayRow { day } in within_time(STATEMENT, doing, days).await? {
            // A track's number counts within a run of its camera only, hence the hours beside it.
            let old = "utc >= fromUnixTimestamp64Micro({first:Int64}, 'UTC') AND utc < fromUnixTimestamp64Micro({last:Int64}, 'UTC') \
                 AND toStartOfHour(utc) IN (SELECT hour FROM hour_marks GROUP BY hour HAVING max(closed)) \
                 AND (camera, track, toStartOfHour(utc)) NOT IN \
                     (SELECT camera, track, toStartOfHour(utc) + toIntervalHour(arrayJoin([-1, 0, 1])) FROM violations \
                      WHERE utc >= fromUnixTimestamp64Micro({first:Int64}, 'UTC') - toIntervalHour(2) \
                      AND utc < fromUnixTimestamp64Micro({last:Int64}, 'UTC') + toIntervalHour(2))";
            let first = day * 1_000_000;
            let last = (first + DAY_US).min(before.0);
            let bound = |sql: &str| self.client().query(sql).param("first", first).param("last", last);
            let counting = bound(&format!("SELECT count() FROM passages WHERE {old}")).fetch_one::<u64>();
            let rows = within_time(STATEMENT, doing, counting).await?;
            if rows > 0 {
                self.done(doing, bound(&format!("DELETE FROM passages WHERE {old}"))).await?;
                count += rows;
            }
        }
        Ok(count)
    }

    /// From here on the counts of these hours are all that is known of them.
    async fn close_hours(&self, before: UtcUs) -> Result<(), StoreError> {
        self.roll_hours().await?;
        let sql = format!(
            "INSERT INTO hour_marks (hour, closed) SELECT hour, 1 FROM hour_marks \
             WHERE hour < fromUnixTimestamp64Micro({{before:Int64}}, 'UTC') AND hour NOT IN ({}) \
             GROUP BY hour HAVING NOT max(closed)",
            crate::queries::unsettled_hours()
        );
        self.done("closing hours", self.client().query(&sql).param("before", before.0)).await
    }

    async fn drop_rows(&self, table: &str, which: &str, before: UtcUs) -> Result<u64, StoreError> {
        let old = format!("{which} AND utc < fromUnixTimestamp64Micro({{before:Int64}}, 'UTC')");
        let count = self.client().query(&format!("SELECT count() FROM {table} WHERE {old}")).param("before", before.0);
        let rows = within_time(STATEMENT, "looking for old rows", count.fetch_one::<u64>()).await?;
        if rows > 0 {
            let sql = format!("DELETE FROM {table} WHERE {old}");
            self.done("deleting old rows", self.client().query(&sql).param("before", before.0)).await?;
        }
        Ok(rows)
    }

    async fn note_deleted(&self, what: &str, before: UtcUs, rows: u64) -> Result<(), StoreError> {
        if rows == 0 {
            return Ok(());
        }
        let sql = "INSERT INTO deletions SELECT now64(6), {what:String}, fromUnixTimestamp64Micro({before:Int64}, 'UTC'), {rows:UInt64}";
        let note = self.client().query(sql).param("what", what).param("before", before.0).param("rows", rows);
        self.done("noting what was deleted", note).await
    }

    async fn done(&self, doing: &str, statement: Query) -> Result<(), StoreError> {
        within_time(STATEMENT, doing, statement.execute()).await
    }
}
