//! Figures about violations and passages: tallies, camera scorecards, repeat offenders, precision by verdicts.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use stopline_types::{CameraId, Offender, PassageTally, RuleKind, Tally, TallyQuery, TallyTime, UtcUs};
use utoipa::{IntoParams, ToSchema};

use super::statistics::resolve;
use crate::{
    app::App,
    decisions::{self, Precision},
    problem::Problem,
    request::{Params, SignedIn, Within, camera_id, word},
};

/// Days that precision looks back.
const PRECISION_DAYS: f64 = 90.0;
/// Offenders listed at most.
const OFFENDERS: u32 = 100;
/// Hours of the day in Vietnam that count as day.
const DAY: std::ops::Range<i64> = 6..18;

/// What is counted, and by what.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TallyParams {
    /// At or after this instant, RFC 3339; a day before `to` if not given.
    from: Option<String>,
    /// Before this instant, RFC 3339; now if not given. At most 93 days after `from`.
    to: Option<String>,
    /// `whole`, `hour`, `day` or `hour_of_week`, in Vietnam's time; `whole` if not given.
    time: Option<String>,
    /// Which columns to divide by: `camera`, `rule`, or both with a comma.
    by: Option<String>,
    /// Only this camera.
    camera: Option<String>,
    /// Only this rule.
    rule: Option<String>,
    /// Only cameras at this site.
    site: Option<String>,
}

const TIMES: [(TallyTime, &str); 4] = [
    (TallyTime::Whole, "whole"),
    (TallyTime::Hour, "hour"),
    (TallyTime::Day, "day"),
    (TallyTime::HourOfWeek, "hour_of_week"),
];

impl TallyParams {
    pub(super) async fn query(&self, app: &App, within: &Within) -> Result<TallyQuery, Problem> {
        let (from, to) = resolve(self.from.as_deref(), self.to.as_deref())?;
        let by: Vec<&str> = self.by.as_deref().unwrap_or_default().split(',').filter(|word| !word.is_empty()).collect();
        if by.iter().any(|word| !matches!(*word, "camera" | "rule")) {
            return Err(Problem::invalid("by", "expected camera, rule, or camera,rule"));
        }
        let mut cameras = within.list();
        if let Some(camera) = self.camera.as_deref() {
            let camera = camera_id("camera", camera)?;
            cameras = Some(if within.has(&camera) { vec![camera] } else { Vec::new() });
        }
        if let Some(site) = self.site.as_deref().filter(|site| !site.is_empty()) {
            let infos = app.ask(app.backend.camera_infos()).await?;
            let there = infos.into_iter().filter(|info| info.site == site).map(|info| info.camera);
            cameras = Some(there.filter(|camera| cameras.as_ref().is_none_or(|all| all.contains(camera))).collect());
        }
        Ok(TallyQuery {
            from,
            to,
            cameras,
            rule: word("rule", self.rule.as_deref(), RuleKind::ALL, |r| r.as_str())?,
            time: word("time", self.time.as_deref(), TIMES, |(_, name)| name)?
                .map_or(TallyTime::Whole, |(time, _)| time),
            by_camera: by.contains(&"camera"),
            by_rule: by.contains(&"rule"),
        })
    }
}

/// Violations and passages by whatever was asked for; divisions without any are left out.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tallies {
    /// Start of the span.
    from: UtcUs,
    /// End of the span, not part of it.
    to: UtcUs,
    /// Violations.
    violations: Vec<Tally>,
    /// Passages; rules do not divide them.
    passages: Vec<PassageTally>,
}

/// Violations and passages by time, camera and rule.
#[utoipa::path(get, path = "/tally", tag = "history", params(TallyParams), responses(
    (status = 200, body = Tallies),
    (status = 422, description = "a value was refused", body = Problem),
))]
pub(crate) async fn tally(
    State(app): State<Arc<App>>,
    _signed_in: SignedIn,
    within: Within,
    Params(params): Params<TallyParams>,
) -> Result<Json<Tallies>, Problem> {
    let query = params.query(&app, &within).await?;
    let (from, to) = (query.from, query.to);
    let (violations, passages) =
        tokio::try_join!(app.ask(app.backend.tally(query.clone())), app.ask(app.backend.tally_passages(query)))?;
    Ok(Json(Tallies { from, to, violations, passages }))
}

