//! Decisions about violations: one row a revision, checked against the revision the person saw.
//!
//! A decision is written here first as not stored, then handed to the durable path, then marked as stored. The row is
//! both the lock between two reviewers and the note of what is still to be handed over after a crash: its id is
//! derived from violation and revision, so handing it over again makes no second decision.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use stopline_types::{CameraId, EventId, Review, RuleKind, UtcUs, Verdict};
use utoipa::ToSchema;

use crate::IdentityError;

/// A decision as kept here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) review: Review,
    /// On the durable path.
    pub(crate) stored: bool,
}

const COLUMNS: &str = "violation, revision, camera, utc_us, verdict, reason, note, user, stored, plate";

/// The decision with the highest revision.
pub(crate) fn latest(db: &Connection, violation: EventId) -> Result<Option<Decision>, IdentityError> {
    let sql = format!("SELECT {COLUMNS} FROM decisions WHERE violation = ?1 ORDER BY revision DESC LIMIT 1");
    db.prepare_cached(&sql)?.query_row([violation.bytes()], |row| Ok(decision(row))).optional()?.transpose()
}

/// All revisions, oldest first.
pub(crate) fn history(db: &Connection, violation: EventId) -> Result<Vec<Review>, IdentityError> {
    let sql = format!("SELECT {COLUMNS} FROM decisions WHERE violation = ?1 ORDER BY revision");
    let mut query = db.prepare_cached(&sql)?;
    let rows = query.query_map([violation.bytes()], |row| Ok(decision(row)))?;
    rows.map(|row| Ok(row??.review)).collect()
}

/// Decisions not yet on the durable path, oldest first.
pub(crate) fn not_stored(db: &Connection, limit: u32) -> Result<Vec<Review>, IdentityError> {
    let sql = format!("SELECT {COLUMNS} FROM decisions WHERE stored = 0 ORDER BY utc_us, revision LIMIT ?1");
    let mut query = db.prepare_cached(&sql)?;
    let rows = query.query_map([limit], |row| Ok(decision(row)))?;
    rows.map(|row| Ok(row??.review)).collect()
}

/// Writes a revision. False: that revision exists already; somebody was faster.
pub(crate) fn insert(db: &Connection, review: &Review, rule: RuleKind, stored: bool) -> Result<bool, IdentityError> {
    let sql = format!(
        "INSERT INTO decisions ({COLUMNS}, rule) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING"
    );
    let written = db.execute(
        &sql,
        params![
            review.violation.bytes(),
            review.revision,
            review.camera.as_str(),
            review.utc.0,
            review.verdict.as_str(),
            review.reason,
            review.note,
            review.user,
            stored,
            review.plate,
            rule.as_str(),
        ],
    )?;
    Ok(written == 1)
}

/// Notes that a revision is on the durable path.
pub(crate) fn mark_stored(db: &Connection, review: &Review) -> Result<(), IdentityError> {
    db.execute(
        "UPDATE decisions SET stored = 1 WHERE violation = ?1 AND revision = ?2",
        params![review.violation.bytes(), review.revision],
    )?;
    Ok(())
}

/// What people said about one rule at one camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Precision {
    /// The rule.
    pub(crate) rule: RuleKind,
    /// The camera.
    pub(crate) camera: CameraId,
    /// Confirmed.
    pub(crate) confirmed: u64,
    /// Rejected, for whatever reason.
    pub(crate) rejected: u64,
    /// Rejected because the engine was wrong: no violation, the wrong vehicle. These are what precision counts.
    pub(crate) engine_wrong: u64,
}

/// Decisions that hold since `from`, by rule and camera.
pub(crate) fn precision(db: &Connection, from: UtcUs) -> Result<Vec<Precision>, IdentityError> {
    let mut query = db.prepare_cached(
        "SELECT d.rule, d.camera, sum(d.verdict = 'confirmed'), sum(d.verdict = 'rejected'),
         sum(d.verdict = 'rejected' AND d.reason IN ('no_violation', 'wrong_vehicle'))
         FROM decisions d WHERE d.utc_us >= ?1 AND d.rule != ''
         AND d.revision = (SELECT max(revision) FROM decisions l WHERE l.violation = d.violation)
         AND d.verdict IN ('confirmed', 'rejected') GROUP BY d.rule, d.camera ORDER BY d.rule, d.camera",
    )?;
    let rows = query.query_map([from.0], |row| {
        let (rule, camera): (String, String) = (row.get(0)?, row.get(1)?);
        let count = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)?.max(0) as u64);
        Ok((rule, camera, count(2)?, count(3)?, count(4)?))
    })?;
    let mut found = Vec::new();
    for row in rows {
        let (rule, camera, confirmed, rejected, engine_wrong) = row?;
        if let (Some(rule), Ok(camera)) = (RuleKind::parse(&rule), CameraId::new(&camera)) {
            found.push(Precision { rule, camera, confirmed, rejected, engine_wrong });
        }
    }
    Ok(found)
}

fn decision(row: &rusqlite::Row<'_>) -> Result<Decision, IdentityError> {
    let violation = EventId::from_bytes(row.get(0)?);
    let revision: u32 = row.get(1)?;
    let (camera, verdict): (String, String) = (row.get(2)?, row.get(4)?);
    let broken = |what: &str| IdentityError::Row(format!("decision {revision} about {violation}: {what}"));
    let review = Review {
        id: Review::id_of(violation, revision),
        violation,
        camera: CameraId::new(&camera).map_err(|e| broken(&e.to_string()))?,
        utc: UtcUs(row.get(3)?),
        revision,
        verdict: [Verdict::Confirmed, Verdict::Rejected, Verdict::Reopened]
            .into_iter()
            .find(|v| v.as_str() == verdict)
            .ok_or_else(|| broken(&format!("verdict {verdict:?}")))?,
        reason: row.get(5)?,
        note: row.get(6)?,
        user: row.get(7)?,
        plate: row.get(9)?,
    };
    Ok(Decision { review, stored: row.get(8)? })
}
