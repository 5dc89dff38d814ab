//! The store the events go to: embedded, or a server by URL.

use anyhow::Context as _;
use stopline_store::{
    Endpoint, Store,
    embedded::{Embedded, EmbeddedConfig},
};

use crate::config::{EngineConfig, StoreConfig};

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
                    program: std::env::current_exe().context("the program's own path")?,
                    args: vec!["chdb".into(), "--args".into()],
                    data_dir: config.data_dir.join("clickhouse"),
                    library: config.chdb.clone(),
                    port: 0,
                };
                let embedded = Embedded::start(child).await.context("the embedded ClickHouse")?;
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

    /// Process id of the embedded store's child.
    pub(crate) fn child_pid(&self) -> Option<u32> {
        self.embedded.as_ref().and_then(Embedded::pid)
    }

    /// Ends the child, if it is ours.
    pub(crate) async fn stop(self) {
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
    }
}
