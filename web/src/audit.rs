//! Who looked at what and who decided what: append-only, each entry's hash over the one before, so that a changed or
//! removed entry shows.
//!
//! Hash of an entry: SHA-256 over the hash of the entry before (32 zero bytes for the first), then `seq` and `utc_us`
//! as 8 bytes big-endian, then user, action, subject and detail, each led by its length as 8 bytes big-endian.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use sha2::{Digest, Sha256};
use stopline_types::UtcUs;
use utoipa::ToSchema;

use crate::{IdentityError, now};

/// The user written for what was done by command on the machine.
pub(crate) const COMMAND: &str = "(command)";

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Entry {
    /// Counts from 1 without gaps.
    pub(crate) seq: i64,
    /// When.
    pub(crate) utc: UtcUs,
    /// Who.
    pub(crate) user: String,
    /// What was done, in one word.
    pub(crate) action: String,
    /// To what: the id of a violation, a plate pattern, a user name.
    pub(crate) subject: String,
    /// More words.
    pub(crate) detail: String,
}

impl Entry {
    fn hash(&self, before: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(before);
        hash.update(self.seq.to_be_bytes());
        hash.update(self.utc.0.to_be_bytes());
        for text in [&self.user, &self.action, &self.subject, &self.detail] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        hash.finalize().into()
    }
}

const ZERO: [u8; 32] = [0; 32];

/// Writes an entry.
pub(crate) fn append(
    db: &Connection,
    user: &str,
    action: &str,
    subject: &str,
    detail: &str,
) -> Result<(), IdentityError> {
    let last = db
        .query_row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?;
    let (last, before) = last.unwrap_or((0, ZERO.to_vec()));
    let entry = Entry {
        seq: last + 1,
        utc: now(),
        user: user.to_owned(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        detail: detail.to_owned(),
    };
    db.execute(
        "INSERT INTO audit (seq, utc_us, user, action, subject, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![entry.seq, entry.utc.0, user, action, subject, detail, entry.hash(&before)],
    )?;
    Ok(())
}

/// Which entries; what is `None` does not narrow.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) user: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) subject: Option<String>,
}

/// Entries before `before`, newest first.
pub(crate) fn read(db: &Connection, before: i64, limit: u32, wanted: &Wanted) -> Result<Vec<Entry>, IdentityError> {
    let mut query = db.prepare(
        "SELECT seq, utc_us, user, action, subject, detail, hash FROM audit WHERE seq < ?1
         AND (?3 IS NULL OR user = ?3) AND (?4 IS NULL OR action = ?4) AND (?5 IS NULL OR subject = ?5)
         ORDER BY seq DESC LIMIT ?2",
    )?;
    let values = params![before, limit, wanted.user, wanted.action, wanted.subject];
    let rows = query.query_map(values, |row| Ok(entry(row)?.0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Follows the chain from the start. `Ok(Err(seq))`: the first entry that does not fit the one before it.
pub(crate) fn verify(db: &Connection) -> Result<Result<i64, i64>, IdentityError> {
    let mut query = db.prepare("SELECT seq, utc_us, user, action, subject, detail, hash FROM audit ORDER BY seq")?;
    let mut rows = query.query([])?;
    let (mut count, mut before) = (0, ZERO.to_vec());
    while let Some(row) = rows.next()? {
        let (entry, hash) = entry(row)?;
        count += 1;
        if entry.seq != count || entry.hash(&before)[..] != hash {
            return Ok(Err(count));
        }
        before = hash;
    }
    Ok(Ok(count))
}

fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Entry, Vec<u8>)> {
    let entry = Entry {
        seq: row.get(0)?,
        utc: UtcUs(row.get(1)?),
        user: row.get(2)?,
        action: row.get(3)?,
        subject: row.get(4)?,
        detail: row.get(5)?,
    };
    Ok((entry, row.get(6)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;

    #[test]
    fn a_changed_entry_shows() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let database = Database::open(dir.path())?;
        for n in 0..5 {
            database.with(|db| append(db, "an", "case_viewed", &n.to_string(), ""))?;
        }
        assert_eq!(database.with(verify)?, Ok(5));
        assert!(database.with(|db| Ok(db.execute("UPDATE audit SET user = 'x'", [])?)).is_err(), "append-only");
        assert!(database.with(|db| Ok(db.execute("DELETE FROM audit", [])?)).is_err(), "append-only");
        database.with(|db| {
            db.execute_batch("DROP TRIGGER audit_no_update; UPDATE audit SET subject = '9' WHERE seq = 3")?;
            Ok(())
        })?;
        assert_eq!(database.with(verify)?, Err(3));
        Ok(())
    }
}
