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
    cases::{CaseView, obstacles_text},
    reasons::REASONS,
};
use crate::{
    Right,
    app::App,
    audit,
    decisions::{self, Decision},
    now,
    problem::{Conflict, Problem},
    request::{Body, SignedIn, event_id},
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
    verdict: Verdict,
    /// Why it is rejected: a code of `/api/reasons`.
    reason: Option<String>,
    /// Free words, at most 1000 characters.
    #[serde(default)]
    note: String,
    /// The revision the person saw, 0 when nobody had decided.
    revision: u32,
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
        (status = 200, description = "decided, and on the durable path", body = CaseView),
        (status = 202, description = "decided and kept, but not yet on the durable path; it is handed over again until it is", body = CaseView),
        (status = 403, description = "the role does not allow it", body = Problem),
        (status = 404, description = "no such case", body = Problem),
        (status = 409, description = "decided meanwhile, or cannot be confirmed", body = Problem),
        (status = 422, description = "a value was refused", body = Problem),
    ))]
pub(crate) async fn decide(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Path(id): Path<String>,
    Body(body): Body<DecisionBody>,
) -> Result<(StatusCode, Json<CaseView>), Problem> {
    let id = event_id("id", &id)?;
    signed_in.need(Right::Decide)?;
    body.check()?;
    let case = app.ask(app.backend.case(id)).await?;
    let review = write(&app, &signed_in, id, &case, &body).await?;

    // From here on the decision is kept, whatever happens: a lost connection must not stop the hand-over half way.
    let handing_over = app.clone();
    let handed_over = tokio::spawn(async move { hand_over_one(&handing_over, review).await });
    let stored = handed_over.await.map_err(|e| Problem::fault(&e))?;
    let ours = app.database.run(move |db| decisions::latest(db, id)).await?;
    let status = if stored { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(CaseView::new(&app.config, case, ours))))
}

/// Checks the decision against what holds and writes it, in one transaction.
async fn write(
    app: &App,
    signed_in: &SignedIn,
    id: EventId,
    case: &Case,
    body: &DecisionBody,
) -> Result<Review, Problem> {
    let account = signed_in.0.clone();
    let (case, config) = (case.clone(), app.config.clone());
    let (verdict, reason, note, seen) = (body.verdict, body.reason.clone(), body.note.trim().to_owned(), body.revision);
    app.database
        .run(move |db| {
            let mut ours = decisions::latest(db, id)?;
            let known = ours.as_ref().map_or(0, |d| d.review.revision);
            if let Some(review) = case.review.as_ref().filter(|review| review.revision > known) {
                // The store knows more than this file, which was lost or restored: take it over.
                decisions::insert(db, review, true)?;
                ours = Some(Decision { review: review.clone(), stored: true });
            }
            let holds = CaseView::new(&config, case, ours);
            if let Err(problem) = allowed(&holds, &account, verdict, seen) {
                return Ok(Err(problem));
            }
            let revision = holds.revision + 1;
            let review = Review {
                id: Review::id_of(id, revision),
                violation: id,
                camera: holds.case.violation.camera.clone(),
                utc: now(),
                revision,
                verdict,
                reason,
                note,
                user: account.name.clone(),
            };
            decisions::insert(db, &review, false)?;
            let detail = format!("{} {}", verdict.as_str(), review.reason.as_deref().unwrap_or_default());
            audit::append(db, &account.name, "decided", &id.to_string(), detail.trim())?;
            Ok(Ok(review))
        })
        .await?
}

fn allowed(holds: &CaseView, account: &crate::sessions::Account, verdict: Verdict, seen: u32) -> Result<(), Problem> {
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
    let waiting = holds.case.status == CaseStatus::Waiting;
    match verdict {
        Verdict::Reopened if waiting => Err(Problem::decided(conflict(), "There is no decision to take back.")),
        Verdict::Reopened if last.is_some_and(|r| r.user != account.name) && !account.may(Right::ReopenAny) => {
            Err(Problem::forbidden("Only the person who decided, or an administrator, can take this decision back."))
        }
        Verdict::Reopened => Ok(()),
        _ if !waiting => Err(Problem::decided(conflict(), "It is decided; take that decision back first.")),
        Verdict::Confirmed if !holds.obstacles.is_empty() => {
            Err(Problem::not_confirmable(obstacles_text(&holds.obstacles)))
        }
        _ => Ok(()),
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
