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
        let status = match filter.status {
            None => "1",
            Some(CaseStatus::Waiting) => "r.verdict NOT IN ('confirmed', 'rejected')",
            Some(CaseStatus::Confirmed) => "r.verdict = 'confirmed'",
            Some(CaseStatus::Rejected) => "r.verdict = 'rejected'",
        };
        self.fetch_cases("reading cases", &of, status, filter.order, filter.limit).await
    }

    /// One case, whatever the mode of its rule.
    pub async fn case(&self, id: EventId) -> Result<Option<Case>, StoreError> {
        let mut of = Filter::default();
        of.text("id = toFixedString(unhex({id:String}), 16)", "id", id.to_string());
        Ok(self.fetch_cases("reading a case", &of, "1", CaseOrder::Newest, 1).await?.pop())
    }

    /// One violation.
    pub async fn violation(&self, id: EventId) -> Result<Option<Violation>, StoreError> {
        Ok(self.case(id).await?.map(|case| case.violation))
    }

    async fn fetch_cases(
        &self,
        doing: &str,
        of: &Filter,
        status: &str,
        order: CaseOrder,
        rows: u32,
    ) -> Result<Vec<Case>, StoreError> {
        let order = match order {
            CaseOrder::Newest => "v.utc DESC, v.id DESC",
            CaseOrder::Oldest => "v.utc, v.id",
        };
        // The decision with the highest revision holds. Only reviews of the violations in question are gathered.
        let sql = format!(
            "SELECT v.body AS body, r.body AS review \
             FROM (SELECT id, utc, body FROM violations FINAL {where_}) AS v \
             LEFT JOIN (SELECT violation, argMax(body, revision) AS body, argMax(verdict, revision) AS verdict \
                        FROM reviews FINAL \
                        WHERE violation IN (SELECT id FROM violations {where_}) GROUP BY violation) AS r \
             ON v.id = r.violation \
             WHERE {status} ORDER BY {order} LIMIT {{limit:UInt32}}",
            where_ = of.sql(),
        );
        let query = of.bind(self.client().query(&sql)).param("limit", limit(rows));
        within(doing, query.fetch_all::<CaseRow>()).await?.iter().map(read_case).collect()
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
