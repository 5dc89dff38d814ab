//! What people note about a case besides the decision: who has it open, the plate as they read it, accident, escalation,
//! transfer, duplicate, and a first approval that waits for a second.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use stopline_types::{EventId, UtcUs};
use utoipa::ToSchema;

use crate::IdentityError;

/// Seconds a case stays with the person who opened it, unless the page says again that it is still open.
pub(crate) const LEASE_S: f64 = 120.0;

/// Who has a case open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Lease {
    /// The person.
    pub(crate) user: String,
    /// Until when, unless said again.
    pub(crate) until: UtcUs,
}

/// Something somebody did to a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Mark {
    /// Who.
    pub(crate) user: String,
    /// When.
    pub(crate) utc: UtcUs,
    /// Why, in their words.
    pub(crate) note: String,
}

/// What is noted about a case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Notes {
    /// The plate as a person read it.
    pub(crate) plate: Option<String>,
    /// Who read it.
    pub(crate) plate_user: Option<String>,
    /// The act caused an accident: another clause and other amounts apply, so nothing is priced by itself.
    pub(crate) accident: bool,
    /// Handed up to an approver.
    pub(crate) escalated: Option<Mark>,
    /// Handed to another unit.
    pub(crate) transferred: Option<Mark>,
    /// Code of that unit.
    pub(crate) transferred_to: Option<String>,
    /// The case that this one repeats.
    pub(crate) duplicate_of: Option<EventId>,
    /// A first person confirmed it; a second must.
    pub(crate) proposed: Option<Mark>,
    /// Revision that person saw.
    #[serde(skip)]
    pub(crate) proposed_revision: Option<u32>,
}

