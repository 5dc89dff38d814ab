//! Who may come in: users, their passwords, and one-time log-in links. What they may do: `grants`.
//!
//! Passwords are kept as argon2id hashes. There is no default password: nobody can come in until a user was added by
//! command.

use std::{path::Path, time::Duration};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use rusqlite::{Connection, OptionalExtension, params};
use stopline_types::UtcUs;

use crate::{
    IdentityError, audit,
    database::Database,
    grants::{self, Grant, NewGrant},
    now,
    roles::Role,
    secret::Secret,
};

/// Fewest characters of a password.
pub const PASSWORD_MIN: usize = 12;
/// Most bytes of a password: hashing is bounded work.
pub const PASSWORD_MAX: usize = 256;

/// A user as listed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct User {
    /// Unique name: 1 to 64 of `a-z 0-9 . _ -`.
    pub name: String,
    /// What they are for, and where.
    pub grants: Vec<Grant>,
    /// Disabled users cannot come in.
    pub disabled: bool,
    /// When it was added.
    pub created: UtcUs,
}

/// A link that logs its user in once. Whoever has the path can come in: print it, never log it.
#[derive(Clone)]
pub struct LoginLink {
    /// Path and query below the address of the pages, e.g. `/login/link?token=…`.
    pub path: String,
    /// Until when it works.
    pub expires: UtcUs,
}

impl std::fmt::Debug for LoginLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LoginLink(until {})", self.expires)
    }
}

/// The users of an installation. Methods block shortly (SQLite; some 50 ms where a password is hashed).
#[derive(Clone, Debug)]
pub struct Users {
    database: Database,
}

impl Users {
    /// Opens the users kept in `data_dir`, also while the engine runs on the same folder.
    pub fn open(data_dir: &Path) -> Result<Self, IdentityError> {
        Ok(Self { database: Database::open(data_dir)? })
    }

    pub(crate) fn over(database: Database) -> Self {
        Self { database }
    }

    /// Adds a user with one role everywhere and for good.
    pub fn add(&self, name: &str, role: Role, password: &str) -> Result<(), IdentityError> {
        self.add_as(audit::COMMAND, name, role, password)
    }

    pub(crate) fn add_as(&self, by: &str, name: &str, role: Role, password: &str) -> Result<(), IdentityError> {
        check_name(name)?;
        check_password(name, password)?;
        let hash = hash(password)?;
        self.database.with(|db| {
            let added = db.execute(
                "INSERT INTO users (name, role, password_hash, created_us) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                params![name, role.as_str(), hash, now().0],
            )?;
            if added == 0 {
                return Err(IdentityError::UserExists(name.to_owned()));
            }
            grants::add(db, id_of(db, name)?, &NewGrant::everywhere(role))?;
            audit::append(db, by, "user_added", name, role.as_str())
        })
    }

    /// Gives a role, within a scope.
    pub fn grant(&self, name: &str, grant: &NewGrant) -> Result<(), IdentityError> {
        self.database.with(|db| {
            grants::add(db, id_of(db, name)?, grant)?;
            audit::append(db, audit::COMMAND, "grant_added", name, &grant.words())
        })
    }

    /// Takes every role of a user away.
    pub fn revoke_grants(&self, name: &str) -> Result<(), IdentityError> {
        self.database.with(|db| {
            db.execute("DELETE FROM grants WHERE user_id = ?1", [id_of(db, name)?])?;
            audit::append(db, audit::COMMAND, "grants_removed", name, "")
        })
    }

    /// Gives a user another password and ends all of their sessions.
    pub fn set_password(&self, name: &str, password: &str) -> Result<(), IdentityError> {
        self.set_password_as(audit::COMMAND, name, password)
    }

    pub(crate) fn set_password_as(&self, by: &str, name: &str, password: &str) -> Result<(), IdentityError> {
        check_password(name, password)?;
        let hash = hash(password)?;
        self.database.with(|db| {
            let id = id_of(db, name)?;
            db.execute("UPDATE users SET password_hash = ?2 WHERE id = ?1", params![id, hash])?;
            db.execute("DELETE FROM sessions WHERE user_id = ?1", [id])?;
            db.execute("DELETE FROM login_failures WHERE name = ?1", [name])?;
            audit::append(db, by, "password_set", name, "")
        })
    }

    /// Shuts a user out, or lets them in again; shutting out ends all of their sessions at once.
    pub fn set_disabled(&self, name: &str, disabled: bool) -> Result<(), IdentityError> {
        self.set_disabled_as(audit::COMMAND, name, disabled)
    }

