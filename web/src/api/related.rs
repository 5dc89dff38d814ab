//! What else is known of the vehicle of a case: likely duplicates, and the history of its plate.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use stopline_types::{Case, CaseFilter, EventId, RuleMode};
use utoipa::ToSchema;

use super::case_view::{CaseView, views};
use crate::{
    app::App,
    case_notes,
    problem::Problem,
    request::{SignedIn, Within, event_id},
    roles::Right,
};

/// Seconds within which two violations of one vehicle at one camera may be one act seen twice.
const DUPLICATE_WITHIN_S: f64 = 30.0;
const ROWS: u32 = 50;

/// What else is known of the vehicle.
#[derive(Serialize, ToSchema)]
pub(crate) struct Related {
    /// Cases of the same track, or of the same rule and plate, within half a minute at the same camera.
    likely_duplicates: Vec<CaseView>,
    /// Cases that were merged into this one.
    merged: Vec<EventId>,
    /// Other cases of the same plate, newest first; empty too where the person may not search by plate.
    plate_history: Vec<CaseView>,
}

/// What else is known of the vehicle of a case.
#[utoipa::path(get, path = "/cases/{id}/related", tag = "review",
    params(("id" = String, Path, description = "id of the violation")),
    responses((status = 200, body = Related)))]
pub(crate) async fn related(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Path(id): Path<String>,
) -> Result<Json<Related>, Problem> {
    let id = event_id("id", &id)?;
    let Case { violation, .. } = app.ask(app.backend.case(id)).await?;
    within.need(&violation.camera)?;
    let near = CaseFilter {
        camera: Some(violation.camera.clone()),
        from: Some(violation.utc.plus_s(-DUPLICATE_WITHIN_S)),
        to: Some(violation.utc.plus_s(DUPLICATE_WITHIN_S)),
        limit: ROWS,
        ..CaseFilter::default()
    };
    let plate = violation.plate.as_ref().map(|plate| plate.text.clone());
    let mut found = app.ask(app.backend.cases(near)).await?;
    found.retain(|case| {
        let other = &case.violation;
        let same_plate = plate.is_some() && other.plate.as_ref().map(|p| &p.text) == plate.as_ref();
        let same = other.track == violation.track || (other.rule == violation.rule && same_plate);
        other.id != id && case.violation.mode == RuleMode::Live && same
    });
    let likely_duplicates = views(&app, found).await?;
    let plate_history = match plate.filter(|_| account.may(Right::SearchPlates)) {
        None => Vec::new(),
        Some(plate) => {
            app.note(&account, "plate_history", plate.clone(), id.to_string()).await?;
            let reach = Within::of(&app, &account, Right::SearchPlates).await?;
            let filter = CaseFilter { plate: Some(plate), cameras: reach.list(), limit: ROWS, ..CaseFilter::default() };
            let mut found = app.ask(app.backend.cases(filter)).await?;
            let known: BTreeSet<EventId> = likely_duplicates.iter().map(|view| view.case.violation.id).collect();
            found.retain(|case| {
                let other = &case.violation;
                other.id != id && !known.contains(&other.id) && reach.has(&other.camera) && within.has(&other.camera)
            });
            views(&app, found).await?
        }
    };
    let merged = app.database.run(move |db| case_notes::duplicates_of(db, id)).await?;
    Ok(Json(Related { likely_duplicates, merged, plate_history }))
}
