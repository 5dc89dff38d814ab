//! Violations on their way through review: lists, the queue, one of them.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use stopline_types::{
    Case, CaseFilter, CaseOrder, CaseStatus, PassageFilter, Review, RuleKind, RuleMode, TrackPoint, Violation,
};
use utoipa::{IntoParams, ToSchema};

use super::case_view::{CaseView, Ours, info_of, views};
use crate::{
    app::App,
    decisions,
    problem::Problem,
    request::{Params, SignedIn, Within, camera_id, cursor, cursor_text, event_id, page_size, span, word},
    roles::Right,
    sessions::Account,
};

/// Cases asked of the store at a time for the queue, and how often at most.
const QUEUE_PAGE: u32 = 200;
const QUEUE_PAGES: usize = 10;
/// How far from the act a vehicle's best moment may lie, seconds.
const PASSAGE_WITHIN_S: f64 = 60.0;
const PASSAGES_LOOKED_AT: u32 = 1000;

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
    within: Within,
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
        cameras: within.list(),
        plate: None,
        from,
        to,
        after: cursor(params.after.as_deref())?,
        limit,
        order: CaseOrder::Newest,
    };
    app.note(&account, "cases_listed", status.map_or("", CaseStatus::as_str), "").await?;
    let cases = app.ask(app.backend.cases(filter)).await?;
    let next = match cases.last() {
        Some(last) if cases.len() >= limit as usize => Some(cursor_text(last.violation.utc, last.violation.id)),
        _ => None,
    };
    let cases = cases.into_iter().filter(|case| shown(case, &within)).collect();
    let mut items = views(&app, cases).await?;
    items.retain(|view| status.is_none_or(|status| view.case.status == status));
    Ok(Json(CasePage { items, next }))
}

/// Rules on trial make no cases; what lies outside the reach is not there.
fn shown(case: &Case, within: &Within) -> bool {
    case.violation.mode == RuleMode::Live && within.has(&case.violation.camera)
}

/// Which part of the queue.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct QueueParams {
    /// A rule, e.g. `red_light`.
    rule: Option<String>,
    /// A camera.
    camera: Option<String>,
    /// Rows, 1 to 200; 50 if not given.
    limit: Option<u32>,
}

/// The queue of the person who asks.
#[derive(Serialize, ToSchema)]
pub(crate) struct Queue {
    /// Cases to decide, the most urgent first.
    items: Vec<CaseView>,
    /// True: more wait than were looked at.
    more: bool,
}

/// Waiting cases for the person who asks: by last day of the notice, then the surest first. Left out are cases handed
/// to another unit or marked as duplicates, cases this person has approved already, and, for people who cannot approve,
/// cases handed up.
#[utoipa::path(get, path = "/queue", tag = "review", params(QueueParams), responses((status = 200, body = Queue)))]
pub(crate) async fn queue(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Params(params): Params<QueueParams>,
) -> Result<Json<Queue>, Problem> {
    let limit = page_size(params.limit)? as usize;
    let mut filter = CaseFilter {
        status: Some(CaseStatus::Waiting),
        rule: word("rule", params.rule.as_deref(), RuleKind::ALL, |r| r.as_str())?,
        camera: params.camera.as_deref().map(|text| camera_id("camera", text)).transpose()?,
        cameras: within.list(),
        limit: QUEUE_PAGE,
        order: CaseOrder::Oldest,
        ..CaseFilter::default()
    };
    app.note(&account, "queue_read", "", "").await?;
    let (mut items, mut more) = (Vec::new(), true);
    for _ in 0..QUEUE_PAGES {
        let cases = app.ask(app.backend.cases(filter.clone())).await?;
        more = cases.len() >= QUEUE_PAGE as usize;
        filter.after = cases.last().map(|last| (last.violation.utc, last.violation.id));
        let cases = cases.into_iter().filter(|case| shown(case, &within)).collect();
        items.extend(views(&app, cases).await?.into_iter().filter(|view| for_person(view, &account)));
        if !more || items.len() >= limit {
            break;
        }
    }
    items.sort_by(|a, b| {
        let surer = |view: &CaseView| std::cmp::Reverse((view.case.violation.confidence * 1e6) as i64);
        (a.deadline, surer(a), a.case.violation.id).cmp(&(b.deadline, surer(b), b.case.violation.id))
    });
    more |= items.len() > limit;
    items.truncate(limit);
    Ok(Json(Queue { items, more }))
}

fn for_person(view: &CaseView, account: &Account) -> bool {
    view.case.status == CaseStatus::Waiting
        && view.notes.transferred.is_none()
        && view.notes.duplicate_of.is_none()
        && (view.notes.escalated.is_none() || account.may(Right::Approve))
        && view.notes.proposed.as_ref().is_none_or(|first| account.may(Right::Approve) && first.user != account.name)
}

/// A case with the decisions that led to where it stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct CaseDetail {
    /// The case.
    #[serde(flatten)]
    view: CaseView,
    /// Decisions known here, oldest first.
    history: Vec<Review>,
    /// Where the vehicle went, as its passage has it: seconds since it was first seen, x and y in pixels of
    /// `frame_px`; empty: its passage is not stored yet.
    trajectory: Vec<TrackPoint>,
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
    within: Within,
    Path(id): Path<String>,
) -> Result<Json<CaseDetail>, Problem> {
    let id = event_id("id", &id)?;
    let case = app.ask(app.backend.case(id)).await?;
    within.need(&case.violation.camera)?;
    app.note(&account, "case_viewed", id.to_string(), "").await?;
    let info = info_of(&app, &case.violation).await?;
    let (ours, history) = app.database.run(move |db| Ok((Ours::of(db, id)?, decisions::history(db, id)?))).await?;
    let trajectory = trajectory(&app, &case.violation).await;
    Ok(Json(CaseDetail { view: CaseView::new(&app.config, case, ours, info.as_ref()), history, trajectory }))
}

/// The path of the vehicle, from the passage of its track. Nothing where that cannot be had: the case is shown all the
/// same.
async fn trajectory(app: &App, violation: &Violation) -> Vec<TrackPoint> {
    let filter = PassageFilter {
        camera: Some(violation.camera.clone()),
        from: Some(violation.utc.plus_s(-PASSAGE_WITHIN_S)),
        to: Some(violation.utc.plus_s(PASSAGE_WITHIN_S)),
        limit: PASSAGES_LOOKED_AT,
        ..PassageFilter::default()
    };
    let passages = app.ask(app.backend.passages(filter)).await.unwrap_or_default();
    let own = passages.into_iter().find(|passage| passage.track == violation.track);
    own.map(|passage| passage.trajectory).unwrap_or_default()
}
