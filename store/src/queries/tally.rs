//! Counts by whatever is asked for: time, camera, rule.

use clickhouse::Row;
use serde::Deserialize;
use stopline_types::{CameraId, Offender, PassageTally, RuleKind, Tally, TallyQuery, TallyTime, UtcUs};

use super::{Filter, hours::passages_by_hour};
use crate::{Store, StoreError, store::within};

#[derive(Row, Deserialize)]
struct TallyRow {
    slot: i64,
    camera_key: String,
    rule_key: String,
    candidates: u64,
    confirmed: u64,
    rejected: u64,
}

#[derive(Row, Deserialize)]
struct PassageRow {
    slot: i64,
    camera_key: String,
    passages: u64,
    with_plate: u64,
    plates_read: u64,
}

#[derive(Row, Deserialize)]
struct OffenderRow {
    plate_key: String,
    candidates: u64,
    confirmed: u64,
    last: i64,
}

/// The division of time in SQL; Vietnam is UTC+7 all year, so no table of time zones is needed.
fn slot(time: TallyTime, utc: &str) -> String {
    let local = format!("addHours({utc}, 7)");
    match time {
        TallyTime::Whole => "toInt64(0)".to_owned(),
        TallyTime::Hour => format!("toInt64(toUnixTimestamp(toStartOfHour({utc}, 'UTC'))) * 1000000"),
        TallyTime::Day => {
            format!("(toInt64(toUnixTimestamp(toStartOfDay({local}, 'UTC'))) - 25200) * 1000000")
        }
        TallyTime::HourOfWeek => format!("toInt64((toDayOfWeek({local}) - 1) * 24 + toHour({local}))"),
    }
}

fn camera(by_camera: bool, name: &str) -> Result<Option<CameraId>, StoreError> {
    let refused = |e: stopline_types::IdError| StoreError::Row { table: "events", reason: e.to_string() };
    if by_camera { CameraId::new(name).map(Some).map_err(refused) } else { Ok(None) }
}

impl Store {
    /// Cases (violations of rules in `live` mode) with what people decided, by what the query asks for.
    pub async fn tally(&self, query: &TallyQuery) -> Result<Vec<Tally>, StoreError> {
        let mut of = Filter::default();
        if let Some(rule) = query.rule {
            of.text("rule = {rule:String}", "rule", rule.as_str());
        }
        of.cameras(query.cameras.as_deref());
        of.period(Some(query.from), Some(query.to));
        let sql = format!(
            "SELECT {slot} AS slot, {camera} AS camera_key, {rule} AS rule_key, count() AS candidates, \
                    countIf(verdict = 'confirmed') AS confirmed, countIf(verdict = 'rejected') AS rejected \
             FROM cases FINAL {where_} GROUP BY slot, camera_key, rule_key ORDER BY slot, camera_key, rule_key",
            slot = slot(query.time, "utc"),
            camera = if query.by_camera { "camera::String" } else { "''" },
            rule = if query.by_rule { "rule::String" } else { "''" },
            where_ = of.sql(),
        );
        let rows = within("counting violations", of.bind(self.client().query(&sql)).fetch_all::<TallyRow>()).await?;
        rows.into_iter()
            .map(|row| {
                let unknown =
                    || StoreError::Row { table: "violations", reason: format!("rule {:?} is unknown", row.rule_key) };
                let rule = if query.by_rule { Some(RuleKind::parse(&row.rule_key).ok_or_else(unknown)?) } else { None };
                Ok(Tally {
                    slot: (query.time != TallyTime::Whole).then_some(row.slot),
                    camera: camera(query.by_camera, &row.camera_key)?,
                    rule,
                    candidates: row.candidates,
                    confirmed: row.confirmed,
                    rejected: row.rejected,
                })
            })
            .collect()
    }

    /// Passages by what the query asks for; its rule is left aside.
    pub async fn tally_passages(&self, query: &TallyQuery) -> Result<Vec<PassageTally>, StoreError> {
        let mut of = Filter::default();
        of.cameras(query.cameras.as_deref());
        of.period(Some(query.from), Some(query.to));
        let motor = "class IN ('car', 'motorcycle', 'bus', 'truck')";
        let sql = format!(
            "SELECT {slot} AS slot, {camera} AS camera_key, sum(n) AS passages, sumIf(n, {motor}) AS with_plate, \
                    sumIf(reads, {motor}) AS plates_read \
             FROM {hours} GROUP BY slot, camera_key ORDER BY slot, camera_key",
            slot = slot(query.time, "hour"),
            camera = if query.by_camera { "camera::String" } else { "''" },
            hours = passages_by_hour(&of),
        );
        let rows = within("counting passages", of.bind(self.client().query(&sql)).fetch_all::<PassageRow>()).await?;
        rows.into_iter()
            .map(|row| {
                Ok(PassageTally {
                    slot: (query.time != TallyTime::Whole).then_some(row.slot),
                    camera: camera(query.by_camera, &row.camera_key)?,
                    passages: row.passages,
                    with_plate: row.with_plate,
                    plates_read: row.plates_read,
                })
            })
            .collect()
    }

    /// Plates with two or more violations in the span that nobody has rejected, most first, at most `limit`. Cameras
    /// and rule of the query narrow it.
    pub async fn offenders(&self, query: &TallyQuery, limit: u32) -> Result<Vec<Offender>, StoreError> {
        let mut of = Filter::default();
        of.fixed("plate != ''");
        if let Some(rule) = query.rule {
            of.text("rule = {rule:String}", "rule", rule.as_str());
        }
        of.cameras(query.cameras.as_deref());
        of.period(Some(query.from), Some(query.to));
        let sql = format!(
            "SELECT plate AS plate_key, countIf(verdict != 'rejected') AS candidates, \
                    countIf(verdict = 'confirmed') AS confirmed, toUnixTimestamp64Micro(max(utc)) AS last \
             FROM cases FINAL {where_} GROUP BY plate_key HAVING candidates > 1 \
             ORDER BY candidates DESC, last DESC LIMIT {{limit:UInt32}}",
            where_ = of.sql(),
        );
        let asked = of.bind(self.client().query(&sql)).param("limit", super::limit(limit));
        let rows = within("counting by plate", asked.fetch_all::<OffenderRow>()).await?;
        let offender = |row: OffenderRow| Offender {
            plate: row.plate_key,
            candidates: row.candidates,
            confirmed: row.confirmed,
            last: UtcUs(row.last),
        };
        Ok(rows.into_iter().map(offender).collect())
    }
}
