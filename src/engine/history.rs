//! The store the events go to: embedded, or a server by URL.

use std::time::Duration;

use anyhow::Context as _;
use stopline_store::{
    Store,
    embedded::{Embedded, EmbeddedConfig, HUNG_AFTER},
};

use crate::config::{EngineConfig, StoreConfig};

/// The embedded store's database.
const DATABASE: &str = "stopline";
/// Pause between tries to reach a server that is away.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Pause between two rounds of [`upkeep`].
const UPKEEP_EVERY: Duration = Duration::from_secs(60);

/// A store that answers, and the child process behind it if it is ours.
pub(crate) struct History {
    pub store: Store,
    embedded: Option<Embedded>,
    upkeep: Option<tokio::task::JoinHandle<()>>,
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
                    hung_after: HUNG_AFTER,
                };
                let starting = tokio::task::spawn_blocking(|| Embedded::start(child));
                let embedded = starting.await?.context("the embedded ClickHouse")?;
                let store = Store::connect(embedded.endpoint())?;
                Ok(Self::keep(store, Some(embedded)))
            }
            StoreConfig::Server(endpoint) => Ok(Self::keep(Store::connect(endpoint)?, None)),
        }
    }

    fn keep(store: Store, embedded: Option<Embedded>) -> Self {
        Self { store, embedded, upkeep: None }
    }

    /// Makes the tables. A server that is away is tried again in the background, so that cameras run and events wait in
    /// the spool meanwhile; the shipper waits for the tables by itself.
    pub(crate) async fn prepare_tables(&mut self) -> anyhow::Result<()> {
        let migrated = self.store.migrate().await;
        self.upkeep = Some(tokio::spawn(upkeep(self.store.clone())));
        match migrated {
            Ok(_) => Ok(()),
            Err(error) if self.embedded.is_none() => {
                tracing::warn!(%error, "the store is away; events wait in the spool");
                tokio::spawn(keep_trying(self.store.clone()));
                Ok(())
            }
            Err(error) => Err(error).context("the store's tables"),
        }
    }

    /// Ends the child, if it is ours.
    pub(crate) async fn stop(self) {
        if let Some(upkeep) = self.upkeep {
            upkeep.abort();
        }
        if let Some(embedded) = self.embedded {
            // Blocks until the child has written what it holds.
            drop(tokio::task::spawn_blocking(|| embedded.stop()).await);
        }
    }
}

/// Keeps the roll-ups up to date, for ever.
pub(crate) async fn upkeep(store: Store) {
    let mut away = false;
    loop {
        match store.roll_hours().await {
            Ok(_) => away = false,
            // Figures are right without; they only take longer.
            Err(error) if !away => {
                tracing::warn!(%error, "passages are not counted by hour");
                away = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(UPKEEP_EVERY).await;
    }
}

async fn keep_trying(store: Store) {
    loop {
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
        match store.migrate().await {
            Ok(_) => return tracing::info!("the store is back; its tables are ready"),
            Err(error) => tracing::debug!(%error, "the store is still away"),
        }
    }
}
