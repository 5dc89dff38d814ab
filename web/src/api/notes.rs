//! What people note about a case on its way: opening it, the plate as they read it, accident, escalation, transfer,
//! duplicates. Each answers with the case as it then stands.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use rusqlite::Connection;
use serde::Deserialize;
use stopline_types::{Case, EventId, Verdict};
use utoipa::ToSchema;

use super::{
    case_view::{CaseView, Ours, info_of},
    decide::{self, DecisionBody},
};
use crate::{
    IdentityError, agencies,
    app::App,
    audit,
    case_notes::{self, Lease, Mark},
    now,
    problem::Problem,
    request::{Body, SignedIn, Within, event_id},
    sessions::Account,
};

/// Characters of a note at most.
const NOTE_MAX: usize = 1000;
/// Characters of a plate.
const PLATE: std::ops::RangeInclusive<usize> = 4..=12;

async fn case_of(app: &App, within: &Within, id: &str) -> Result<(EventId, Case), Problem> {
    let id = event_id("id", id)?;
    let case = app.ask(app.backend.case(id)).await?;
    within.need(&case.violation.camera)?;
    Ok((id, case))
}

/// Notes something in one transaction and answers with the case; refused while somebody else has the case open.
async fn noting(
    app: &App,
    account: &Account,
    (id, case): (EventId, Case),
    note: impl FnOnce(&Connection, &CaseView) -> Result<Result<(), Problem>, IdentityError> + Send + 'static,
) -> Result<Json<CaseView>, Problem> {
    let (config, name) = (app.config.clone(), account.name.clone());
    let info = info_of(app, &case.violation).await?;
    let view = app
        .database
        .run(move |db| {
            let before = CaseView::new(&config, case.clone(), Ours::of(db, id)?, info.as_ref());
            if let Some(lease) = before.lease.as_ref().filter(|lease| lease.user != name) {
                return Ok(Err(Problem::leased(&lease.user, lease.until)));
            }
            if let Err(problem) = note(db, &before)? {
                return Ok(Err(problem));
            }
            Ok(Ok(CaseView::new(&config, case, Ours::of(db, id)?, info.as_ref())))
        })
        .await??;
    Ok(Json(view))
}

fn undecided(view: &CaseView) -> Result<(), Problem> {
    match view.case.review.as_ref() {
        Some(review) if review.verdict != Verdict::Reopened => {
            Err(Problem::conflict("It is decided; take that decision back first."))
        }
        _ => Ok(()),
    }
}

fn checked(note: &str) -> Result<String, Problem> {
    if note.chars().count() > NOTE_MAX {
        return Err(Problem::invalid("note", format!("expected at most {NOTE_MAX} characters")));
    }
    Ok(note.trim().to_owned())
}

/// Take a case, or say again that it is open: for two minutes nobody else can decide about it.
#[utoipa::path(post, path = "/cases/{id}/lease", tag = "review",
    params(("id" = String, Path, description = "id of the violation")),
    responses((status = 200, body = Lease), (status = 409, description = "somebody else has it open", body = Problem)))]
pub(crate) async fn lease(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Path(id): Path<String>,
) -> Result<Json<Lease>, Problem> {
    let (id, _case) = case_of(&app, &within, &id).await?;
    let name = account.name.clone();
    let taken = app.database.run(move |db| case_notes::take(db, id, &name, now())).await?;
    taken.map(Json).map_err(|held| Problem::leased(&held.user, held.until))
}

/// Give a case free.
#[utoipa::path(delete, path = "/cases/{id}/lease", tag = "review",
    params(("id" = String, Path, description = "id of the violation")),
    responses((status = 204, description = "free")))]
pub(crate) async fn release(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let (id, _case) = case_of(&app, &within, &id).await?;
    let name = account.name.clone();
    app.database.run(move |db| case_notes::release(db, id, &name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A plate as a person reads it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlateBody {
    /// The plate, 4 to 12 letters and digits; spaces, dots and dashes are left out, Đ is D. Null: as the engine read it.
    plate: Option<String>,
}

/// Correct the plate. The correction goes with the decision.
#[utoipa::path(post, path = "/cases/{id}/plate", tag = "review", request_body = PlateBody,
    params(("id" = String, Path, description = "id of the violation")),
    responses((status = 200, body = CaseView), (status = 422, description = "not a plate", body = Problem)))]
pub(crate) async fn plate(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Path(id): Path<String>,
    Body(body): Body<PlateBody>,
) -> Result<Json<CaseView>, Problem> {
    let plate = body.plate.as_deref().map(canonical).transpose()?;
    let (id, case) = case_of(&app, &within, &id).await?;
    let user = account.name.clone();
    noting(&app, &account, (id, case), move |db, view| {
        if let Err(problem) = undecided(view) {
            return Ok(Err(problem));
        }
        case_notes::set_plate(db, id, &user, plate.as_deref())?;
        audit::append(db, &user, "plate_corrected", &id.to_string(), plate.as_deref().unwrap_or("as read"))?;
        Ok(Ok(()))
    })
    .await
}

fn canonical(typed: &str) -> Result<String, Problem> {
    let mut plate = String::new();
    for c in typed.chars() {
        match c {
            ' ' | '.' | '-' => {}
            'Đ' | 'đ' => plate.push('D'),
            c if c.is_ascii_alphanumeric() => plate.push(c.to_ascii_uppercase()),
            c => return Err(Problem::invalid("plate", format!("{c:?} cannot stand on a plate"))),
        }
        if plate.len() > *PLATE.end() {
            break;
        }
    }
    if PLATE.contains(&plate.len()) {
        Ok(plate)
    } else {
        Err(Problem::invalid("plate", "expected 4 to 12 letters and digits"))
    }
}

/// Whether the act caused an accident.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccidentBody {
    /// It did.
    accident: bool,
}