/// What is noted about a case; nothing noted is all empty.
pub(crate) fn of(db: &Connection, violation: EventId) -> Result<Notes, IdentityError> {
    let found = db
        .prepare_cached(
            "SELECT plate, plate_user, accident, escalated_user, escalated_us, escalated_note, transferred_to,
             transferred_user, transferred_us, transferred_note, duplicate_of, proposed_user, proposed_us,
             proposed_revision FROM case_notes WHERE violation = ?1",
        )?
        .query_row([violation.bytes()], |row| {
            let mark = |at: usize| -> rusqlite::Result<Option<Mark>> {
                let (user, us): (Option<String>, Option<i64>) = (row.get(at)?, row.get(at + 1)?);
                Ok(user.zip(us).map(|(user, us)| Mark { user, utc: UtcUs(us), note: String::new() }))
            };
            let noted = |mark: Option<Mark>, note: Option<String>| {
                mark.map(|mark| Mark { note: note.unwrap_or_default(), ..mark })
            };
            Ok(Notes {
                plate: row.get(0)?,
                plate_user: row.get(1)?,
                accident: row.get(2)?,
                escalated: noted(mark(3)?, row.get(5)?),
                transferred_to: row.get(6)?,
                transferred: noted(mark(7)?, row.get(9)?),
                duplicate_of: row.get::<_, Option<[u8; 16]>>(10)?.map(EventId::from_bytes),
                proposed: mark(11)?,
                proposed_revision: row.get(13)?,
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

fn set(
    db: &Connection,
    violation: EventId,
    change: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<(), IdentityError> {
    db.execute("INSERT INTO case_notes (violation) VALUES (?1) ON CONFLICT DO NOTHING", [violation.bytes()])?;
    let id = violation.bytes();
    let mut all: Vec<&dyn rusqlite::ToSql> = vec![&id];
    all.extend_from_slice(values);
    db.execute(&format!("UPDATE case_notes SET {change} WHERE violation = ?1"), &all[..])?;
    Ok(())
}

/// Notes the plate as a person read it; `None` goes back to what the engine read.
pub(crate) fn set_plate(
    db: &Connection,
    violation: EventId,
    user: &str,
    plate: Option<&str>,
) -> Result<(), IdentityError> {
    set(db, violation, "plate = ?2, plate_user = ?3", &[&plate, &plate.map(|_| user)])
}

/// Notes whether the act caused an accident.
pub(crate) fn set_accident(db: &Connection, violation: EventId, accident: bool) -> Result<(), IdentityError> {
    set(db, violation, "accident = ?2", &[&accident])
}

/// Hands a case up, or takes that back.
pub(crate) fn set_escalated(db: &Connection, violation: EventId, mark: Option<&Mark>) -> Result<(), IdentityError> {
    let values = mark.map(|mark| (mark.user.as_str(), mark.utc.0, mark.note.as_str()));
    let change = "escalated_user = ?2, escalated_us = ?3, escalated_note = ?4";
    set(db, violation, change, &[&values.map(|v| v.0), &values.map(|v| v.1), &values.map(|v| v.2)])
}

/// Hands a case to another unit, or takes that back.
pub(crate) fn set_transferred(
    db: &Connection,
    violation: EventId,
    to: Option<(&str, &Mark)>,
) -> Result<(), IdentityError> {
    let values = to.map(|(agency, mark)| (agency, mark.user.as_str(), mark.utc.0, mark.note.as_str()));
    let change = "transferred_to = ?2, transferred_user = ?3, transferred_us = ?4, transferred_note = ?5";
    let values: [&dyn rusqlite::ToSql; 4] =
        [&values.map(|v| v.0), &values.map(|v| v.1), &values.map(|v| v.2), &values.map(|v| v.3)];
    set(db, violation, change, &values)
}

/// Notes that a case repeats another, or not.
pub(crate) fn set_duplicate(db: &Connection, violation: EventId, of: Option<EventId>) -> Result<(), IdentityError> {
    set(db, violation, "duplicate_of = ?2", &[&of.map(|id| id.bytes())])
}

/// Notes a first approval of the revision that its person saw, or forgets it.
pub(crate) fn set_proposed(
    db: &Connection,
    violation: EventId,
    proposed: Option<(&str, UtcUs, u32)>,
) -> Result<(), IdentityError> {
    let change = "proposed_user = ?2, proposed_us = ?3, proposed_revision = ?4";
    set(db, violation, change, &[&proposed.map(|p| p.0), &proposed.map(|p| p.1.0), &proposed.map(|p| p.2)])
}

/// The cases that repeat this one.
pub(crate) fn duplicates_of(db: &Connection, violation: EventId) -> Result<Vec<EventId>, IdentityError> {
    let mut query = db.prepare_cached("SELECT violation FROM case_notes WHERE duplicate_of = ?1 LIMIT 100")?;
    let rows = query.query_map([violation.bytes()], |row| Ok(EventId::from_bytes(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Who has a case open at `at`.
pub(crate) fn lease(db: &Connection, violation: EventId, at: UtcUs) -> Result<Option<Lease>, IdentityError> {
    Ok(db
        .prepare_cached("SELECT user, until_us FROM leases WHERE violation = ?1 AND until_us > ?2")?
        .query_row(params![violation.bytes(), at.0], |row| Ok(Lease { user: row.get(0)?, until: UtcUs(row.get(1)?) }))
        .optional()?)
}

/// Takes a case, or says again that it is open. `Err` inside: somebody else has it.
pub(crate) fn take(
    db: &Connection,
    violation: EventId,
    user: &str,
    at: UtcUs,
) -> Result<Result<Lease, Lease>, IdentityError> {
    db.execute("DELETE FROM leases WHERE until_us <= ?1", [at.0])?;
    if let Some(held) = lease(db, violation, at)?.filter(|held| held.user != user) {
        return Ok(Err(held));
    }
    let until = at.plus_s(LEASE_S);
    db.execute(
        "INSERT INTO leases (violation, user, until_us) VALUES (?1, ?2, ?3)
         ON CONFLICT (violation) DO UPDATE SET user = ?2, until_us = ?3",
        params![violation.bytes(), user, until.0],
    )?;
    Ok(Ok(Lease { user: user.to_owned(), until }))
}

/// Gives a case free.
pub(crate) fn release(db: &Connection, violation: EventId, user: &str) -> Result<(), IdentityError> {
    db.execute("DELETE FROM leases WHERE violation = ?1 AND user = ?2", params![violation.bytes(), user])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;

    #[test]
    fn a_case_is_with_one_person_until_the_lease_ends() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let database = Database::open(dir.path())?;
        let (id, at) = (EventId::of(&["x"]), UtcUs(1_000_000));
        let take = |user: &str, s: f64| database.with(|db| take(db, id, user, at.plus_s(s)));
        assert!(take("an", 0.0)?.is_ok());
        assert_eq!(take("binh", 1.0)?.map_err(|held| held.user), Err("an".to_owned()));
        assert!(take("an", 100.0)?.is_ok(), "said again");
        assert!(take("binh", 150.0)?.is_err());
        assert!(take("binh", 100.0 + LEASE_S)?.is_ok(), "it ended");
        database.with(|db| release(db, id, "an"))?;
        assert!(take("an", 230.0)?.is_err(), "not hers to release");
        database.with(|db| release(db, id, "binh"))?;
        assert!(take("an", 230.0)?.is_ok());
        Ok(())
    }
}
