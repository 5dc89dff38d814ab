//! Violations on their way through review.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use stopline_types::{
    Case, CaseFilter, CaseStatus, EventId, Review, RuleKind, RuleMode, TimeSource, UtcUs, Verdict, Violation,
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    WebConfig,
    app::App,
    decisions::{self, Decision},
    problem::Problem,
    request::{Params, SignedIn, camera_id, cursor, cursor_text, event_id, page_size, span, word},
};

/// Hours that Vietnam is ahead of UTC; it has no daylight saving time.
const LOCAL_OFFSET: jiff::tz::Offset = jiff::tz::Offset::constant(7);

/// Why a violation cannot be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Obstacle {
    /// The evidence package is not written.
    NoEvidence,
    /// The rule is only being tried.
    ShadowRule,
    /// The time was assumed, not measured.
    NominalTime,
    /// The time may be further off than is allowed.
    TimeError,
}

impl Obstacle {
    fn words(self) -> &'static str {
        match self {
            Self::NoEvidence => "its evidence package is not written",
            Self::ShadowRule => "its rule is only being tried",
            Self::NominalTime => "its time was assumed, not measured",
            Self::TimeError => "its time may be further off than is allowed",
        }
    }
}

/// All reasons, in words.
pub(crate) fn obstacles_text(obstacles: &[Obstacle]) -> String {
    let words: Vec<_> = obstacles.iter().map(|o| o.words()).collect();
    format!("The violation cannot be confirmed: {}.", words.join("; "))
}

/// A case as shown.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CaseView {
    /// The violation, where it stands, and the decision that holds.
    #[serde(flatten)]
    pub(crate) case: Case,
    /// Revision of the decision that holds, 0: none. A new decision must name it.
    pub(crate) revision: u32,
    /// False while the decision waits to be put on the durable path; it is handed over again until it is.
    pub(crate) decision_stored: bool,
    /// Until when the owner must be found and the notice sent.
    pub(crate) deadline: UtcUs,
    /// Why it cannot be confirmed; empty: it can.
    pub(crate) obstacles: Vec<Obstacle>,
}

impl CaseView {
    /// Lays our own decision over what the store knows, if ours is newer.
    pub(crate) fn new(config: &WebConfig, mut case: Case, ours: Option<Decision>) -> Self {
        let known = case.review.as_ref().map_or(0, |review| review.revision);
        let mut decision_stored = true;
        if let Some(ours) = ours.filter(|ours| ours.review.revision > known) {
            decision_stored = ours.stored;
            case.review = Some(ours.review);
        }
        case.status = match case.review.as_ref().map(|review| review.verdict) {
            None | Some(Verdict::Reopened) => CaseStatus::Waiting,
            Some(Verdict::Confirmed) => CaseStatus::Confirmed,
            Some(Verdict::Rejected) => CaseStatus::Rejected,
        };
        Self {
            revision: case.review.as_ref().map_or(0, |review| review.revision),
            decision_stored,
            deadline: deadline(case.violation.utc, config.deadline_days),
            obstacles: obstacles(&case.violation, config),
            case,
        }
    }
}

/// The end of the last of `days` calendar days in Vietnam that follow the day of `detected`.
fn deadline(detected: UtcUs, days: u32) -> UtcUs {
    let day = detected.timestamp().to_zoned(LOCAL_OFFSET.to_time_zone()).date();
    let end = day.saturating_add(jiff::Span::new().days(i64::from(days.min(3650)) + 1));
    match LOCAL_OFFSET.to_timestamp(end.at(0, 0, 0, 0)) {
        Ok(end) => UtcUs(end.as_microsecond()),
        Err(_) => detected,
    }
}

fn obstacles(violation: &Violation, config: &WebConfig) -> Vec<Obstacle> {
    let mut found = Vec::new();
    if violation.evidence.is_none() {
        found.push(Obstacle::NoEvidence);
    }
    if violation.mode != RuleMode::Live {
        found.push(Obstacle::ShadowRule);
    }
    if violation.moments.act.time.source == TimeSource::FileNominal {
        found.push(Obstacle::NominalTime);
    }
    if config.max_time_error_ms.is_some_and(|most| violation.error_ms.is_none_or(|error| error > most)) {
        found.push(Obstacle::TimeError);
    }
    found
}

