//! Deciding about a violation.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use stopline_types::{Case, CaseStatus, EventId, Review, Verdict};
use utoipa::ToSchema;

use super::{
    case_view::{CaseView, Ours, info_of, obstacles_text},
    reasons::REASONS,
};
use crate::{
    CameraInfo,
    app::App,
    audit, case_notes,
    decisions::{self, Decision},
    now,
    problem::{Conflict, Problem},
    request::{Body, SignedIn, Within, event_id},
    roles::Right,
    sessions::Account,
};

/// Characters of a note at most.
const NOTE_MAX: usize = 1000;
/// Pause between tries to hand over decisions that are not on the durable path.
const HAND_OVER_PAUSE: Duration = Duration::from_secs(5);
/// Decisions handed over in one go.
const HAND_OVER_BATCH: u32 = 100;

/// A decision.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecisionBody {
    /// `confirmed`, `rejected`, or `reopened` to take the last decision back.
    pub(super) verdict: Verdict,
    /// Why it is rejected: a code of `/api/reasons`.
    pub(super) reason: Option<String>,
    /// Free words, at most 1000 characters.
    #[serde(default)]
    pub(super) note: String,
    /// The revision the person saw, 0 when nobody had decided.
    pub(super) revision: u32,
}

impl DecisionBody {
    fn check(&self) -> Result<(), Problem> {
        if self.note.chars().count() > NOTE_MAX {
            return Err(Problem::invalid("note", format!("expected at most {NOTE_MAX} characters")));
        }
        match (self.verdict, self.reason.as_deref()) {
            (Verdict::Rejected, None) => Err(Problem::invalid("reason", "expected a code of /api/reasons")),
            (Verdict::Rejected, Some(code)) => match REASONS.iter().find(|reason| reason.code == code) {
                None => Err(Problem::invalid("reason", "expected a code of /api/reasons")),
                Some(reason) if reason.needs_note && self.note.trim().is_empty() => {
                    Err(Problem::invalid("note", "this reason needs a note"))
                }
                Some(_) => Ok(()),
            },
            (_, Some(_)) => Err(Problem::invalid("reason", "only a rejection has one")),
            (_, None) => Ok(()),
        }
    }
}

/// Confirm, reject or take back. Two people cannot decide about the same revision: the second gets 409 with who was
/// faster.
#[utoipa::path(post, path = "/cases/{id}/decision", tag = "review", request_body = DecisionBody,
    params(("id" = String, Path, description = "id of the violation")),
    responses(
        (status = 200, description = "decided, and on the durable path; or approved first, when `notes.proposed` is set: a second person must", body = CaseView),
        (status = 202, description = "decided and kept, but not yet on the durable path; it is handed over again until it is", body = CaseView),
        (status = 403, description = "the role does not allow it", body = Problem),
        (status = 404, description = "no such case", body = Problem),
        (status = 409, description = "decided meanwhile, or cannot be confirmed", body = Problem),
        (status = 422, description = "a value was refused", body = Problem),
    ))]
pub(crate) async fn decide(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    within: Within,
    Path(id): Path<String>,
    Body(body): Body<DecisionBody>,
) -> Result<(StatusCode, Json<CaseView>), Problem> {
    let id = event_id("id", &id)?;
    body.check()?;
    let case = app.ask(app.backend.case(id)).await?;
    within.need(&case.violation.camera)?;
    finish(&app, &signed_in.0, id, case, body).await
}

/// Writes a decision and puts it on the durable path.
pub(super) async fn finish(
    app: &Arc<App>,
    account: &Account,
    id: EventId,
    case: Case,
    body: DecisionBody,
) -> Result<(StatusCode, Json<CaseView>), Problem> {
    let info = info_of(app, &case.violation).await?;
    let review = write(app, account, id, &case, info.clone(), body).await?;
    let Some(review) = review else {
        let ours = app.database.run(move |db| Ours::of(db, id)).await?;
        return Ok((StatusCode::OK, Json(CaseView::new(&app.config, case, ours, info.as_ref()))));
    };

    // From here on the decision is kept, whatever happens: a lost connection must not stop the hand-over half way.
    let handing_over = app.clone();
    let handed_over = tokio::spawn(async move { hand_over_one(&handing_over, review).await });
    let stored = handed_over.await.map_err(|e| Problem::fault(&e))?;
    let ours = app.database.run(move |db| Ours::of(db, id)).await?;
    let status = if stored { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(CaseView::new(&app.config, case, ours, info.as_ref()))))
}