/// Note an accident: another clause and other amounts apply, so the case cannot be confirmed here as it stands.
#[utoipa::path(post, path = "/cases/{id}/accident", tag = "review", request_body = AccidentBody,
    params(("id" = String, Path, description = "id of the violation")),
    responses((status = 200, body = CaseView)))]
pub(crate) async fn accident(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Path(id): Path<String>,
    Body(body): Body<AccidentBody>,
) -> Result<Json<CaseView>, Problem> {
    let (id, case) = case_of(&app, &within, &id).await?;
    let user = account.name.clone();
    noting(&app, &account, (id, case), move |db, view| {
        if let Err(problem) = undecided(view) {
            return Ok(Err(problem));
        }
        case_notes::set_accident(db, id, body.accident)?;
        audit::append(db, &user, "accident_noted", &id.to_string(), if body.accident { "yes" } else { "no" })?;
        Ok(Ok(()))
    })
    .await
}

/// Why a case is handed up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EscalateBody {
    /// Free words, at most 1000 characters.
    #[serde(default)]
    note: String,
    /// True: take it back.
    #[serde(default)]
    withdraw: bool,
}

/// Hand a case up to an approver, or take that back.
#[utoipa::path(post, path = "/cases/{id}/escalate", tag = "review", request_body = EscalateBody,
    params(("id" = String, Path, description = "id of the violation")),
    responses((status = 200, body = CaseView)))]
pub(crate) async fn escalate(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Path(id): Path<String>,
    Body(body): Body<EscalateBody>,
) -> Result<Json<CaseView>, Problem> {
    let note = checked(&body.note)?;
    let (id, case) = case_of(&app, &within, &id).await?;
    let user = account.name.clone();
    noting(&app, &account, (id, case), move |db, view| {
        if let Err(problem) = undecided(view) {
            return Ok(Err(problem));
        }
        let mark = Mark { user: user.clone(), utc: now(), note };
        case_notes::set_escalated(db, id, Some(&mark).filter(|_| !body.withdraw))?;
        case_notes::release(db, id, &user)?;
        audit::append(
            db,
            &user,
            if body.withdraw { "escalation_withdrawn" } else { "escalated" },
            &id.to_string(),
            &mark.note,
        )?;
        Ok(Ok(()))
    })
    .await
}

/// To whom a case is handed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransferBody {
    /// Code of the agency; null: take it back.
    agency: Option<String>,
    /// Free words, at most 1000 characters.
    #[serde(default)]
    note: String,
}

/// Hand a case to another unit (form 03 of Circular 73/2024/TT-BCA), or take that back.
#[utoipa::path(post, path = "/cases/{id}/transfer", tag = "review", request_body = TransferBody,
    params(("id" = String, Path, description = "id of the violation")),
    responses((status = 200, body = CaseView), (status = 422, description = "no such agency", body = Problem)))]
pub(crate) async fn transfer(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Path(id): Path<String>,
    Body(body): Body<TransferBody>,
) -> Result<Json<CaseView>, Problem> {
    let note = checked(&body.note)?;
    let (id, case) = case_of(&app, &within, &id).await?;
    let user = account.name.clone();
    noting(&app, &account, (id, case), move |db, _view| {
        let mark = Mark { user: user.clone(), utc: now(), note };
        match body.agency.as_deref() {
            Some(agency) if !agencies::exists(db, agency)? => {
                return Ok(Err(Problem::invalid("agency", "expected the code of an agency of /api/agencies")));
            }
            Some(agency) => case_notes::set_transferred(db, id, Some((agency, &mark)))?,
            None => case_notes::set_transferred(db, id, None)?,
        }
        let detail = format!("{} {}", body.agency.as_deref().unwrap_or("taken back"), mark.note);
        audit::append(db, &user, "transferred", &id.to_string(), detail.trim())?;
        Ok(Ok(()))
    })
    .await
}

/// Which case this one repeats.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DuplicateBody {
    /// Id of the violation that stays.
    of: String,
    /// The revision the person saw.
    revision: u32,
}

/// Merge a case into another: it is rejected as a duplicate and names the one that stays.
#[utoipa::path(post, path = "/cases/{id}/duplicate", tag = "review", request_body = DuplicateBody,
    params(("id" = String, Path, description = "id of the violation")),
    responses((status = 200, body = CaseView), (status = 422, description = "not a case that can stay", body = Problem)))]
pub(crate) async fn duplicate(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Path(id): Path<String>,
    Body(body): Body<DuplicateBody>,
) -> Result<(StatusCode, Json<CaseView>), Problem> {
    let (id, case) = case_of(&app, &within, &id).await?;
    let of = event_id("of", &body.of)?;
    let stays = app.ask(app.backend.case(of)).await.ok().filter(|stays| within.has(&stays.violation.camera));
    if of == id || stays.is_none() {
        return Err(Problem::invalid("of", "expected the id of another case"));
    }
    let chained = app.database.run(move |db| Ok(case_notes::of(db, of)?.duplicate_of.is_some())).await?;
    if chained {
        return Err(Problem::invalid("of", "that case is itself a duplicate"));
    }
    let decision = DecisionBody {
        verdict: Verdict::Rejected,
        reason: Some("duplicate".to_owned()),
        note: format!("= {of}"),
        revision: body.revision,
    };
    let decided = decide::finish(&app, &account, id, case.clone(), decision).await?;
    app.database.run(move |db| case_notes::set_duplicate(db, id, Some(of))).await?;
    let (status, Json(mut view)) = decided;
    view.notes.duplicate_of = Some(of);
    Ok((status, Json(view)))
}
