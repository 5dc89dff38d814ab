//! Violations on their way through review. Which ones is asked of `cases`, one narrow row each with the verdict that holds.

use clickhouse::Row;
use serde::Deserialize;
use stopline_types::{Case, CaseFilter, CaseOrder, CaseStatus, Event, EventId, Review, UtcUs, Verdict, Violation};

use super::{Filter, chosen::Key, event, limit};
use crate::{Store, StoreError, store::within};

struct CaseRow {
    body: String,
    review: String,
}

#[derive(Row, Deserialize)]
struct KeyRow {
    us: i64,
    id: [u8; 16],
    /// Somebody has decided, be it that it shall wait again.
    decided: bool,
}

impl Store {
    /// Cases, newest first unless the filter says otherwise. Rules in `shadow` make no cases.
    pub async fn cases(&self, filter: &CaseFilter) -> Result<Vec<Case>, StoreError> {
        let doing = "reading cases";
        let chosen = self.chosen_cases(doing, filter).await?;
        let keys: Vec<Key> = chosen.iter().map(|(key, _)| *key).collect();
        let decided: Vec<Key> = chosen.iter().filter(|(_, decided)| *decided).map(|(key, _)| *key).collect();
        let (mut bodies, mut reviews) =
            tokio::try_join!(self.bodies(doing, "violations", &keys), self.decisions(&decided))?;
        let rows = keys.iter().filter_map(|(_, id)| {
            Some(CaseRow { body: bodies.remove(id)?, review: reviews.remove(id).unwrap_or_default() })
        });
        rows.map(|row| read_case(&row)).collect()
    }

    async fn chosen_cases(&self, doing: &str, filter: &CaseFilter) -> Result<Vec<(Key, bool)>, StoreError> {
        let mut of = Filter::default();
        match filter.status {
            None => {}
            Some(CaseStatus::Waiting) => of.fixed("open = true"),
            Some(CaseStatus::Confirmed) => of.fixed("verdict = 'confirmed'"),
            Some(CaseStatus::Rejected) => of.fixed("verdict = 'rejected'"),
        }
        if let Some(rule) = filter.rule {
            of.text("rule = {rule:String}", "rule", rule.as_str());
        }
        of.camera(filter.camera.as_ref());
        of.cameras(filter.cameras.as_deref());
        if let Some(plate) = &filter.plate {
            of.text("plate = {plate:String}", "plate", plate.as_str());
        }
        of.period(filter.from, filter.to);
        let by = match filter.order {
            CaseOrder::Newest => {
                of.after(filter.after);
                "utc DESC, id DESC"
            }
            CaseOrder::Oldest => {
                of.behind(filter.after);
                "utc, id"
            }
        };
        let sql = format!(
            "SELECT toUnixTimestamp64Micro(utc) AS us, id, standing >= bitShiftLeft(toUInt64(1), 51) AS decided \
             FROM cases FINAL {where_} ORDER BY {by} LIMIT {{limit:UInt32}}",
            where_ = of.sql(),
        );
        let rows = of.bind(self.client().query(&sql)).param("limit", limit(filter.limit)).fetch_all::<KeyRow>();
        let key = |row: KeyRow| ((UtcUs(row.us), EventId::from_bytes(row.id)), row.decided);
        Ok(within(doing, rows).await?.into_iter().map(key).collect())
    }

    /// One case, whatever the mode of its rule.
    pub async fn case(&self, id: EventId) -> Result<Option<Case>, StoreError> {
        let latest = |table: &str, key: &str, order: &str| {
            let sql = format!(
                "SELECT body FROM {table} WHERE {key} = toFixedString(unhex({{id:String}}), 16) \
                 ORDER BY {order} LIMIT 1"
            );
            self.client().query(&sql).param("id", id.to_string())
        };
        let violation = latest("violations", "id", "version DESC");
        let review = latest("reviews", "violation", "revision DESC, version DESC");
        let (violation, review) = tokio::try_join!(
            within("reading a case", violation.fetch_optional::<String>()),
            within("reading a case's decision", review.fetch_optional::<String>()),
        )?;
        let row = violation.map(|body| CaseRow { body, review: review.unwrap_or_default() });
        row.as_ref().map(read_case).transpose()
    }

    /// One violation.
    pub async fn violation(&self, id: EventId) -> Result<Option<Violation>, StoreError> {
        Ok(self.case(id).await?.map(|case| case.violation))
    }
}

fn read_case(row: &CaseRow) -> Result<Case, StoreError> {
    let refused = |table, found: &Event| StoreError::Row { table, reason: format!("it holds a {}", found.kind()) };
    let violation = match event::<Event>("violations", &row.body)? {
        Event::Violation(violation) => *violation,
        other => return Err(refused("violations", &other)),
    };
    let review: Option<Review> = if row.review.is_empty() {
        None
    } else {
        match event::<Event>("reviews", &row.review)? {
            Event::Review(review) => Some(review),
            other => return Err(refused("reviews", &other)),
        }
    };
    let status = match review.as_ref().map(|review| review.verdict) {
        None | Some(Verdict::Reopened) => CaseStatus::Waiting,
        Some(Verdict::Confirmed) => CaseStatus::Confirmed,
        Some(Verdict::Rejected) => CaseStatus::Rejected,
    };
    Ok(Case { violation, status, review })
}
