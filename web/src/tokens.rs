//! API tokens: what another system signs in with. A token acts for the user who made it, with a part of that user's
//! rights, until it expires or is taken back. Only its hash is kept.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use stopline_types::UtcUs;
use utoipa::ToSchema;

use crate::{
    IdentityError,
    grants::{self, Rights},
    roles::Right,
    secret::Secret,
    sessions::{self, Account, Door},
};

/// What a token begins with, so that a scanner of sources and logs can tell one.
pub(crate) const PREFIX: &str = "stopline_";
/// Tokens of one user at most.
const MOST: i64 = 50;
const SEEN_EVERY_US: i64 = 60_000_000;

/// A token as its user sees it; the token itself is shown once, when it is made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenView {
    /// Its number.
    id: i64,
    /// What it is for.
    name: String,
    /// What it allows, as far as its user still may.
    rights: Vec<Right>,
    /// When it was made.
    created: UtcUs,
    /// When it ends.
    expires: UtcUs,
    /// When it was last used, within a minute; null: never.
    seen: Option<UtcUs>,
}

/// Makes a token.
pub(crate) fn create(
    db: &Connection,
    user_id: i64,
    name: &str,
    rights: &[Right],
    at: UtcUs,
    expires: UtcUs,
) -> Result<(i64, String), IdentityError> {
    let held: i64 = db.query_row("SELECT count(*) FROM tokens WHERE user_id = ?1", [user_id], |row| row.get(0))?;
    if held >= MOST {
        let reason = format!("there are {MOST} already; take one back first");
        return Err(IdentityError::Refused { field: "name", reason });
    }
    let secret = Secret::random()?;
    let words: Vec<&str> = rights.iter().map(|right| right.as_str()).collect();
    db.execute(
        "INSERT INTO tokens (token_sha256, user_id, name, rights, created_us, expires_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![secret.sha256(), user_id, name, words.join(" "), at.0, expires.0],
    )?;
    Ok((db.last_insert_rowid(), format!("{PREFIX}{}", secret.text())))
}

/// The user of a token that has not ended, with no more rights than the token has.
pub(crate) fn find(db: &Connection, text: &str, at: UtcUs) -> Result<Option<Account>, IdentityError> {
    let Some(secret) = text.strip_prefix(PREFIX).and_then(Secret::parse) else { return Ok(None) };
    let found = db
        .prepare_cached(
            "SELECT t.id, t.user_id, t.rights, t.seen_us FROM tokens t JOIN users u ON u.id = t.user_id
             WHERE t.token_sha256 = ?1 AND t.expires_us > ?2 AND u.disabled = 0",
        )?
        .query_row(params![secret.sha256(), at.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get::<_, Option<i64>>(3)?))
        })
        .optional()?;
    let Some((id, user_id, words, seen)) = found else { return Ok(None) };
    if seen.is_none_or(|seen| at.0 - seen > SEEN_EVERY_US) {
        db.execute("UPDATE tokens SET seen_us = ?2 WHERE id = ?1", params![id, at.0])?;
    }
    let mut account = sessions::account(db, user_id, Door::Token(id), at)?;
    let allowed = rights(&words);
    account.rights.retain(|right, _| allowed.contains(right));
    Ok(Some(account))
}

/// User and rights of a token by its number; `None`: it has ended.
pub(crate) fn rights_of(db: &Connection, token: i64, at: UtcUs) -> Result<Option<(i64, Rights)>, IdentityError> {
    let found = db
        .query_row(
            "SELECT u.id, t.rights FROM tokens t JOIN users u ON u.id = t.user_id
             WHERE t.id = ?1 AND t.expires_us > ?2 AND u.disabled = 0",
            params![token, at.0],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
        )
        .optional()?;
    found
        .map(|(user, words)| {
            let mut held = grants::rights_at(db, user, at)?.1;
            let allowed = rights(&words);
            held.retain(|right, _| allowed.contains(right));
            Ok((user, held))
        })
        .transpose()
}

fn rights(words: &str) -> Vec<Right> {
    // A right this version does not know allows nothing.
    words.split(' ').filter_map(Right::parse).collect()
}

/// The tokens of a user, newest first.
pub(crate) fn list(db: &Connection, user_id: i64) -> Result<Vec<TokenView>, IdentityError> {
    let mut query = db.prepare(
        "SELECT id, name, rights, created_us, expires_us, seen_us FROM tokens WHERE user_id = ?1 ORDER BY id DESC",
    )?;
    let rows = query.query_map([user_id], |row| {
        Ok(TokenView {
            id: row.get(0)?,
            name: row.get(1)?,
            rights: rights(&row.get::<_, String>(2)?),
            created: UtcUs(row.get(3)?),
            expires: UtcUs(row.get(4)?),
            seen: row.get::<_, Option<i64>>(5)?.map(UtcUs),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Takes a token back. False: there is none.
pub(crate) fn revoke(db: &Connection, user_id: i64, token: i64) -> Result<bool, IdentityError> {
    Ok(db.execute("DELETE FROM tokens WHERE user_id = ?1 AND id = ?2", [user_id, token])? == 1)
}
