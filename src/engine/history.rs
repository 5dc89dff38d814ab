//! The store the events go to: embedded, or a server by URL.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use stopline_store::{
    Store,
    embedded::{Embedded, EmbeddedConfig, HUNG_AFTER},
    retention::{Deleted, Retention},
};

use crate::config::{EngineConfig, StoreConfig};

/// The embedded store's database.
const DATABASE: &str = "stopline";
/// Pause between tries to reach a server that is away.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// Pause between two deletions of what is too old.
const DELETING_EVERY: Duration = Duration::from_secs(3600);
/// Pause between two rounds of [`upkeep`].
const UPKEEP_EVERY: Duration = Duration::from_secs(60);

/// A store that answers, and the child process behind it if it is ours.
pub(crate) struct History {
    pub store: Store,
    embedded: Option<Embedded>,
    keep: Retention,
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
                Ok(Self::of(store, Some(embedded), config))
            }
            StoreConfig::Server(endpoint) => Ok(Self::of(Store::connect(endpoint)?, None, config)),
        }
    }

    fn of(store: Store, embedded: Option<Embedded>, config: &EngineConfig) -> Self {
        Self { store, embedded, keep: config.retention, upkeep: None }
    }

    /// Makes the tables, and from then on keeps them. A server that is away is tried again in the background, so that cameras run and events wait in
    /// the spool meanwhile; the shipper waits for the tables by itself.
    pub(crate) async fn prepare_tables(&mut self) -> anyhow::Result<()> {
        let migrated = self.store.migrate().await;
        self.upkeep = Some(tokio::spawn(upkeep(self.store.clone(), self.keep)));
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

/// Keeps the roll-ups up to date and deletes what is too old, for ever.
async fn upkeep(store: Store, keep: Retention) {
    let mut away = false;
    // Not at once: whoever starts with a wrong clock or setting has time to see it.
    let mut deleting = Instant::now() + DELETING_EVERY;
    loop {
        if Instant::now() >= deleting {
            deleting = Instant::now() + DELETING_EVERY;
            match store.retain(&keep, std::time::SystemTime::now().into()).await {
                Ok(Deleted { violations: 0, passages: 0, incidents: 0 }) => {}
                Ok(Deleted { violations, passages, incidents }) => {
                    tracing::info!(violations, passages, incidents, "deleted for their age");
                }
                Err(error) => tracing::warn!(%error, "what is too old is not deleted"),
            }
        }
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
