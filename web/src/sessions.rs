//! Sessions, what their users may do, and the lock-out after failed log-ins.

use rusqlite::{Connection, OptionalExtension, params};
use stopline_types::UtcUs;

use crate::{
    IdentityError,
    grants::{self, Reach, Rights},
    roles::{Right, Role},
    secret::Secret,
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

/// How a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// By a session, whose number this is.
    Session(i64),
    /// By an API token, whose number this is.
    Token(i64),
}

/// The user behind a request, with what they may do now.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) roles: Vec<Role>,
    pub(crate) rights: Rights,
    pub(crate) door: Door,
}

impl Account {
    pub(crate) fn may(&self, right: Right) -> bool {
        self.rights.contains_key(&right)
    }

    /// Whether a right holds at a site.
    pub(crate) fn may_at(&self, right: Right, site: &str) -> bool {
        self.rights.get(&right).is_some_and(|reach| reach.covers(site))
    }

    pub(crate) fn reach(&self, right: Right) -> Reach {
        self.rights.get(&right).cloned().unwrap_or(Reach::Sites(Default::default()))
    }
}

/// Pause between two notes of when a session was last seen, seconds: reading must not write each time.
const SEEN_EVERY_S: f64 = 60.0;

/// Starts a session of `user_id`; the token is for the cookie. `agent` is what the browser calls itself.
pub(crate) fn create(
    db: &Connection,
    user_id: i64,
    at: UtcUs,
    lasts_s: f64,
    agent: &str,
) -> Result<Secret, IdentityError> {
    let token = Secret::random()?;
    db.execute("DELETE FROM sessions WHERE expires_us <= ?1", [at.0])?;
    let agent: String = agent.chars().take(200).collect();
    db.execute(
        "INSERT INTO sessions (token_sha256, user_id, created_us, expires_us, seen_us, agent)
         VALUES (?1, ?2, ?3, ?4, ?3, ?5)",
        params![token.sha256(), user_id, at.0, at.plus_s(lasts_s).0, agent],
    )?;
    Ok(token)
}

/// The user of a session that has not ended. Rights are read each time, so a change holds at once.
pub(crate) fn find(db: &Connection, token: &Secret, at: UtcUs) -> Result<Option<Account>, IdentityError> {
    let found = db
        .prepare_cached(
            "SELECT u.id, s.rowid, s.seen_us FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.token_sha256 = ?1 AND s.expires_us > ?2 AND u.disabled = 0",
        )?
        .query_row(params![token.sha256(), at.0], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, UtcUs(row.get(2)?)))
        })
        .optional()?;
    let Some((user_id, session, seen)) = found else { return Ok(None) };
    if at.since_s(seen) > SEEN_EVERY_S {
        db.execute("UPDATE sessions SET seen_us = ?2 WHERE rowid = ?1", params![session, at.0])?;
    }
    account(db, user_id, Door::Session(session), at).map(Some)
}

/// A user by number, with what they may do at `at`.
pub(crate) fn account(db: &Connection, user_id: i64, door: Door, at: UtcUs) -> Result<Account, IdentityError> {
    let name = db.query_row("SELECT name FROM users WHERE id = ?1", [user_id], |row| row.get(0))?;
    let (roles, rights) = grants::rights_at(db, user_id, at)?;
    Ok(Account { id: user_id, name, roles, rights, door })
}

/// User and rights of a session by its number; `None`: it has ended.
pub(crate) fn rights_of(db: &Connection, session: i64, at: UtcUs) -> Result<Option<(i64, Rights)>, IdentityError> {
    let user: Option<i64> = db
        .query_row(
            "SELECT u.id FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.rowid = ?1 AND s.expires_us > ?2 AND u.disabled = 0",
            params![session, at.0],
            |row| row.get(0),
        )
        .optional()?;
    user.map(|user| Ok((user, grants::rights_at(db, user, at)?.1))).transpose()
}

/// A session as its user sees it.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct SessionView {
    /// Its number.
    id: i64,
    /// When it began.
    created: UtcUs,
    /// When it was last used, within a minute.
    seen: UtcUs,
    /// When it ends by itself.
    expires: UtcUs,
    /// What the browser called itself.
    agent: String,
    /// True for the session that asks.
    current: bool,
}

/// The sessions of a user that have not ended, newest first.
pub(crate) fn list(db: &Connection, user_id: i64, door: Door, at: UtcUs) -> Result<Vec<SessionView>, IdentityError> {
    let mut query = db.prepare(
        "SELECT rowid, created_us, seen_us, expires_us, agent FROM sessions
         WHERE user_id = ?1 AND expires_us > ?2 ORDER BY created_us DESC",
    )?;
    let rows = query.query_map(params![user_id, at.0], |row| {
        let id = row.get(0)?;
        Ok(SessionView {
            id,
            created: UtcUs(row.get(1)?),
            seen: UtcUs(row.get(2)?),
            expires: UtcUs(row.get(3)?),
            agent: row.get(4)?,
            current: door == Door::Session(id),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Ends one session of a user by its number. False: there is none.
pub(crate) fn revoke_one(db: &Connection, user_id: i64, session: i64) -> Result<bool, IdentityError> {
    Ok(db.execute("DELETE FROM sessions WHERE user_id = ?1 AND rowid = ?2", [user_id, session])? == 1)
}

/// Ends a session.
pub(crate) fn revoke(db: &Connection, token: &Secret) -> Result<(), IdentityError> {
    db.execute("DELETE FROM sessions WHERE token_sha256 = ?1", [token.sha256()])?;
    Ok(())
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
        let token = database.with(|db| create(db, 1, at, 60.0, "test"))?;
        let find_at = |s: f64| database.with(|db| find(db, &token, at.plus_s(s)));
        assert_eq!(find_at(59.0)?.map(|a| a.roles), Some(vec![Role::Reviewer]));
        assert!(find_at(60.0)?.is_none(), "expired");
        users.set_disabled("an", true)?;
        assert!(find_at(1.0)?.is_none(), "shut out at once");
        Ok(())
    }
}
