//! Violations on their way through review.

use stopline_types::{Case, CaseFilter, CaseOrder, CaseStatus, Event, EventId, Review, Verdict, Violation};

use super::{Filter, chosen::Order, event, limit};
use crate::{Store, StoreError, store::within};

struct CaseRow {
    body: String,
    review: String,
}

impl Store {
    /// Cases, newest first unless the filter says otherwise. Rules in `shadow` make no cases.
    pub async fn cases(&self, filter: &CaseFilter) -> Result<Vec<Case>, StoreError> {
        let order = match filter.order {
            CaseOrder::Newest => Order::Newest,
            CaseOrder::Oldest => Order::Oldest,
        };
        let of = |after| {
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
            match order {
                Order::Newest => of.after(after),
                Order::Oldest => of.behind(after),
            }
            of
        };
        let status = match filter.status {
            None => "1".to_owned(),
            Some(CaseStatus::Waiting) => format!("id NOT IN ({})", decided("'confirmed', 'rejected'")),
            Some(CaseStatus::Confirmed) => format!("id IN ({})", decided("'confirmed'")),
            Some(CaseStatus::Rejected) => format!("id IN ({})", decided("'rejected'")),
        };
        let (doing, rows) = ("reading cases", limit(filter.limit));
        let keys = self.choose(doing, "violations", (&of, &status), order, filter.after, rows).await?;
        let (mut bodies, mut reviews) =
            tokio::try_join!(self.bodies(doing, "violations", &keys), self.decisions(&keys))?;
        let rows = keys.iter().filter_map(|(_, id)| {
            Some(CaseRow { body: bodies.remove(id)?, review: reviews.remove(id).unwrap_or_default() })
        });
        rows.map(|row| read_case(&row)).collect()
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

/// The violations whose last decision is one of `verdicts`. Of the few that were decided more than once the highest
/// revision holds; of the many others the only one there is.
fn decided(verdicts: &str) -> String {
    let again = "SELECT violation FROM reviews WHERE revision > 1";
    format!(
        "SELECT violation FROM reviews WHERE verdict IN ({verdicts}) AND violation NOT IN ({again}) \
         UNION ALL SELECT violation FROM reviews WHERE violation IN ({again}) GROUP BY violation \
         HAVING argMax(verdict, (revision, version)) IN ({verdicts})"
    )
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
