//! What every handler shares.

use std::{future::Future, net::IpAddr, sync::Arc, time::Duration};

use tokio::sync::{Semaphore, watch};

use crate::{
    Backend, BackendError, IdentityError, Users, WebConfig, audit, database::Database, limits::Limiter,
    problem::Problem, pseudonym::Pseudonyms, sessions::Account,
};

/// Longest wait for an answer of the backend.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Passwords hashed side by side; each takes a core and 19 MiB for some 50 ms.
const HASHES_AT_ONCE: usize = 2;
/// Live event streams at once; one more is answered with 503.
const STREAMS_AT_ONCE: usize = 256;
/// Live pictures at once: a wall of sixteen for each of a few watchers.
const FILMS_AT_ONCE: usize = 128;

pub(crate) struct App {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) config: WebConfig,
    pub(crate) database: Database,
    pub(crate) users: Users,
    pub(crate) hashing: Semaphore,
    pub(crate) streams: Arc<Semaphore>,
    /// Live pictures being sent.
    pub(crate) films: Arc<Semaphore>,
    pub(crate) per_user: Limiter<i64>,
    pub(crate) per_address: Limiter<Option<IpAddr>>,
    pub(crate) pseudonyms: Pseudonyms,
    /// True once the server is to stop.
    pub(crate) stop: watch::Sender<bool>,
}

impl App {
    pub(crate) fn open(config: WebConfig, backend: Arc<dyn Backend>) -> Result<Self, IdentityError> {
        let database = Database::open(&config.data_dir)?;
        let pseudonyms = database.with(Pseudonyms::open)?;
        Ok(Self {
            backend,
            users: Users::over(database.clone()),
            database,
            pseudonyms,
            per_user: Limiter::new(config.per_user),
            per_address: Limiter::new(config.per_address),
            films: Arc::new(Semaphore::new(FILMS_AT_ONCE)),
            config,
            hashing: Semaphore::new(HASHES_AT_ONCE),
            streams: Arc::new(Semaphore::new(STREAMS_AT_ONCE)),
            stop: watch::Sender::new(false),
        })
    }

    /// Waits for the backend, but not for ever.
    pub(crate) async fn ask<T>(&self, answer: impl Future<Output = Result<T, BackendError>>) -> Result<T, Problem> {
        match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Problem::unavailable(format!("No answer within {} s.", ANSWER_TIMEOUT.as_secs()))),
        }
    }

    /// Writes to the audit log; when that fails the request fails, so nothing is seen unnoticed.
    pub(crate) async fn note(
        &self,
        account: &Account,
        action: &'static str,
        subject: impl Into<String>,
        detail: impl Into<String>,
    ) -> Result<(), Problem> {
        let (user, subject, detail) = (account.name.clone(), subject.into(), detail.into());
        Ok(self.database.run(move |db| audit::append(db, &user, action, &subject, &detail)).await?)
    }
}