/// Which cases.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CaseParams {
    /// `waiting`, `confirmed` or `rejected`.
    status: Option<String>,
    /// A rule, e.g. `red_light`.
    rule: Option<String>,
    /// A camera.
    camera: Option<String>,
    /// At or after this instant, RFC 3339.
    from: Option<String>,
    /// Before this instant, RFC 3339.
    to: Option<String>,
    /// The value of `next` of the page before.
    after: Option<String>,
    /// Rows, 1 to 200; 50 if not given.
    limit: Option<u32>,
}

/// A page of cases, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct CasePage {
    /// The cases. May be fewer than asked for although more follow: go by `next`.
    items: Vec<CaseView>,
    /// Give it as `after` for the next page; null: this was the last.
    next: Option<String>,
}

/// Cases, newest first. Violations of rules that are only being tried are left out.
#[utoipa::path(get, path = "/cases", tag = "review", params(CaseParams), responses(
    (status = 200, body = CasePage),
    (status = 401, description = "not signed in", body = Problem),
    (status = 422, description = "a value was refused", body = Problem),
))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    Params(params): Params<CaseParams>,
) -> Result<Json<CasePage>, Problem> {
    let statuses = [CaseStatus::Waiting, CaseStatus::Confirmed, CaseStatus::Rejected];
    let status = word("status", params.status.as_deref(), statuses, |s| s.as_str())?;
    let (from, to) = span(params.from.as_deref(), params.to.as_deref())?;
    let limit = page_size(params.limit)?;
    let filter = CaseFilter {
        status,
        rule: word("rule", params.rule.as_deref(), RuleKind::ALL, |r| r.as_str())?,
        camera: params.camera.as_deref().map(|text| camera_id("camera", text)).transpose()?,
        from,
        to,
        after: cursor(params.after.as_deref())?,
        limit,
    };
    app.note(&account, "cases_listed", status.map_or("", CaseStatus::as_str), "").await?;
    let cases = app.ask(app.backend.cases(filter)).await?;
    let next = match cases.last() {
        Some(last) if cases.len() >= limit as usize => Some(cursor_text(last.violation.utc, last.violation.id)),
        _ => None,
    };
    let ids: Vec<EventId> = cases.iter().map(|case| case.violation.id).collect();
    let mut ours = app.database.run(move |db| decisions::latest_of(db, &ids)).await?;
    let items = cases
        .into_iter()
        .filter(|case| case.violation.mode == RuleMode::Live)
        .map(|case| {
            let decision = ours.remove(&case.violation.id);
            CaseView::new(&app.config, case, decision)
        })
        .filter(|view| status.is_none_or(|status| view.case.status == status))
        .collect();
    Ok(Json(CasePage { items, next }))
}

/// A case with the decisions that led to where it stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct CaseDetail {
    /// The case.
    #[serde(flatten)]
    view: CaseView,
    /// Decisions known here, oldest first.
    history: Vec<Review>,
}

/// One case.
#[utoipa::path(get, path = "/cases/{id}", tag = "review",
    params(("id" = String, Path, description = "id of the violation")),
    responses(
        (status = 200, body = CaseDetail),
        (status = 401, description = "not signed in", body = Problem),
        (status = 404, description = "no such case", body = Problem),
    ))]
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    Path(id): Path<String>,
) -> Result<Json<CaseDetail>, Problem> {
    let id = event_id("id", &id)?;
    let case = app.ask(app.backend.case(id)).await?;
    app.note(&account, "case_viewed", id.to_string(), "").await?;
    let (ours, history) =
        app.database.run(move |db| Ok((decisions::latest(db, id)?, decisions::history(db, id)?))).await?;
    Ok(Json(CaseDetail { view: CaseView::new(&app.config, case, ours), history }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_end_with_a_day_in_vietnam() -> Result<(), jiff::Error> {
        // 23:30 on the 21st in Vietnam is still the 21st; ten days later ends with the 1st of December.
        let late = UtcUs::parse("2026-11-21T16:30:00Z")?;
        assert_eq!(deadline(late, 10), UtcUs::parse("2026-12-01T17:00:00Z")?);
        // Half an hour later it is the 22nd there.
        assert_eq!(deadline(late.plus_s(1800.0), 10), UtcUs::parse("2026-12-02T17:00:00Z")?);
        Ok(())
    }
}
