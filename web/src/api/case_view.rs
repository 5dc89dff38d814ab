//! A case as shown: what the store knows, what was decided and noted here, its deadlines and what stands in the way.

use serde::Serialize;
use stopline_types::{Case, CaseStatus, EventId, RuleKind, RuleMode, TimeSource, UtcUs, Verdict, Violation};
use utoipa::ToSchema;

use crate::{
    CameraInfo, Device, IdentityError, WebConfig,
    app::App,
    case_notes::{self, Lease, Notes},
    decisions::{self, Decision},
    now,
    problem::Problem,
};

/// Hours that Vietnam is ahead of UTC; it has no daylight saving time.
const LOCAL_OFFSET: jiff::tz::Offset = jiff::tz::Offset::constant(7);
/// Days after the notice in which the owner may come before others are told (Circular 73/2024/TT-BCA Art. 24).
const ALERT_DAYS: u32 = 20;

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
    /// The rule needs a verified device, and this one has no certificate.
    NoCertificate,
    /// The device's certificate was not valid on the day of the act.
    CertificateExpired,
    /// The act caused an accident: another clause applies, which a person must choose.
    Accident,
    /// It was handed to another unit.
    Transferred,
}

impl Obstacle {
    fn words(self) -> &'static str {
        match self {
            Self::NoEvidence => "its evidence package is not written",
            Self::ShadowRule => "its rule is only being tried",
            Self::NominalTime => "its time was assumed, not measured",
            Self::TimeError => "its time may be further off than is allowed",
            Self::NoCertificate => "its rule needs a verified device, and this one has no certificate",
            Self::CertificateExpired => "the device's certificate was not valid on the day of the act",
            Self::Accident => "it caused an accident, so another clause applies",
            Self::Transferred => "it was handed to another unit",
        }
    }
}

/// All reasons, in words.
pub(crate) fn obstacles_text(obstacles: &[Obstacle]) -> String {
    let words: Vec<_> = obstacles.iter().map(|o| o.words()).collect();
    format!("The violation cannot be confirmed: {}.", words.join("; "))
}

/// Until when what must be done.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct Deadlines {
    /// The owner is found and the notice sent (Circular 73/2024/TT-BCA Art. 24).
    pub(crate) notice: UtcUs,
    /// If nobody comes: the inspection body is told, 20 days after the last day for the notice.
    pub(crate) alert: UtcUs,
    /// After this nobody can be fined (Decree 168/2024 Art. 4): 1 year.
    pub(crate) limitation: UtcUs,
}

/// What is known here about a case, besides what the store knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ours {
    pub(crate) decision: Option<Decision>,
    pub(crate) notes: Notes,
    pub(crate) lease: Option<Lease>,
}

impl Ours {
    pub(crate) fn of(db: &rusqlite::Connection, id: EventId) -> Result<Self, IdentityError> {
        Ok(Self {
            decision: decisions::latest(db, id)?,
            notes: case_notes::of(db, id)?,
            lease: case_notes::lease(db, id, now())?,
        })
    }
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
    /// Until when the owner must be found and the notice sent: `deadlines.notice`.
    pub(crate) deadline: UtcUs,
    /// All deadlines.
    pub(crate) deadlines: Deadlines,
    /// Why it cannot be confirmed; empty: it can.
    pub(crate) obstacles: Vec<Obstacle>,
    /// A second person must confirm it.
    pub(crate) second_approval: bool,
    /// What people noted.
    pub(crate) notes: Notes,
    /// Who has it open; null: nobody.
    pub(crate) lease: Option<Lease>,
    /// The device and its verification; null: not said.
    pub(crate) device: Option<Device>,
}

