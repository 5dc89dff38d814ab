//! Roles and what they allow. Handlers ask for a right, never for a role, so a new role changes one table.

use serde::{Deserialize, Serialize};

/// What a user is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Watches the wall and reads cases.
    Viewer,
    /// Decides about violations.
    Reviewer,
    /// Decides, gives the second approval, takes back and transfers.
    Approver,
    /// Reads the history under pseudonyms, and its figures.
    Analyst,
    /// Looks after cameras: scenes, rules, storage.
    Operator,
    /// Reads the audit log.
    Auditor,
    /// Looks after users and agencies.
    Admin,
}

/// Something a role may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// See cameras, their pictures and streams, and events as they happen.
    Watch,
    /// See cases and their evidence.
    ReadCases,
    /// Confirm, reject, escalate, and take back one's own decision.
    Decide,
    /// Give the second approval.
    Approve,
    /// Take back another's decision.
    ReopenAny,
    /// Hand a case to another unit.
    Transfer,
    /// Read passages.
    ReadHistory,
    /// Search by plate.
    SearchPlates,
    /// See plates instead of pseudonyms.
    Unmask,
    /// Read figures.
    ReadFigures,
    /// Take lists away as files.
    Export,
    /// Change scenes and rules; see storage.
    Operate,
    /// Change users, agencies and site groups.
    ManageUsers,
    /// Read the audit log.
    ReadAudit,
}

impl Right {
    /// All rights.
    pub const ALL: [Self; 14] = [
        Self::Watch,
        Self::ReadCases,
        Self::Decide,
        Self::Approve,
        Self::ReopenAny,
        Self::Transfer,
        Self::ReadHistory,
        Self::SearchPlates,
        Self::Unmask,
        Self::ReadFigures,
        Self::Export,
        Self::Operate,
        Self::ManageUsers,
        Self::ReadAudit,
    ];

    /// The word used in JSON and the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::ReadCases => "read_cases",
            Self::Decide => "decide",
            Self::Approve => "approve",
            Self::ReopenAny => "reopen_any",
            Self::Transfer => "transfer",
            Self::ReadHistory => "read_history",
            Self::SearchPlates => "search_plates",
            Self::Unmask => "unmask",
            Self::ReadFigures => "read_figures",
            Self::Export => "export",
            Self::Operate => "operate",
            Self::ManageUsers => "manage_users",
            Self::ReadAudit => "read_audit",
        }
    }

    /// From its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.as_str() == word)
    }
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 7] =
        [Self::Viewer, Self::Reviewer, Self::Approver, Self::Analyst, Self::Operator, Self::Auditor, Self::Admin];

    /// The word used in commands, JSON and the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Reviewer => "reviewer",
            Self::Approver => "approver",
            Self::Analyst => "analyst",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    /// From its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// What it allows.
    #[must_use]
    pub fn rights(self) -> &'static [Right] {
        use Right::{
            Approve, Decide, Export, ManageUsers, Operate, ReadAudit, ReadCases, ReadFigures, ReadHistory, ReopenAny,
            SearchPlates, Transfer, Unmask, Watch,
        };
        match self {
            Self::Viewer => &[Watch, ReadCases, ReadFigures],
            Self::Reviewer => &[Watch, ReadCases, Decide, ReadHistory, SearchPlates, Unmask, ReadFigures],
            Self::Approver => &[
                Watch,
                ReadCases,
                Decide,
                Approve,
                ReopenAny,
                Transfer,
                ReadHistory,
                SearchPlates,
                Unmask,
                ReadFigures,
                Export,
            ],
            Self::Analyst => &[Watch, ReadHistory, ReadFigures, Export],
            Self::Operator => &[Watch, ReadFigures, Operate],
            // Who checks the others neither decides nor gives rights.
            Self::Auditor => &[ReadAudit],
            // Who gives rights reads neither cases nor plates with them.
            Self::Admin => &[Watch, ReadFigures, ManageUsers],
        }
    }

    /// Whether it allows `right`.
    #[must_use]
    pub fn may(self, right: Right) -> bool {
        self.rights().contains(&right)
    }
}
