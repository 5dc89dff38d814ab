//! Passages: the search by plate, class, camera and time.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use stopline_types::{Passage, PassageFilter, PlateMatch, VehicleClass};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    problem::Problem,
    request::{Params, SignedIn, Within, camera_id, cursor, cursor_text, page_size, span, word},
    roles::Right,
};

/// Characters of a plate pattern at most.
const PLATE_MAX: usize = 16;
/// Characters of a purpose.
const PURPOSE: std::ops::RangeInclusive<usize> = 5..=200;

/// Which passages.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PassageParams {
    /// Plate text; `*` stands for any run of characters, `?` for one. Spaces, dots and dashes are left out, Đ is D.
    /// Needs the right `search_plates`.
    plate: Option<String>,
    /// `pattern`, or `near`: all but one character as given, without wildcards, and characters that readers take for one
    /// another (0 and O, 8 and B, …) are the same. `pattern` if not given.
    plate_match: Option<String>,
    /// Why the plate is searched, 5 to 200 characters; needed with `plate` and kept in the audit log.
    purpose: Option<String>,
    /// A class, e.g. `motorcycle`.
    class: Option<String>,
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

/// A page of passages, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct PassagePage {
    /// The passages.
    items: Vec<Passage>,
    /// Give it as `after` for the next page; null: this was the last.
    next: Option<String>,
}

/// Passages, newest first.
#[utoipa::path(get, path = "/passages", tag = "history", params(PassageParams), responses(
    (status = 200, body = PassagePage),
    (status = 401, description = "not signed in", body = Problem),
    (status = 422, description = "a value was refused", body = Problem),
))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Params(params): Params<PassageParams>,
) -> Result<Json<PassagePage>, Problem> {
    let plate = params.plate.as_deref().map(plate_pattern).transpose()?.flatten();
    let kinds = [(PlateMatch::Pattern, "pattern"), (PlateMatch::Near, "near")];
    let plate_match = word("plate_match", params.plate_match.as_deref(), kinds, |(_, name)| name)?;
    let plate_match = plate_match.map_or(PlateMatch::Pattern, |(kind, _)| kind);
    if plate_match == PlateMatch::Near && plate.as_ref().is_some_and(|plate| plate.contains(['*', '?'])) {
        return Err(Problem::invalid("plate", "a search for near plates takes no wildcards"));
    }
    if plate.is_some() && !account.may(Right::SearchPlates) {
        return Err(Problem::forbidden("Searching by plate needs the right \"search_plates\"."));
    }
    let purpose = if plate.is_some() { purpose(params.purpose.as_deref())? } else { String::new() };
    // A search by plate keeps to the reach of that right.
    let within = if plate.is_some() { Within::of(&app, &account, Right::SearchPlates).await? } else { within };
    let (from, to) = span(params.from.as_deref(), params.to.as_deref())?;
    let limit = page_size(params.limit)?;
    let filter = PassageFilter {
        plate: plate.clone(),
        plate_match,
        class: word("class", params.class.as_deref(), VehicleClass::ALL, |c| c.as_str())?,
        camera: params.camera.as_deref().map(|text| camera_id("camera", text)).transpose()?,
        cameras: within.list(),
        from,
        to,
        after: cursor(params.after.as_deref())?,
        limit,
    };
    match plate {
        Some(plate) => app.note(&account, "plate_searched", plate, purpose).await?,
        None => app.note(&account, "passages_listed", "", "").await?,
    }
    let mut items = app.ask(app.backend.passages(filter)).await?;
    let next = match items.last() {
        Some(last) if items.len() >= limit as usize => Some(cursor_text(last.utc, last.id)),
        _ => None,
    };
    items.retain(|passage| within.has(&passage.camera));
    if !account.may(Right::Unmask) {
        items.iter_mut().for_each(|passage| app.pseudonyms.mask(&mut passage.plate));
    }
    Ok(Json(PassagePage { items, next }))
}

/// Why something is searched or taken away.
pub(super) fn purpose(given: Option<&str>) -> Result<String, Problem> {
    let purpose = given.unwrap_or_default().trim();
    if PURPOSE.contains(&purpose.chars().count()) {
        return Ok(purpose.to_owned());
    }
    Err(Problem::invalid("purpose", "expected why, 5 to 200 characters; it is kept in the audit log"))
}

/// The canonical form of what was typed; `None` when nothing was.
fn plate_pattern(typed: &str) -> Result<Option<String>, Problem> {
    let mut pattern = String::new();
    for c in typed.chars() {
        match c.to_ascii_uppercase() {
            ' ' | '.' | '-' | '_' => {}
            'Đ' | 'đ' => pattern.push('D'),
            c if c.is_ascii_alphanumeric() || matches!(c, '*' | '?') => pattern.push(c),
            _ => {
                return Err(Problem::invalid("plate", format!("{c:?} cannot stand in a plate; * and ? are wildcards")));
            }
        }
    }
    if pattern.len() > PLATE_MAX {
        return Err(Problem::invalid("plate", format!("expected at most {PLATE_MAX} characters")));
    }
    Ok(Some(pattern).filter(|pattern| !pattern.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plates_are_canonical() {
        assert_eq!(plate_pattern("30f-256.58").ok().flatten().as_deref(), Some("30F25658"));
        assert_eq!(plate_pattern("29-mđ1 234.5?").ok().flatten().as_deref(), Some("29MD12345?"));
        assert_eq!(plate_pattern(" - ").ok(), Some(None));
        assert!(plate_pattern("30F%").is_err());
        assert!(plate_pattern("30F;DROP").is_err());
        assert!(plate_pattern("12345678901234567").is_err());
    }
}