impl CaseView {
    /// Lays our own decision over what the store knows, if ours is newer.
    pub(crate) fn new(config: &WebConfig, mut case: Case, ours: Ours, info: Option<&CameraInfo>) -> Self {
        let known = case.review.as_ref().map_or(0, |review| review.revision);
        let mut decision_stored = true;
        if let Some(decision) = ours.decision.filter(|decision| decision.review.revision > known) {
            decision_stored = decision.stored;
            case.review = Some(decision.review);
        }
        case.status = match case.review.as_ref().map(|review| review.verdict) {
            None | Some(Verdict::Reopened) => CaseStatus::Waiting,
            Some(Verdict::Confirmed) => CaseStatus::Confirmed,
            Some(Verdict::Rejected) => CaseStatus::Rejected,
        };
        let revision = case.review.as_ref().map_or(0, |review| review.revision);
        let mut notes = ours.notes;
        if notes.proposed_revision != Some(revision) || case.status != CaseStatus::Waiting {
            // A first approval of what has changed since counts no more.
            notes.proposed = None;
        }
        let device = info.and_then(|info| info.device.clone());
        let deadlines = deadlines(case.violation.utc, config.deadline_days);
        Self {
            revision,
            decision_stored,
            deadline: deadlines.notice,
            deadlines,
            obstacles: obstacles(&case.violation, config, device.as_ref(), &notes),
            second_approval: config.second_approval.contains(&case.violation.rule)
                || config
                    .second_approval_above_vnd
                    .is_some_and(|most| case.violation.law.as_ref().is_some_and(|law| law.fine_max_vnd > most)),
            lease: ours.lease,
            notes,
            device,
            case,
        }
    }
}

/// Cases with what is known here, in the order given.
pub(crate) async fn views(app: &App, cases: Vec<Case>) -> Result<Vec<CaseView>, Problem> {
    let infos = app.ask(app.backend.camera_infos()).await?;
    let ids: Vec<EventId> = cases.iter().map(|case| case.violation.id).collect();
    let ours =
        app.database.run(move |db| ids.into_iter().map(|id| Ours::of(db, id)).collect::<Result<Vec<_>, _>>()).await?;
    let shown = cases.into_iter().zip(ours).map(|(case, ours)| {
        let info = infos.iter().find(|info| info.camera == case.violation.camera);
        CaseView::new(&app.config, case, ours, info)
    });
    Ok(shown.collect())
}

/// The configured camera of a violation.
pub(crate) async fn info_of(app: &App, violation: &Violation) -> Result<Option<CameraInfo>, Problem> {
    let infos = app.ask(app.backend.camera_infos()).await?;
    Ok(infos.into_iter().find(|info| info.camera == violation.camera))
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

/// All deadlines of a case: calendar days in Vietnam.
pub(crate) fn deadlines(detected: UtcUs, notice_days: u32) -> Deadlines {
    Deadlines {
        notice: deadline(detected, notice_days),
        alert: deadline(detected, notice_days + ALERT_DAYS),
        limitation: limitation(detected),
    }
}

/// The end of the day a year after the act.
fn limitation(detected: UtcUs) -> UtcUs {
    let day = detected.timestamp().to_zoned(LOCAL_OFFSET.to_time_zone()).date();
    let end = day.saturating_add(jiff::Span::new().years(1)).saturating_add(jiff::Span::new().days(1));
    LOCAL_OFFSET.to_timestamp(end.at(0, 0, 0, 0)).map_or(detected, |end| UtcUs(end.as_microsecond()))
}

/// The day in Vietnam, `YYYY-MM-DD`.
fn local_day(at: UtcUs) -> String {
    at.timestamp().to_zoned(LOCAL_OFFSET.to_time_zone()).date().to_string()
}

fn obstacles(violation: &Violation, config: &WebConfig, device: Option<&Device>, notes: &Notes) -> Vec<Obstacle> {
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
    let certificate = device.and_then(|device| device.certificate.as_ref());
    match certificate {
        None if config.certified.contains(&violation.rule) => found.push(Obstacle::NoCertificate),
        None => {}
        Some(certificate) => {
            let day = local_day(violation.utc);
            let valid = certificate.issued <= day && day <= certificate.expires;
            let measures = matches!(violation.rule, RuleKind::Speed | RuleKind::SectionSpeed);
            if !valid && (measures || config.certified.contains(&violation.rule)) {
                found.push(Obstacle::CertificateExpired);
            }
        }
    }
    if notes.accident {
        found.push(Obstacle::Accident);
    }
    if notes.transferred.is_some() {
        found.push(Obstacle::Transferred);
    }
    found
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
        assert_eq!(limitation(late), UtcUs::parse("2027-11-21T17:00:00Z")?);
        assert_eq!(deadlines(late, 10).alert, UtcUs::parse("2026-12-21T17:00:00Z")?);
        Ok(())
    }
}
