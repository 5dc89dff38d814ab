//! Counts: by hour for pages, by table for checking that nothing is lost or doubled.

use clickhouse::Row;
use serde::Deserialize;
use stopline_types::{EventId, HourCount, RuleKind, TrafficCount, UtcUs, VehicleClass};

use super::{Filter, hours::passages_by_hour};
use crate::{Store, StoreError, store::within};

/// A table of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableName {
    /// Passages.
    Passages,
    /// Violations.
    Violations,
    /// Reviews.
    Reviews,
    /// Incidents.
    Incidents,
    /// Events that ClickHouse refused.
    DeadLetters,
}

impl TableName {
    /// All tables.
    pub const ALL: [Self; 5] = [Self::Passages, Self::Violations, Self::Reviews, Self::Incidents, Self::DeadLetters];

    /// Its name in ClickHouse.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passages => "passages",
            Self::Violations => "violations",
            Self::Reviews => "reviews",
            Self::Incidents => "incidents",
            Self::DeadLetters => "dead_letters",
        }
    }
}

/// How many rows a table has. Sound: `rows_final == unique`; and `rows == unique` too when no batch was written twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableCount {
    /// The table.
    pub table: TableName,
    /// Rows as they lie.
    pub rows: u64,
    /// Rows after collapsing equal ids.
    pub rows_final: u64,
    /// Different ids.
    pub unique: u64,
}

#[derive(Row, Deserialize)]
struct CountRow {
    rows: u64,
    rows_final: u64,
    unique_ids: u64,
}

#[derive(Row, Deserialize)]
struct IdRow {
    id: [u8; 16],
}

#[derive(Row, Deserialize)]
struct HourRow {
    hour: i64,
    rule: String,
    candidates: u64,
    confirmed: u64,
    rejected: u64,
}

#[derive(Row, Deserialize)]
struct TrafficRow {
    hour_us: i64,
    class: String,
    passages: u64,
}

impl Store {
    /// Cases (violations of rules in `live` mode) by hour and rule with what people decided, oldest hour first.
    pub async fn hours(&self, from: Option<UtcUs>, to: Option<UtcUs>) -> Result<Vec<HourCount>, StoreError> {
        let mut of = Filter::default();
        of.period(from, to);
        let sql = format!(
            "SELECT toUnixTimestamp64Micro(toDateTime64(toStartOfHour(utc, 'UTC'), 6, 'UTC')) AS hour, \
                    rule::String AS rule, count() AS candidates, \
                    countIf(verdict = 'confirmed') AS confirmed, countIf(verdict = 'rejected') AS rejected \
             FROM cases FINAL {where_} GROUP BY hour, rule ORDER BY hour, rule",
            where_ = of.sql(),
        );
        let rows = within("counting violations", of.bind(self.client().query(&sql)).fetch_all::<HourRow>()).await?;
        rows.into_iter()
            .map(|HourRow { hour, rule, candidates, confirmed, rejected }| {
                let rule = RuleKind::parse(&rule).ok_or_else(|| unknown("violations", "rule", &rule))?;
                Ok(HourCount { hour: UtcUs(hour), rule, candidates, confirmed, rejected })
            })
            .collect()
    }

    /// Passages by hour and class, oldest hour first.
    pub async fn traffic(&self, from: Option<UtcUs>, to: Option<UtcUs>) -> Result<Vec<TrafficCount>, StoreError> {
        let mut of = Filter::default();
        of.period(from, to);
        let sql = format!(
            "SELECT toUnixTimestamp64Micro(toDateTime64(hour, 6, 'UTC')) AS hour_us, class::String AS class, sum(n) AS passages \
             FROM {} GROUP BY hour_us, class ORDER BY hour_us, class",
            passages_by_hour(&of),
        );
        let rows = within("counting passages", of.bind(self.client().query(&sql)).fetch_all::<TrafficRow>()).await?;
        rows.into_iter()
            .map(|TrafficRow { hour_us, class, passages }| {
                let class = VehicleClass::parse(&class).ok_or_else(|| unknown("passages", "class", &class))?;
                Ok(TrafficCount { hour: UtcUs(hour_us), class, passages })
            })
            .collect()
    }

    /// Rows and different ids of every table.
    pub async fn counts(&self) -> Result<Vec<TableCount>, StoreError> {
        let mut counts = Vec::new();
        for table in TableName::ALL {
            let sql = format!(
                "SELECT rows, rows_final, unique_ids \
                 FROM (SELECT count() AS rows, uniqExact(id) AS unique_ids FROM {name}) AS lying \
                 CROSS JOIN (SELECT count() AS rows_final FROM {name} FINAL) AS collapsed",
                name = table.as_str()
            );
            let CountRow { rows, rows_final, unique_ids } =
                within("counting rows", self.client().query(&sql).fetch_one::<CountRow>()).await?;
            counts.push(TableCount { table, rows, rows_final, unique: unique_ids });
        }
        Ok(counts)
    }

    /// The ids of all rows of a table after collapsing, in order: for checking against what was sent.
    pub async fn ids(&self, table: TableName) -> Result<Vec<EventId>, StoreError> {
        let sql = format!("SELECT id FROM {} FINAL ORDER BY id", table.as_str());
        let ids = within("reading ids", self.client().query(&sql).fetch_all::<IdRow>()).await?;
        Ok(ids.into_iter().map(|row| EventId::from_bytes(row.id)).collect())
    }
}

fn unknown(table: &'static str, column: &str, word: &str) -> StoreError {
    StoreError::Row { table, reason: format!("{column} {word:?} is unknown") }
}
