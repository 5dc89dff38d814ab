//! Lists taken away as CSV (UTF-8, RFC 4180). Who took what away and why stands in the audit log.

use std::sync::Arc;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use stopline_types::{Case, CaseFilter, CaseOrder, Passage, PassageFilter, RuleMode};
use utoipa::IntoParams;

use super::{figures::TallyParams, passages::purpose, statistics::resolve};
use crate::{
    app::App,
    problem::Problem,
    request::{Params, SignedIn, Within},
    roles::Right,
};

/// Rows asked of the store at a time, and rows of a file at most.
const PAGE: u32 = 2000;
const MOST: usize = 100_000;

/// Which span of time, and why.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportParams {
    /// At or after this instant, RFC 3339; a day before `to` if not given.
    from: Option<String>,
    /// Before this instant, RFC 3339; now if not given. At most 93 days after `from`.
    to: Option<String>,
    /// Why the list is taken away, 5 to 200 characters; kept in the audit log.
    purpose: Option<String>,
}

/// Cases of a span with where they stand, newest first, at most 100 000. Plates are pseudonyms for people who may not
/// see them.
#[utoipa::path(get, path = "/export/cases.csv", tag = "history", params(ExportParams), responses(
    (status = 200, description = "the list", content_type = "text/csv"),
    (status = 422, description = "a value was refused", body = Problem),
))]
pub(crate) async fn cases(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Params(params): Params<ExportParams>,
) -> Result<Response, Problem> {
    let purpose = purpose(params.purpose.as_deref())?;
    let (from, to) = resolve(params.from.as_deref(), params.to.as_deref())?;
    app.note(&account, "cases_exported", format!("{from} {to}"), purpose).await?;
    let mut filter = CaseFilter {
        cameras: within.list(),
        from: Some(from),
        to: Some(to),
        limit: PAGE,
        order: CaseOrder::Newest,
        ..CaseFilter::default()
    };
    let mut csv = Csv::begin(&[
        "id",
        "utc",
        "error_ms",
        "camera",
        "rule",
        "class",
        "plate",
        "status",
        "reason",
        "reviewer",
        "article",
        "fine_min_vnd",
        "fine_max_vnd",
        "points",
        "confidence",
    ]);
    loop {
        let page = app.ask(app.backend.cases(filter.clone())).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some((last.violation.utc, last.violation.id));
        let full = page.len() >= PAGE as usize;
        for mut case in page {
            if case.violation.mode != RuleMode::Live || !within.has(&case.violation.camera) {
                continue;
            }
            if !account.may(Right::Unmask) {
                app.pseudonyms.mask(&mut case.violation.plate);
            }
            csv.row(&case_cells(&case));
        }
        if !full || csv.rows >= MOST {
            break;
        }
    }
    Ok(csv.answer("cases.csv"))
}

fn case_cells(case: &Case) -> Vec<String> {
    let v = &case.violation;
    let law = v.law.as_ref();
    let review = case.review.as_ref();
    let text = |value: Option<String>| value.unwrap_or_default();
    vec![
        v.id.to_string(),
        v.utc.to_string(),
        text(v.error_ms.map(|ms| ms.to_string())),
        v.camera.to_string(),
        v.rule.to_string(),
        v.class.as_str().to_owned(),
        text(v.plate.as_ref().map(|plate| plate.text.clone())),
        case.status.as_str().to_owned(),
        text(review.and_then(|review| review.reason.clone())),
        text(review.map(|review| review.user.clone())),
        text(law.map(|law| law.article.clone())),
        text(law.map(|law| law.fine_min_vnd.to_string())),
        text(law.map(|law| law.fine_max_vnd.to_string())),
        text(law.map(|law| law.points.to_string())),
        format!("{:.3}", v.confidence),
    ]
}