/// Reads of plates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Reads {
    /// Passages of vehicles that bear a plate.
    with_plate: u64,
    /// Plates read.
    read: u64,
}

/// How good a camera is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Score {
    /// The camera.
    #[schema(value_type = String)]
    camera: CameraId,
    /// All passages.
    passages: u64,
    /// Plates by day, 6 to 18 h.
    day: Reads,
    /// Plates by night.
    night: Reads,
    /// Candidates.
    candidates: u64,
    /// Confirmed by a person.
    confirmed: u64,
    /// Rejected by a person.
    rejected: u64,
}

/// How good each camera is over a span: plates read by day and night, and what people said about its violations.
#[utoipa::path(get, path = "/scorecard", tag = "history", params(TallyParams), responses((status = 200, body = Vec<Score>)))]
pub(crate) async fn scorecard(
    State(app): State<Arc<App>>,
    _signed_in: SignedIn,
    within: Within,
    Params(params): Params<TallyParams>,
) -> Result<Json<Vec<Score>>, Problem> {
    let asked = params.query(&app, &within).await?;
    let whole = TallyQuery { time: TallyTime::Whole, by_camera: true, by_rule: false, ..asked };
    let by_hour = TallyQuery { time: TallyTime::HourOfWeek, ..whole.clone() };
    let (violations, passages) =
        tokio::try_join!(app.ask(app.backend.tally(whole)), app.ask(app.backend.tally_passages(by_hour)))?;
    let mut scores: BTreeMap<CameraId, Score> = BTreeMap::new();
    let mut score = |camera: CameraId, note: &dyn Fn(&mut Score)| {
        note(scores.entry(camera.clone()).or_insert_with(|| Score {
            camera,
            passages: 0,
            day: Reads::default(),
            night: Reads::default(),
            candidates: 0,
            confirmed: 0,
            rejected: 0,
        }));
    };
    for row in passages {
        let Some(camera) = row.camera.clone() else { continue };
        score(camera, &|score| {
            let by_day = row.slot.is_some_and(|slot| DAY.contains(&slot.rem_euclid(24)));
            let reads = if by_day { &mut score.day } else { &mut score.night };
            reads.with_plate += row.with_plate;
            reads.read += row.plates_read;
            score.passages += row.passages;
        });
    }
    for row in violations {
        let Some(camera) = row.camera.clone() else { continue };
        score(camera, &|score| {
            score.candidates += row.candidates;
            score.confirmed += row.confirmed;
            score.rejected += row.rejected;
        });
    }
    Ok(Json(scores.into_values().collect()))
}

/// Plates with two or more violations that nobody has rejected, most first: the hundred first. The look is kept in the
/// audit log.
#[utoipa::path(get, path = "/offenders", tag = "history", params(TallyParams), responses((status = 200, body = Vec<Offender>)))]
pub(crate) async fn offenders(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Params(params): Params<TallyParams>,
) -> Result<Json<Vec<Offender>>, Problem> {
    let query = params.query(&app, &within).await?;
    app.note(&account, "offenders_listed", "", format!("{} {}", query.from, query.to)).await?;
    Ok(Json(app.ask(app.backend.offenders(query, OFFENDERS)).await?))
}

/// What people said about each rule at each camera, over the last 90 days. Of `confirmed + engine_wrong`, the share
/// that was confirmed is the precision; a plate that cannot be read is no mistake of the rule.
#[utoipa::path(get, path = "/precision", tag = "review", responses((status = 200, body = Vec<Precision>)))]
pub(crate) async fn precision(
    State(app): State<Arc<App>>,
    _signed_in: SignedIn,
    within: Within,
) -> Result<Json<Vec<Precision>>, Problem> {
    let from = crate::now().plus_s(-PRECISION_DAYS * 86_400.0);
    let mut found = app.database.run(move |db| decisions::precision(db, from)).await?;
    found.retain(|row| within.has(&row.camera));
    Ok(Json(found))
}
