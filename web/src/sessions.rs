//! Sessions and the lock-out after failed log-ins.

use rusqlite::{Connection, OptionalExtension, params};
use stopline_types::UtcUs;

use crate::{
    IdentityError,
    secret::Secret,
    users::{Right, Role, role_of},
};

/// Failures in a row that cost nothing but the attempt.
const FREE_FAILURES: u32 = 5;
/// The first lock after them; doubles with each further failure.
const FIRST_LOCK_S: f64 = 15.0;
/// The longest lock.
const LONGEST_LOCK_S: f64 = 900.0;
/// Failures older than this are forgotten.
const FORGET_AFTER_S: f64 = 86_400.0;
/// Names remembered at most: attempts with made-up names must not fill the disk. The oldest go first.
const NAMES_AT_MOST: u32 = 10_000;

/// The user behind a request.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) role: Role,
}

impl Account {
    pub(crate) fn may(&self, right: Right) -> bool {
        self.role.may(right)
    }
}

/// Starts a session of `user_id`; the token is for the cookie.
pub(crate) fn create(db: &Connection, user_id: i64, at: UtcUs, lasts_s: f64) -> Result<Secret, IdentityError> {
    let token = Secret::random()?;
    db.execute("DELETE FROM sessions WHERE expires_us <= ?1", [at.0])?;
    db.execute(
        "INSERT INTO sessions (token_sha256, user_id, created_us, expires_us) VALUES (?1, ?2, ?3, ?4)",
        params![token.sha256(), user_id, at.0, at.plus_s(lasts_s).0],
    )?;
    Ok(token)
}

/// The user of a session that has not ended. The role is read each time, so a change holds at once.
pub(crate) fn find(db: &Connection, token: &Secret, at: UtcUs) -> Result<Option<Account>, IdentityError> {
    let found = db
        .prepare_cached(
            "SELECT u.name, u.role FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.token_sha256 = ?1 AND s.expires_us > ?2 AND u.disabled = 0",
        )?
        .query_row(params![token.sha256(), at.0], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    found.map(|(name, role)| Ok(Account { name, role: role_of(&role)? })).transpose()
}

/// Ends a session.
pub(crate) fn revoke(db: &Connection, token: &Secret) -> Result<(), IdentityError> {
    db.execute("DELETE FROM sessions WHERE token_sha256 = ?1", [token.sha256()])?;
    Ok(())
}

/// Name and role of a user by id.
pub(crate) fn account(db: &Connection, user_id: i64) -> Result<Account, IdentityError> {
    let (name, role) = db.query_row("SELECT name, role FROM users WHERE id = ?1", [user_id], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    Ok(Account { name, role: role_of(&role)? })
}

/// Counts an attempt for `name` before its password is looked at, so that attempts side by side all count.
/// `Err(seconds)` inside: locked for so long; the attempt is refused. Names that are nobody's lock alike.
pub(crate) fn begin_attempt(db: &Connection, name: &str, at: UtcUs) -> Result<Result<(), u64>, IdentityError> {
    db.execute("DELETE FROM login_failures WHERE last_us < ?1", [at.plus_s(-FORGET_AFTER_S).0])?;
    let (failures, locked_until) = db
        .query_row("SELECT failures, locked_until_us FROM login_failures WHERE name = ?1", [name], |row| {
            Ok((row.get::<_, u32>(0)?, UtcUs(row.get(1)?)))
        })
        .optional()?
        .unwrap_or((0, UtcUs(0)));
    if locked_until > at {
        return Ok(Err(locked_until.since_s(at).ceil() as u64));
    }
    let failures = failures.saturating_add(1);
    let lock_s = match failures.checked_sub(FREE_FAILURES) {
        None => 0.0,
        Some(over) => (FIRST_LOCK_S * 2f64.powi(over.min(16) as i32)).min(LONGEST_LOCK_S),
    };
    db.execute(
        "INSERT INTO login_failures (name, failures, last_us, locked_until_us) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE SET failures = ?2, last_us = ?3, locked_until_us = ?4",
        params![name, failures, at.0, at.plus_s(lock_s).0],
    )?;
    db.execute(
        "DELETE FROM login_failures WHERE name IN (SELECT name FROM login_failures ORDER BY last_us DESC LIMIT -1 OFFSET ?1)",
        [NAMES_AT_MOST],
    )?;
    Ok(Ok(()))
}

/// Forgets the failures of `name` after a right password.
pub(crate) fn attempt_succeeded(db: &Connection, name: &str) -> Result<(), IdentityError> {
    db.execute("DELETE FROM login_failures WHERE name = ?1", [name])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Users, database::Database};

    #[test]
    fn locks_grow_and_end() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let database = Database::open(dir.path())?;
        let mut at = UtcUs(1_000_000_000_000);
        let attempt = |at: UtcUs| database.with(|db| begin_attempt(db, "an", at));
        for _ in 0..FREE_FAILURES {
            assert_eq!(attempt(at)?, Ok(()));
        }
        assert_eq!(attempt(at)?, Err(15));
        assert_eq!(database.with(|db| begin_attempt(db, "binh", at))?, Ok(()), "only that name");
        at = at.plus_s(15.0);
        assert_eq!(attempt(at)?, Ok(()));
        assert_eq!(attempt(at)?, Err(30));
        at = at.plus_s(30.0);
        for _ in 0..20 {
            assert_eq!(attempt(at)?, Ok(()));
            let wait = attempt(at)?.expect_err("locked again");
            assert!((30..=900).contains(&wait), "{wait}");
            at = at.plus_s(wait as f64);
        }
        database.with(|db| attempt_succeeded(db, "an"))?;
        assert_eq!(attempt(at)?, Ok(()));
        assert_eq!(attempt(at)?, Ok(()));
        Ok(())
    }

    #[test]
    fn sessions_end() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let users = Users::open(dir.path())?;
        users.add("an", Role::Reviewer, "a long enough word")?;
        let database = Database::open(dir.path())?;
        let at = UtcUs(5_000_000);
        let token = database.with(|db| create(db, 1, at, 60.0))?;
        let find_at = |s: f64| database.with(|db| find(db, &token, at.plus_s(s)));
        assert_eq!(find_at(59.0)?.map(|a| a.role), Some(Role::Reviewer));
        assert!(find_at(60.0)?.is_none(), "expired");
        users.set_disabled("an", true)?;
        assert!(find_at(1.0)?.is_none(), "shut out at once");
        Ok(())
    }
}