/// Checks the decision against what holds and writes it, in one transaction. `None`: it was a first approval, or one
/// taken back, which is only noted.
async fn write(
    app: &App,
    account: &Account,
    id: EventId,
    case: &Case,
    info: Option<CameraInfo>,
    body: DecisionBody,
) -> Result<Option<Review>, Problem> {
    let (case, config, account) = (case.clone(), app.config.clone(), account.clone());
    let site = info.as_ref().map_or_else(String::new, |info| info.site.clone());
    app.database
        .run(move |db| {
            let mut ours = Ours::of(db, id)?;
            let known = ours.decision.as_ref().map_or(0, |d| d.review.revision);
            if let Some(review) = case.review.as_ref().filter(|review| review.revision > known) {
                // The store knows more than this file, which was lost or restored: take it over.
                decisions::insert(db, review, case.violation.rule, true)?;
                ours.decision = Some(Decision { review: review.clone(), stored: true });
            }
            let holds = CaseView::new(&config, case, ours, info.as_ref());
            let step = match allowed(&holds, &account, &site, body.verdict, body.revision) {
                Ok(step) => step,
                Err(problem) => return Ok(Err(problem)),
            };
            match step {
                Step::Propose => {
                    case_notes::set_proposed(db, id, Some((&account.name, now(), holds.revision)))?;
                    audit::append(db, &account.name, "approved_first", &id.to_string(), "")?;
                    return Ok(Ok(None));
                }
                Step::Withdraw => {
                    case_notes::set_proposed(db, id, None)?;
                    audit::append(db, &account.name, "approval_withdrawn", &id.to_string(), "")?;
                    return Ok(Ok(None));
                }
                Step::Write => {}
            }
            let revision = holds.revision + 1;
            let first = holds.notes.proposed.as_ref().filter(|_| body.verdict == Verdict::Confirmed);
            let note = match first {
                Some(first) => format!("{} [1: {}]", body.note.trim(), first.user).trim().to_owned(),
                None => body.note.trim().to_owned(),
            };
            let violation = &holds.case.violation;
            let read = violation.plate.as_ref().map(|plate| plate.text.as_str());
            let review = Review {
                id: Review::id_of(id, revision),
                violation: id,
                camera: violation.camera.clone(),
                utc: now(),
                revision,
                verdict: body.verdict,
                reason: body.reason,
                note,
                plate: holds.notes.plate.clone().filter(|plate| Some(plate.as_str()) != read),
                user: account.name.clone(),
            };
            decisions::insert(db, &review, violation.rule, false)?;
            case_notes::set_proposed(db, id, None)?;
            if body.verdict == Verdict::Reopened {
                case_notes::set_duplicate(db, id, None)?;
            } else {
                case_notes::set_escalated(db, id, None)?;
                case_notes::release(db, id, &account.name)?;
            }
            let detail = format!("{} {}", body.verdict.as_str(), review.reason.as_deref().unwrap_or_default());
            audit::append(db, &account.name, "decided", &id.to_string(), detail.trim())?;
            Ok(Ok(Some(review)))
        })
        .await?
}

/// What a decision comes to.
enum Step {
    /// It is written.
    Write,
    /// It is the first of two approvals.
    Propose,
    /// The first approval is taken back.
    Withdraw,
}

fn allowed(holds: &CaseView, account: &Account, site: &str, verdict: Verdict, seen: u32) -> Result<Step, Problem> {
    let last = holds.case.review.as_ref();
    let conflict = || Conflict {
        revision: holds.revision,
        verdict: last.map(|review| review.verdict),
        user: last.map(|review| review.user.clone()),
        utc: last.map(|review| review.utc),
    };
    if seen != holds.revision {
        let who = last.map_or("nobody", |review| review.user.as_str());
        return Err(Problem::decided(conflict(), format!("{who} decided about this violation meanwhile.")));
    }
    if let Some(lease) = holds.lease.as_ref().filter(|lease| lease.user != account.name) {
        return Err(Problem::leased(&lease.user, lease.until));
    }
    let waiting = holds.case.status == CaseStatus::Waiting;
    let first = holds.notes.proposed.as_ref();
    let approver = account.may_at(Right::Approve, site);
    match verdict {
        Verdict::Reopened if waiting => match first {
            Some(first) if first.user == account.name => Ok(Step::Withdraw),
            _ => Err(Problem::decided(conflict(), "There is no decision to take back.")),
        },
        Verdict::Reopened
            if last.is_some_and(|r| r.user != account.name) && !account.may_at(Right::ReopenAny, site) =>
        {
            Err(Problem::forbidden("Only the person who decided, or an approver, can take this decision back."))
        }
        Verdict::Reopened => Ok(Step::Write),
        _ if !waiting => Err(Problem::decided(conflict(), "It is decided; take that decision back first.")),
        _ if holds.notes.escalated.is_some() && !approver => {
            Err(Problem::forbidden("It was handed up: an approver decides."))
        }
        Verdict::Confirmed if !holds.obstacles.is_empty() => {
            Err(Problem::not_confirmable(obstacles_text(&holds.obstacles)))
        }
        Verdict::Confirmed if holds.second_approval => match first {
            None => Ok(Step::Propose),
            Some(first) if first.user == account.name => {
                Err(Problem::conflict("You approved it first; another person must approve it now."))
            }
            Some(_) if !approver => Err(Problem::forbidden("The second approval needs an approver.")),
            Some(_) => Ok(Step::Write),
        },
        _ => Ok(Step::Write),
    }
}

/// Puts a written decision on the durable path and notes so. False: not now; [`hand_over`] tries again.
async fn hand_over_one(app: &App, review: Review) -> bool {
    if let Err(problem) = app.ask(app.backend.append_review(review.clone())).await {
        tracing::warn!(violation = %review.violation, revision = review.revision, problem = problem.detail,
            "decision is not on the durable path yet");
        return false;
    }
    let marked = app.database.run(move |db| decisions::mark_stored(db, &review)).await;
    if let Err(error) = &marked {
        // It is stored; at worst it is handed over once more, which makes no second one.
        tracing::error!(%error, "decision cannot be marked as stored");
    }
    true
}

/// Hands over what a crash or a failure left behind, at start and then every few seconds, until the server stops.
pub(crate) async fn hand_over(app: Arc<App>) {
    let mut stop = app.stop.subscribe();
    loop {
        let left = app.database.run(|db| decisions::not_stored(db, HAND_OVER_BATCH)).await;
        match left {
            Ok(left) => {
                for review in left {
                    // A decision of this moment is being handed over by its own request.
                    if now().since_s(review.utc) > HAND_OVER_PAUSE.as_secs_f64() && !hand_over_one(&app, review).await {
                        break;
                    }
                }
            }
            Err(error) => tracing::error!(%error, "decisions cannot be read"),
        }
        tokio::select! {
            _ = stop.wait_for(|&stop| stop) => return,
            () = tokio::time::sleep(HAND_OVER_PAUSE) => {}
        }
    }
}
