//! Agencies with their dates, the site groups they own, the sites in them. Agencies are data: provinces and districts
//! were merged in 2025, so an agency begins and ends, and its site groups move to its successor.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use stopline_types::UtcUs;
use utoipa::ToSchema;

use crate::IdentityError;

/// Characters of a code, and of a name, at most.
const CODE_MAX: usize = 32;
const NAME_MAX: usize = 200;
/// Sites in one group at most.
const SITES_MAX: usize = 1000;

/// An agency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Agency {
    /// Its code, e.g. `H33` of Decision 20/2020/QĐ-TTg.
    pub code: String,
    /// Its name.
    pub name: String,
    /// From when it is competent; null: always was.
    pub valid_from: Option<UtcUs>,
    /// Until when; null: still is.
    pub valid_to: Option<UtcUs>,
    /// The site groups it owns.
    pub groups: Vec<SiteGroup>,
}

/// Sites that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SiteGroup {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The sites, as camera files name them.
    pub sites: Vec<String>,
}

/// All agencies with their groups.
pub(crate) fn list(db: &Connection) -> Result<Vec<Agency>, IdentityError> {
    let mut query = db.prepare("SELECT code, name, valid_from_us, valid_to_us FROM agencies ORDER BY code")?;
    let rows = query.query_map([], |row| {
        let at = |us: Option<i64>| us.map(UtcUs);
        Ok(Agency {
            code: row.get(0)?,
            name: row.get(1)?,
            valid_from: at(row.get(2)?),
            valid_to: at(row.get(3)?),
            groups: Vec::new(),
        })
    })?;
    let mut agencies = rows.collect::<Result<Vec<Agency>, _>>()?;
    for agency in &mut agencies {
        let mut query = db.prepare_cached("SELECT code, name FROM site_groups WHERE agency = ?1 ORDER BY code")?;
        let rows = query.query_map([&agency.code], |row| {
            Ok(SiteGroup { code: row.get(0)?, name: row.get(1)?, sites: Vec::new() })
        })?;
        agency.groups = rows.collect::<Result<_, _>>()?;
        for group in &mut agency.groups {
            let mut query = db.prepare_cached("SELECT site FROM group_sites WHERE group_code = ?1 ORDER BY site")?;
            group.sites = query.query_map([&group.code], |row| row.get(0))?.collect::<Result<_, _>>()?;
        }
    }
    Ok(agencies)
}

/// Makes an agency or changes it.
pub(crate) fn put(
    db: &Connection,
    code: &str,
    name: &str,
    valid_from: Option<UtcUs>,
    valid_to: Option<UtcUs>,
) -> Result<(), IdentityError> {
    check(code, name)?;
    if let (Some(from), Some(to)) = (valid_from, valid_to)
        && from >= to
    {
        return Err(refused("valid_to", "expected an instant after valid_from"));
    }
    db.execute(
        "INSERT INTO agencies (code, name, valid_from_us, valid_to_us) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (code) DO UPDATE SET name = ?2, valid_from_us = ?3, valid_to_us = ?4",
        params![code, name, valid_from.map(|at| at.0), valid_to.map(|at| at.0)],
    )?;
    Ok(())
}

/// Makes a site group or changes it.
pub(crate) fn put_group(
    db: &Connection,
    code: &str,
    name: &str,
    agency: &str,
    sites: &[String],
) -> Result<(), IdentityError> {
    check(code, name)?;
    if sites.len() > SITES_MAX || sites.iter().any(|site| site.is_empty() || site.chars().count() > NAME_MAX) {
        let reason = format!("expected at most {SITES_MAX} names of 1 to {NAME_MAX} characters");
        return Err(IdentityError::Refused { field: "sites", reason });
    }
    if !exists(db, agency)? {
        return Err(refused("agency", "there is no such agency"));
    }
    db.execute(
        "INSERT INTO site_groups (code, name, agency) VALUES (?1, ?2, ?3)
         ON CONFLICT (code) DO UPDATE SET name = ?2, agency = ?3",
        [code, name, agency],
    )?;
    db.execute("DELETE FROM group_sites WHERE group_code = ?1", [code])?;
    for site in sites {
        db.execute("INSERT INTO group_sites (group_code, site) VALUES (?1, ?2) ON CONFLICT DO NOTHING", [code, site])?;
    }
    Ok(())
}

/// Removes a site group that no grant names. False: there is none.
pub(crate) fn remove_group(db: &Connection, code: &str) -> Result<bool, IdentityError> {
    let used: i64 = db.query_row("SELECT count(*) FROM grants WHERE site_group = ?1", [code], |row| row.get(0))?;
    if used > 0 {
        return Err(IdentityError::Refused { field: "code", reason: format!("{used} roles are bound to it") });
    }
    Ok(db.execute("DELETE FROM site_groups WHERE code = ?1", [code])? == 1)
}

/// Whether there is such an agency.
pub(crate) fn exists(db: &Connection, code: &str) -> Result<bool, IdentityError> {
    Ok(db.query_row("SELECT 1 FROM agencies WHERE code = ?1", [code], |_| Ok(())).optional()?.is_some())
}

fn check(code: &str, name: &str) -> Result<(), IdentityError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if code.is_empty() || code.len() > CODE_MAX || !code.chars().all(plain) {
        return Err(refused("code", "expected 1 to 32 of A-Z, a-z, 0-9, '.', '_', '-'"));
    }
    if name.trim().is_empty() || name.chars().count() > NAME_MAX {
        return Err(refused("name", "expected 1 to 200 characters"));
    }
    Ok(())
}

fn refused(field: &'static str, reason: &str) -> IdentityError {
    IdentityError::Refused { field, reason: reason.to_owned() }
}
