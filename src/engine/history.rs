//! The store the events go to: embedded, or a server by URL.

use anyhow::Context as _;
use stopline_store::{
    Endpoint, Store,
    embedded::{Embedded, EmbeddedConfig},
};

use crate::config::{EngineConfig, StoreConfig};

/// The embedded store's database.
const DATABASE: &str = "stopline";

/// A store that answers, and the child process behind it if it is ours.
pub(crate) struct History {
    pub store: Store,
    embedded: Option<Embedded>,
}

impl History {
    /// Starts or reaches the configured store.
    pub(crate) async fn start(config: &EngineConfig) -> anyhow::Result<Self> {
        match &config.store {
            StoreConfig::Embedded => {
                let child = EmbeddedConfig {
                    exe: std::env::current_exe().context("the program's own path")?,
                    args: vec!["chdb".into(), "--args".into()],
                    library: config.chdb.clone(),
                    data_dir: config.data_dir.join("clickhouse"),
                    port: 0,
                    database: DATABASE.to_owned(),
                };
                let starting = tokio::task::spawn_blocking(|| Embedded::start(child));
                let embedded = starting.await?.context("the embedded ClickHouse")?;
                let store = Store::connect(embedded.endpoint())?;
                Ok(Self { store, embedded: Some(embedded) })
            }
            StoreConfig::Server { url, database, user, password } => {
                let endpoint = Endpoint {
                    url: url.clone(),
                    database: database.clone(),
                    user: user.clone(),
                    password: password.clone(),
                };
                Ok(Self { store: Store::connect(&endpoint)?, embedded: None })
            }
        }
    }

    /// Ends the child, if it is ours.
    pub(crate) async fn stop(self) {
        if let Some(embedded) = self.embedded {
            // Blocks until the child has written what it holds.
            drop(tokio::task::spawn_blocking(|| embedded.stop()).await);
        }
    }
}
