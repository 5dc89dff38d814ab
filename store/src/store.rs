//! The one client of ClickHouse.

use std::{fmt, future::Future, path::PathBuf, time::Duration};

use clickhouse::{Client, Compression};

/// How long a query may take.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// How to reach ClickHouse.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// E.g. `http://127.0.0.1:8123`. Credentials do not belong here.
    pub url: String,
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
    /// Database of our tables.
    pub database: String,
    /// For https: the only certificates to trust (PEM); the system's own unless given.
    pub ca_file: Option<PathBuf>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, user, password: _, database, ca_file } = self;
        f.debug_struct("Endpoint")
            .field("url", url)
            .field("user", user)
            .field("database", database)
            .field("ca_file", ca_file)
            .finish()
    }
}

/// What can go wrong with ClickHouse.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address is no http or https URL, or holds credentials.
    #[error("ClickHouse address: {0}")]
    Address(String),
    /// TLS cannot be set up as asked.
    #[error("ClickHouse over TLS: {0}")]
    Tls(String),
    /// ClickHouse refused, or could not be reached.
    #[error("ClickHouse: {doing}: {source}")]
    ClickHouse {
        /// What was being done.
        doing: String,
        /// The cause.
        source: clickhouse::error::Error,
    },
    /// No answer in time.
    #[error("ClickHouse: {doing}: no answer within {} s", after.as_secs())]
    Timeout {
        /// What was being done.
        doing: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// A stored row does not hold what this program writes.
    #[error("ClickHouse: {table}: a row does not read as this program writes it: {reason}")]
    Row {
        /// The table.
        table: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A thread or its runtime could not be started.
    #[error("starting a thread: {0}")]
    Thread(String),
    /// The database was migrated by something else than this program.
    #[error("ClickHouse: migration {version} {name:?}: {reason}")]
    Migration {
        /// Its number.
        version: u32,
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// ClickHouse with our tables. Cheap to clone. Connections are made when needed and belong to the async runtime that
/// made them.
#[derive(Clone)]
pub struct Store {
    client: Client,
    endpoint: Endpoint,
}

impl Store {
    /// Checks the address and makes a client. Does not connect yet.
    pub fn connect(endpoint: &Endpoint) -> Result<Self, StoreError> {
        let url = url::Url::parse(&endpoint.url).map_err(|error| StoreError::Address(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(StoreError::Address(format!("{:?} is neither http nor https", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(StoreError::Address("user and password belong in their own settings".to_owned()));
        }
        // On loopback compression costs more than it saves, and the embedded engine does not take it.
        let loopback = match url.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => return Err(StoreError::Address("no host".to_owned())),
        };
        let client = match (url.scheme(), &endpoint.ca_file) {
            ("https", ca_file) => crate::tls::client(ca_file.as_deref())?,
            (_, Some(_)) => return Err(StoreError::Tls("a CA is given, but the address is http".to_owned())),
            (_, None) => Client::default(),
        };
        let client = client
            .with_url(&endpoint.url)
            .with_user(&endpoint.user)
            .with_password(&endpoint.password)
            .with_database(&endpoint.database)
            .with_compression(if loopback { Compression::None } else { Compression::Lz4 })
            .with_validation(true)
            // Batches are ours, and an answer must mean done.
            .with_setting("async_insert", "0")
            .with_setting("wait_end_of_query", "1");
        Ok(Self { client, endpoint: endpoint.clone() })
    }

    /// Where it is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// ClickHouse's version: shows that it answers.
    pub async fn version(&self) -> Result<String, StoreError> {
        let server = self.client.clone().with_database("default");
        within("asking for its version", server.query("SELECT version()").fetch_one()).await
    }

    /// A store on connections of its own, for another async runtime.
    pub(crate) fn apart(&self) -> Result<Self, StoreError> {
        Self::connect(&self.endpoint)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

/// Waits for ClickHouse for at most [`QUERY_TIMEOUT`]; names what was being done in errors.
pub(crate) async fn within<T>(
    doing: &str,
    work: impl Future<Output = Result<T, clickhouse::error::Error>>,
) -> Result<T, StoreError> {
    within_time(QUERY_TIMEOUT, doing, work).await
}

/// As [`within`], for work that takes as long as there are rows.
pub(crate) async fn within_time<T>(
    time: Duration,
    doing: &str,
    work: impl Future<Output = Result<T, clickhouse::error::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(time, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(StoreError::ClickHouse { doing: doing.to_owned(), source }),
        Err(_) => Err(StoreError::Timeout { doing: doing.to_owned(), after: time }),
    }
}