    pub(crate) fn set_disabled_as(&self, by: &str, name: &str, disabled: bool) -> Result<(), IdentityError> {
        self.database.with(|db| {
            let id = id_of(db, name)?;
            db.execute("UPDATE users SET disabled = ?2 WHERE id = ?1", params![id, disabled])?;
            if disabled {
                db.execute("DELETE FROM sessions WHERE user_id = ?1", [id])?;
                db.execute("DELETE FROM login_links WHERE user_id = ?1", [id])?;
                db.execute("DELETE FROM tokens WHERE user_id = ?1", [id])?;
            }
            audit::append(db, by, if disabled { "user_disabled" } else { "user_enabled" }, name, "")
        })
    }

    /// All users, by name.
    pub fn list(&self) -> Result<Vec<User>, IdentityError> {
        self.database.with(|db| {
            let mut query = db.prepare("SELECT id, name, disabled, created_us FROM users ORDER BY name")?;
            let rows = query.query_map([], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get(2)?, UtcUs(row.get(3)?)))
            })?;
            rows.map(|row| {
                let (id, name, disabled, created) = row?;
                Ok(User { grants: grants::of(db, id)?, name, disabled, created })
            })
            .collect()
        })
    }

    /// Makes a link that logs `name` in once within `valid_for`.
    pub fn one_time_link(&self, name: &str, valid_for: Duration) -> Result<LoginLink, IdentityError> {
        self.link_as(audit::COMMAND, name, valid_for)
    }

    pub(crate) fn link_as(&self, by: &str, name: &str, valid_for: Duration) -> Result<LoginLink, IdentityError> {
        let token = Secret::random()?;
        let expires = now().plus_s(valid_for.as_secs_f64());
        self.database.with(|db| {
            let id = id_of(db, name)?;
            db.execute("DELETE FROM login_links WHERE expires_us < ?1", [now().0])?;
            db.execute(
                "INSERT INTO login_links (token_sha256, user_id, expires_us) VALUES (?1, ?2, ?3)",
                params![token.sha256(), id, expires.0],
            )?;
            audit::append(db, by, "login_link_made", name, "")
        })?;
        Ok(LoginLink { path: format!("/login/link?token={}", token.text()), expires })
    }

    /// The id of the user whose password this is. Unknown and disabled users cost the same time as a wrong password.
    pub(crate) fn check_password(&self, name: &str, password: &str) -> Result<Option<i64>, IdentityError> {
        let found = self.database.with(|db| {
            Ok(db
                .query_row("SELECT id, password_hash FROM users WHERE name = ?1 AND disabled = 0", [name], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
                })
                .optional()?)
        })?;
        let (id, stored) = match found {
            Some((id, stored)) => (Some(id), stored),
            None => (None, nobody()?),
        };
        let stored = PasswordHash::new(&stored).map_err(|e| IdentityError::Hash(e.to_string()))?;
        let right = Argon2::default().verify_password(password.as_bytes(), &stored).is_ok();
        Ok(id.filter(|_| right))
    }

    /// Uses up a one-time link.
    pub(crate) fn redeem(db: &Connection, token: &Secret, at: UtcUs) -> Result<Option<i64>, IdentityError> {
        Ok(db
            .query_row(
                "UPDATE login_links SET used_us = ?2 WHERE token_sha256 = ?1 AND used_us IS NULL AND expires_us > ?2
                 AND user_id IN (SELECT id FROM users WHERE disabled = 0) RETURNING user_id",
                params![token.sha256(), at.0],
                |row| row.get(0),
            )
            .optional()?)
    }
}

/// A hash nobody's password fits, made once with the same cost as everybody's.
fn nobody() -> Result<String, IdentityError> {
    static NOBODY: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    if let Some(made) = NOBODY.get() {
        return Ok(made.clone());
    }
    let made = hash(&Secret::random()?.text())?;
    Ok(NOBODY.get_or_init(|| made).clone())
}

/// Makes that hash ahead of the first log-in, so that the first unknown name costs no more than later ones.
pub(crate) fn warm_up() -> Result<(), IdentityError> {
    nobody().map(drop)
}

fn hash(password: &str) -> Result<String, IdentityError> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|e| IdentityError::Hash(e.to_string()))?.to_string())
}

pub(crate) fn id_of(db: &Connection, name: &str) -> Result<i64, IdentityError> {
    db.query_row("SELECT id FROM users WHERE name = ?1", [name], |row| row.get(0))
        .optional()?
        .ok_or_else(|| IdentityError::NoUser(name.to_owned()))
}

fn check_name(name: &str) -> Result<(), IdentityError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(IdentityError::UserName(name.to_owned()));
    }
    Ok(())
}

fn check_password(name: &str, password: &str) -> Result<(), IdentityError> {
    if password.chars().count() < PASSWORD_MIN || password.len() > PASSWORD_MAX {
        return Err(IdentityError::PasswordLength);
    }
    let mut characters: Vec<char> = password.chars().collect();
    characters.sort_unstable();
    characters.dedup();
    if password.to_lowercase().contains(&name.to_lowercase()) && name.len() > 3 || characters.len() < 5 {
        return Err(IdentityError::PasswordPlain);
    }
    Ok(())
}
