//! Violations on their way through review.

use clickhouse::Row;
use serde::Deserialize;
use stopline_types::{Case, CaseFilter, CaseOrder, CaseStatus, Event, EventId, Review, Verdict, Violation};

use super::{Filter, event, limit};
use crate::{Store, StoreError, store::within};

#[derive(Row, Deserialize)]
struct CaseRow {
    body: String,
    review: String,
}

impl Store {
    /// Cases, newest first. Rules in `shadow` make no cases.
    pub async fn cases(&self, filter: &CaseFilter) -> Result<Vec<Case>, StoreError> {
        let mut of = Filter::default();
        of.fixed("mode = 'live'");
        if let Some(rule) = filter.rule {
            of.text("rule = {rule:String}", "rule", rule.as_str());
        }
        of.camera(filter.camera.as_ref());
        of.cameras(filter.cameras.as_deref());
        if let Some(plate) = &filter.plate {
            of.text("plate = {plate:String}", "plate", plate.as_str());
        }
        of.period(filter.from, filter.to);
        match filter.order {
            CaseOrder::Newest => of.after(filter.after),
            CaseOrder::Oldest => of.behind(filter.after),
        }
        // The decision with the highest revision holds; the row written later, where one revision was written twice.
        let decided = |verdicts: &str| {
            format!(
                "(SELECT violation FROM reviews GROUP BY violation \
                 HAVING argMax(verdict, (revision, version)) IN ({verdicts}))"
            )
        };
        let status = match filter.status {
            None => "1".to_owned(),
            Some(CaseStatus::Waiting) => format!("id NOT IN {}", decided("'confirmed', 'rejected'")),
            Some(CaseStatus::Confirmed) => format!("id IN {}", decided("'confirmed'")),
            Some(CaseStatus::Rejected) => format!("id IN {}", decided("'rejected'")),
        };
        let order = match filter.order {
            CaseOrder::Newest => "utc DESC, id DESC",
            CaseOrder::Oldest => "utc, id",
        };
        // Which rows, by narrow columns; only of those the events themselves are read. A row that was written twice
        // counts once: what is looked at here is the same in both.
        let chosen = format!(
            "SELECT utc, id FROM violations {where_} AND {status} ORDER BY {order} LIMIT 1 BY utc, id \
             LIMIT {{limit:UInt32}}",
            where_ = of.sql(),
        );
        let sql = format!(
            "SELECT v.body AS body, r.body AS review \
             FROM (SELECT id, utc, body FROM violations WHERE (utc, id) IN ({chosen}) \
                   ORDER BY version DESC LIMIT 1 BY id) AS v \
             LEFT JOIN (SELECT violation, argMax(body, (revision, version)) AS body FROM reviews \
                        WHERE violation IN (SELECT id FROM ({chosen})) GROUP BY violation) AS r \
             ON v.id = r.violation ORDER BY {order}",
            order = order.replace("utc", "v.utc").replace("id", "v.id"),
        );
        let query = of.bind(self.client().query(&sql)).param("limit", limit(filter.limit));
        within("reading cases", query.fetch_all::<CaseRow>()).await?.iter().map(read_case).collect()
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