/// Passages of a span, newest first, at most 100 000. Plates are pseudonyms for people who may not see them.
#[utoipa::path(get, path = "/export/passages.csv", tag = "history", params(ExportParams), responses(
    (status = 200, description = "the list", content_type = "text/csv"),
    (status = 422, description = "a value was refused", body = Problem),
))]
pub(crate) async fn passages(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Params(params): Params<ExportParams>,
) -> Result<Response, Problem> {
    let purpose = purpose(params.purpose.as_deref())?;
    let (from, to) = resolve(params.from.as_deref(), params.to.as_deref())?;
    app.note(&account, "passages_exported", format!("{from} {to}"), purpose).await?;
    let mut filter = PassageFilter {
        cameras: within.list(),
        from: Some(from),
        to: Some(to),
        limit: PAGE,
        ..PassageFilter::default()
    };
    let mut csv = Csv::begin(&["id", "utc", "error_ms", "camera", "class", "plate", "speed_kmh", "lane", "confidence"]);
    loop {
        let page = app.ask(app.backend.passages(filter.clone())).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some((last.utc, last.id));
        let full = page.len() >= PAGE as usize;
        for mut passage in page.into_iter().filter(|passage| within.has(&passage.camera)) {
            if !account.may(Right::Unmask) {
                app.pseudonyms.mask(&mut passage.plate);
            }
            csv.row(&passage_cells(&passage));
        }
        if !full || csv.rows >= MOST {
            break;
        }
    }
    Ok(csv.answer("passages.csv"))
}

fn passage_cells(p: &Passage) -> Vec<String> {
    vec![
        p.id.to_string(),
        p.utc.to_string(),
        p.error_ms.map(|ms| ms.to_string()).unwrap_or_default(),
        p.camera.to_string(),
        p.class.as_str().to_owned(),
        p.plate.as_ref().map(|plate| plate.text.clone()).unwrap_or_default(),
        p.speed_kmh.map(|kmh| format!("{kmh:.1}")).unwrap_or_default(),
        p.lane.clone().unwrap_or_default(),
        format!("{:.3}", p.confidence),
    ]
}

/// The same figures as `/api/tally` has of violations. They name no vehicle.
#[utoipa::path(get, path = "/export/tally.csv", tag = "history", params(TallyParams), responses(
    (status = 200, description = "the figures", content_type = "text/csv"),
    (status = 422, description = "a value was refused", body = Problem),
))]
pub(crate) async fn tally(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Params(params): Params<TallyParams>,
) -> Result<Response, Problem> {
    let query = params.query(&app, &within).await?;
    app.note(&account, "tally_exported", format!("{} {}", query.from, query.to), "").await?;
    let mut csv = Csv::begin(&["slot", "camera", "rule", "candidates", "confirmed", "rejected"]);
    for row in app.ask(app.backend.tally(query)).await? {
        csv.row(&[
            row.slot.map(|slot| slot.to_string()).unwrap_or_default(),
            row.camera.map(|camera| camera.to_string()).unwrap_or_default(),
            row.rule.map(|rule| rule.to_string()).unwrap_or_default(),
            row.candidates.to_string(),
            row.confirmed.to_string(),
            row.rejected.to_string(),
        ]);
    }
    Ok(csv.answer("tally.csv"))
}

struct Csv {
    text: String,
    rows: usize,
}

impl Csv {
    fn begin(heads: &[&str]) -> Self {
        let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
        // The mark tells spreadsheets that it is UTF-8.
        let mut csv = Self { text: "\u{feff}".to_owned(), rows: 0 };
        csv.row(&heads);
        csv.rows = 0;
        csv
    }

    fn row(&mut self, cells: &[String]) {
        let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        self.text.push_str(&cells.join(","));
        self.text.push_str("\r\n");
        self.rows += 1;
    }

    fn answer(self, name: &str) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        ];
        (headers, self.text).into_response()
    }
}

/// A cell that no spreadsheet takes for a formula and no comma or quote breaks.
fn quoted(cell: &str) -> String {
    let number = cell.parse::<f64>().is_ok();
    let formula = !number && cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guarded = if formula { format!("'{cell}") } else { cell.to_owned() };
    if guarded.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}

#[cfg(test)]
mod tests {
    #[test]
    fn cells_are_text_and_nothing_else() {
        assert_eq!(super::quoted("30F25658"), "30F25658");
        assert_eq!(super::quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(super::quoted("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(super::quoted("-5.2"), "-5.2");
    }
}
