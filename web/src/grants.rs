//! Who may do what, where and when: roles given to users within an agency, a site group and two dates.
//!
//! An agency owns site groups, a site group holds sites, a camera stands at a site. A grant without agency and group
//! reaches everything. An agency outside its own dates (provinces were merged in 2025) reaches nothing.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use stopline_types::UtcUs;
use utoipa::ToSchema;

use crate::{
    IdentityError,
    roles::{Right, Role},
};

/// A role to be given, within a scope.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    /// The role.
    pub role: Role,
    /// Code of the agency whose sites it reaches; absent: any.
    #[serde(default)]
    pub agency: Option<String>,
    /// Code of the site group it reaches; absent: any.
    #[serde(default)]
    pub site_group: Option<String>,
    /// From when; absent: from now on.
    #[serde(default)]
    pub valid_from: Option<UtcUs>,
    /// Until when; absent: for good.
    #[serde(default)]
    pub valid_to: Option<UtcUs>,
}

impl NewGrant {
    /// A role everywhere, for good.
    #[must_use]
    pub fn everywhere(role: Role) -> Self {
        Self { role, agency: None, site_group: None, valid_from: None, valid_to: None }
    }

    pub(crate) fn words(&self) -> String {
        let mut words = self.role.as_str().to_owned();
        for (name, value) in [("agency", &self.agency), ("group", &self.site_group)] {
            if let Some(value) = value {
                words.push_str(&format!(" {name}={value}"));
            }
        }
        for (name, value) in [("from", self.valid_from), ("to", self.valid_to)] {
            if let Some(value) = value {
                words.push_str(&format!(" {name}={value}"));
            }
        }
        words
    }
}

/// A role as given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Grant {
    /// Its number.
    pub id: i64,
    /// The role.
    pub role: Role,
    /// Code of the agency whose sites it reaches; null: any.
    pub agency: Option<String>,
    /// Code of the site group it reaches; null: any.
    pub site_group: Option<String>,
    /// From when; null: always.
    pub valid_from: Option<UtcUs>,
    /// Until when; null: for good.
    pub valid_to: Option<UtcUs>,
}

/// Where a right holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Everywhere.
    All,
    /// At these sites.
    Sites(BTreeSet<String>),
}

impl Reach {
    pub(crate) fn covers(&self, site: &str) -> bool {
        match self {
            Self::All => true,
            Self::Sites(sites) => sites.contains(site),
        }
    }

    fn widen(&mut self, other: Self) {
        match (self, other) {
            (Self::All, _) => {}
            (this, Self::All) => *this = Self::All,
            (Self::Sites(sites), Self::Sites(more)) => sites.extend(more),
        }
    }
}

/// The rights of a user at a moment, each with its reach.
pub(crate) type Rights = BTreeMap<Right, Reach>;

/// Gives a role.
pub(crate) fn add(db: &Connection, user_id: i64, grant: &NewGrant) -> Result<(), IdentityError> {
    if let Some(agency) = &grant.agency {
        known(db, "SELECT 1 FROM agencies WHERE code = ?1", "agency", agency)?;
    }
    if let Some(group) = &grant.site_group {
        known(db, "SELECT 1 FROM site_groups WHERE code = ?1", "site group", group)?;
    }
    if let (Some(from), Some(to)) = (grant.valid_from, grant.valid_to)
        && from >= to
    {
        return Err(IdentityError::Refused {
            field: "valid_to",
            reason: "expected an instant after valid_from".into(),
        });
    }
    db.execute(
        "INSERT INTO grants (user_id, role, agency, site_group, valid_from_us, valid_to_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            user_id,
            grant.role.as_str(),
            grant.agency,
            grant.site_group,
            grant.valid_from.map(|at| at.0),
            grant.valid_to.map(|at| at.0)
        ],
    )?;
    Ok(())
}

fn known(db: &Connection, sql: &str, what: &'static str, code: &str) -> Result<(), IdentityError> {
    let found = db.query_row(sql, [code], |_| Ok(())).optional()?;
    let field = if what == "agency" { "agency" } else { "site_group" };
    found.ok_or_else(|| IdentityError::Refused { field, reason: format!("there is no {what} {code:?}") })
}

/// The roles given to a user, whatever their dates.
pub(crate) fn of(db: &Connection, user_id: i64) -> Result<Vec<Grant>, IdentityError> {
    let mut query = db.prepare_cached(
        "SELECT id, role, agency, site_group, valid_from_us, valid_to_us FROM grants WHERE user_id = ?1 ORDER BY id",
    )?;
    let rows = query.query_map([user_id], |row| {
        let role: String = row.get(1)?;
        let at = |us: Option<i64>| us.map(UtcUs);
        let (from, to) = (at(row.get(4)?), at(row.get(5)?));
        Ok((row.get::<_, i64>(0)?, role, row.get(2)?, row.get(3)?, from, to))
    })?;
    rows.map(|row| {
        let (id, role, agency, site_group, valid_from, valid_to) = row?;
        let role = Role::parse(&role).ok_or(IdentityError::Role(role))?;
        Ok(Grant { id, role, agency, site_group, valid_from, valid_to })
    })
    .collect()
}

/// What a user may do at `at`, and where.
pub(crate) fn rights_at(db: &Connection, user_id: i64, at: UtcUs) -> Result<(Vec<Role>, Rights), IdentityError> {
    let (mut roles, mut rights) = (Vec::new(), Rights::new());
    for grant in of(db, user_id)? {
        if grant.valid_from.is_some_and(|from| at < from) || grant.valid_to.is_some_and(|to| at >= to) {
            continue;
        }
        let reach = reach(db, &grant, at)?;
        if !roles.contains(&grant.role) {
            roles.push(grant.role);
        }
        for &right in grant.role.rights() {
            rights.entry(right).and_modify(|known| known.widen(reach.clone())).or_insert_with(|| reach.clone());
        }
    }
    Ok((roles, rights))
}

fn reach(db: &Connection, grant: &Grant, at: UtcUs) -> Result<Reach, IdentityError> {
    if grant.agency.is_none() && grant.site_group.is_none() {
        return Ok(Reach::All);
    }
    let mut query = db.prepare_cached(
        "SELECT s.site FROM group_sites s JOIN site_groups g ON g.code = s.group_code
         JOIN agencies a ON a.code = g.agency
         WHERE (?1 IS NULL OR g.agency = ?1) AND (?2 IS NULL OR g.code = ?2)
         AND (a.valid_from_us IS NULL OR a.valid_from_us <= ?3) AND (a.valid_to_us IS NULL OR a.valid_to_us > ?3)",
    )?;
    let rows = query.query_map(params![grant.agency, grant.site_group, at.0], |row| row.get(0))?;
    Ok(Reach::Sites(rows.collect::<Result<_, _>>()?))
}
