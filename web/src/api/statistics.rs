//! Figures by hour.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use stopline_types::{HourCount, TrafficCount, UtcUs};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    now,
    problem::Problem,
    request::{Params, SignedIn, Within, span},
};

/// Longest span, days.
const SPAN_MAX_DAYS: f64 = 93.0;
/// Span when none is asked for, seconds.
const SPAN_DEFAULT_S: f64 = 86_400.0;

/// Which span of time.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SpanParams {
    /// At or after this instant, RFC 3339; a day before `to` if not given.
    from: Option<String>,
    /// Before this instant, RFC 3339; now if not given.
    to: Option<String>,
}

/// The span asked for, or the last day.
pub(super) fn resolve(from: Option<&str>, to: Option<&str>) -> Result<(UtcUs, UtcUs), Problem> {
    let (from, to) = span(from, to)?;
    let to = to.unwrap_or_else(now);
    let from = from.unwrap_or(to.plus_s(-SPAN_DEFAULT_S));
    if from >= to {
        return Err(Problem::invalid("from", "expected an instant in the past"));
    }
    if to.since_s(from) > SPAN_MAX_DAYS * 86_400.0 {
        return Err(Problem::invalid("from", format!("expected a span of at most {SPAN_MAX_DAYS} days")));
    }
    Ok((from, to))
}

/// Counts by hour that name no camera are for people who may see all of them.
fn whole(within: &Within) -> Result<(), Problem> {
    match within.list() {
        None => Ok(()),
        Some(_) => Err(Problem::forbidden("These figures are of all cameras; ask /api/tally for those within reach.")),
    }
}

/// Violations by rule and hour; hours without any are left out.
#[derive(Serialize, ToSchema)]
pub(crate) struct Counts {
    /// Start of the span.
    from: UtcUs,
    /// End of the span, not part of it.
    to: UtcUs,
    /// The figures.
    items: Vec<HourCount>,
}

/// Passages by class and hour; hours without any are left out.
#[derive(Serialize, ToSchema)]
pub(crate) struct Traffic {
    /// Start of the span.
    from: UtcUs,
    /// End of the span, not part of it.
    to: UtcUs,
    /// The figures.
    items: Vec<TrafficCount>,
}

/// Violations by rule and hour.
#[utoipa::path(get, path = "/counts", tag = "history", params(SpanParams), responses(
    (status = 200, body = Counts),
    (status = 422, description = "a value was refused", body = Problem),
))]
pub(crate) async fn counts(
    State(app): State<Arc<App>>,
    _signed_in: SignedIn,
    within: Within,
    Params(params): Params<SpanParams>,
) -> Result<Json<Counts>, Problem> {
    whole(&within)?;
    let (from, to) = resolve(params.from.as_deref(), params.to.as_deref())?;
    Ok(Json(Counts { from, to, items: app.ask(app.backend.counts(from, to)).await? }))
}

/// Passages by class and hour.
#[utoipa::path(get, path = "/traffic", tag = "history", params(SpanParams), responses(
    (status = 200, body = Traffic),
    (status = 422, description = "a value was refused", body = Problem),
))]
pub(crate) async fn traffic(
    State(app): State<Arc<App>>,
    _signed_in: SignedIn,
    within: Within,
    Params(params): Params<SpanParams>,
) -> Result<Json<Traffic>, Problem> {
    whole(&within)?;
    let (from, to) = resolve(params.from.as_deref(), params.to.as_deref())?;
    Ok(Json(Traffic { from, to, items: app.ask(app.backend.traffic(from, to)).await? }))
}
