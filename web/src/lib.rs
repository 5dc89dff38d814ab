//! HTTP API, log-in, live events and the pages.
//!
//! Knows cases, passages and cameras only through [`Backend`], which the root binary provides over `store` and
//! `ingest`. Its own memory is one SQLite file: users, sessions, decisions, audit. The API describes itself at
//! `/api/openapi.json`; errors are problem details (RFC 9457).
//!
//! - `backend` the seam
//! - `users`, `sessions`, `tokens`, `secret` who comes in; `roles`, `grants`, `access` what they may; `limits` how often
//! - `decisions`, `case_notes`, `audit` what they decided, noted and looked at; `pseudonym` what analysts see of plates
//! - `api` the routes; `guard` what every request and answer goes through; `pages` the embedded front end

mod access;
mod agencies;
mod api;
mod app;
mod audit;
mod backend;
mod case_notes;
mod database;
mod decisions;
mod grants;
mod guard;
mod limits;
mod live_view;
mod pages;
mod problem;
mod pseudonym;
mod request;
mod roles;
mod secret;
mod sessions;
mod tokens;
mod users;

use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc};

pub use agencies::{Agency, SiteGroup};
pub use backend::{
    Answer, Backend, BackendError, CameraImage, CameraInfo, Certificate, Device, EvidenceFile, Health, LivePacket,
    LivePackets, SceneFault, Storage, StoragePart, StoreState,
};
pub use grants::{Grant, NewGrant};
pub use limits::RateLimit;
pub use roles::{Right, Role};
use stopline_types::{RuleKind, UtcUs};
pub use users::{LoginLink, PASSWORD_MAX, PASSWORD_MIN, User, Users};

use crate::app::App;

/// What went wrong with users, sessions, decisions or the audit log.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The data folder cannot be used.
    #[error("data folder {dir}: {source}", dir = dir.display())]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("web.sqlite: {0}")]
    Database(#[from] rusqlite::Error),
    /// The file was written by a newer version.
    #[error("web.sqlite has version {found}, this program knows versions up to {known}")]
    Newer {
        /// Version of the file.
        found: u32,
        /// Highest version known.
        known: u32,
    },
    /// A row holds what this program never writes.
    #[error("web.sqlite: {0}")]
    Row(String),
    /// A role this version does not know.
    #[error("role {0:?}: expected viewer, reviewer, approver, analyst, operator, auditor or admin")]
    Role(String),
    /// The name cannot be used.
    #[error("user name {0:?}: expected 1 to 64 of a-z, 0-9, '.', '_', '-'")]
    UserName(String),
    /// The name is taken.
    #[error("user {0:?} exists already")]
    UserExists(String),
    /// No such user.
    #[error("no user {0:?}")]
    NoUser(String),
    /// Too short or too long.
    #[error("password: expected {PASSWORD_MIN} characters to {PASSWORD_MAX} bytes")]
    PasswordLength,
    /// Guessed at once.
    #[error("password: holds the user name, or fewer than 5 different characters")]
    PasswordPlain,
    /// A hash could not be made or read.
    #[error("password hash: {0}")]
    Hash(String),
    /// The system gave no random bits.
    #[error("no random numbers from the system")]
    Random,
    /// A value that does not fit what there is.
    #[error("{field}: {reason}")]
    Refused {
        /// Which value.
        field: &'static str,
        /// Why.
        reason: String,
    },
    /// The program is stopping.
    #[error("interrupted")]
    Interrupted,
}

/// How the pages are served.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// Folder of the SQLite file; made if missing, readable by its owner only.
    pub data_dir: PathBuf,
    /// True when people reach the pages by HTTPS: cookies are then sent over HTTPS only, and browsers told to insist.
    pub secure_cookies: bool,
    /// Hours after which a session ends, whatever happens in it.
    pub session_hours: f64,
    /// Calendar days (UTC+7) from detection to the notice: Circular 73/2024/TT-BCA Art. 24 has 10.
    pub deadline_days: u32,
    /// Largest error of a violation's time, milliseconds, with which it can be confirmed. `None`: any, also unknown.
    pub max_time_error_ms: Option<f64>,
    /// Rules whose violations a second person must confirm.
    pub second_approval: Vec<RuleKind>,
    /// A second person must confirm where the highest fine is above this, VND; `None`: whatever the fine.
    pub second_approval_above_vnd: Option<u64>,
    /// Rules whose violations need a device certificate valid on the day of the act.
    pub certified: Vec<RuleKind>,
    /// Requests of one user.
    pub per_user: RateLimit,
    /// Requests of one address by people who are not signed in.
    pub per_address: RateLimit,
}

impl WebConfig {
    /// The defaults: HTTPS, sessions of 12 hours, 10 days, any time error.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            secure_cookies: true,
            session_hours: 12.0,
            deadline_days: 10,
            max_time_error_ms: None,
            second_approval: Vec::new(),
            second_approval_above_vnd: None,
            certified: Vec::new(),
            per_user: RateLimit { burst: 600.0, per_s: 60.0 },
            per_address: RateLimit { burst: 120.0, per_s: 10.0 },
        }
    }
}

/// The API and the pages over a backend.
#[derive(Clone)]
pub struct Web {
    app: Arc<App>,
    router: axum::Router,
}

impl Web {
    /// Opens the data folder. Hashes one password, so it takes some 50 ms.
    pub fn new(config: WebConfig, backend: Arc<dyn Backend>) -> Result<Self, IdentityError> {
        users::warm_up()?;
        let app = Arc::new(App::open(config, backend)?);
        let router = guard::wrap(&app, api::router(&app).merge(pages::router()));
        Ok(Self { app, router })
    }

    /// The users, over the same database.
    #[must_use]
    pub fn users(&self) -> Users {
        self.app.users.clone()
    }

    /// Everything that answers requests, for tests without a socket.
    pub fn router(&self) -> axum::Router {
        self.router.clone()
    }

    /// The description of the API, OpenAPI 3.1 JSON.
    #[must_use]
    pub fn openapi() -> String {
        api::openapi_json()
    }

    /// Follows the chain of the audit log: the number of entries, or inside `Err` the first that does not fit.
    pub fn verify_audit(&self) -> Result<Result<i64, i64>, IdentityError> {
        self.app.database.with(audit::verify)
    }

    /// Serves until `shutdown` completes, then lets running requests end (live event streams are ended). Meanwhile
    /// decisions that a crash or a full disk kept from the durable path are handed over again.
    pub async fn serve(
        self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let handing_over = tokio::spawn(api::decide::hand_over(self.app.clone()));
        let app = self.app.clone();
        let stop = async move {
            shutdown.await;
            app.stop.send_replace(true);
        };
        let served = axum::serve(listener, self.router.into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(stop)
            .await;
        self.app.stop.send_replace(true);
        if let Err(error) = handing_over.await {
            tracing::error!(%error, "handing over decisions ended early");
        }
        served
    }
}

/// The wall clock.
pub(crate) fn now() -> UtcUs {
    std::time::SystemTime::now().into()
}
