//! Where events go from the spool: to ClickHouse, or at an edge to Kafka.

use std::{sync::Arc, time::Duration};

use stopline_store::{
    kafka::{Forwarder, KafkaConfig},
    ship::{ShipOptions, ShipStats, Shipper},
    spool::Spool,
};

use super::History;
use crate::config::EngineConfig;

/// Longest wait for the spool to empty, when stopping. What is left goes at the next start.
const DRAIN: Duration = Duration::from_secs(20);

/// What this process does.
#[derive(Debug, Clone)]
pub(crate) enum Duty {
    /// All of it.
    All,
    /// Cameras and detection; events go to Kafka, from where `stopline sink` takes them. No store and no pages.
    Edge {
        /// Where events go.
        events: KafkaConfig,
        /// Where cameras come from; none: the configuration's own.
        cameras: Option<Box<KafkaConfig>>,
    },
}

/// The running way on.
pub(super) enum Onward {
    Store(Box<History>, Arc<Shipper>),
    Kafka(Forwarder),
}

impl Onward {
    /// Starts the store too, where it is ours to start.
    pub(super) async fn start(duty: Duty, config: &EngineConfig, spool: &Arc<Spool>) -> anyhow::Result<Self> {
        let (spool, options) = (Arc::clone(spool), ShipOptions::default());
        match duty {
            Duty::Edge { events, .. } => Ok(Self::Kafka(Forwarder::start(spool, &events, options)?)),
            Duty::All => {
                let mut history = History::start(config).await?;
                history.prepare_tables().await?;
                let shipper = Shipper::start(spool, &history.store, options)?;
                Ok(Self::Store(Box::new(history), Arc::new(shipper)))
            }
        }
    }

    /// Figures now.
    pub(super) fn stats(&self) -> ShipStats {
        match self {
            Self::Store(_, shipper) => shipper.stats(),
            Self::Kafka(forwarder) => forwarder.stats(),
        }
    }

    /// Waits for a while until the spool is empty and stops. Gives the last figures, and the store if there is one.
    /// Blocks.
    pub(super) fn drain(self) -> (ShipStats, Option<History>) {
        // What is left stands in the figures.
        match self {
            Self::Store(history, shipper) => {
                let _emptied = shipper.drain(DRAIN);
                (shipper.stats(), Some(*history))
            }
            Self::Kafka(forwarder) => {
                let _emptied = forwarder.drain(DRAIN);
                (forwarder.stats(), None)
            }
        }
    }
}
