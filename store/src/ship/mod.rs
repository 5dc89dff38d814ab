//! From the spool to ClickHouse.
//!
//! One thread takes batches from the spool and writes each with one INSERT per table, under the token
//! `<spool>-<first>-<last>-<table>`. Only when all tables have it is the batch acknowledged to the spool. Whatever breaks
//! in between, the same batch is sent again under the same tokens, and ClickHouse drops what it already has
//! (`non_replicated_deduplication_window`). A ClickHouse that is killed after it wrote a part and before it noted the
//! token would forget: so every sending but a batch's first asks which ids are there and sends the others only. A third
//! net are the tables themselves (`ReplacingMergeTree`), where equal ids collapse.
//!
//! Trouble reaching ClickHouse is waited out for ever, with growing pauses: the spool is the buffer. A row that
//! ClickHouse refuses for what it holds is found by halving the batch and put into `dead_letters` with its reason, as
//! are events that are too long or dated in the future ([`crate::envelope`]).

mod cases;
mod dead;
mod insert;
mod outlet;
mod rows;
mod worker;
mod write;

pub(crate) use dead::Unreadable;
pub(crate) use outlet::Outlet;
pub(crate) use write::{BatchWriter, Portion};

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use stopline_types::UtcUs;

use crate::{Store, StoreError, spool::Spool};

/// How batches are cut.
#[derive(Debug, Clone, Copy)]
pub struct ShipOptions {
    /// Events in a batch, at most.
    pub rows: usize,
    /// Bytes in a batch, about.
    pub bytes: u64,
    /// How long an event may wait for others to fill the batch.
    pub age: Duration,
}

impl Default for ShipOptions {
    fn default() -> Self {
        Self { rows: 10_000, bytes: 32 << 20, age: Duration::from_millis(500) }
    }
}

/// What the shipper is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ShipState {
    /// Nothing to send.
    #[default]
    Idle,
    /// Sending.
    Sending,
    /// ClickHouse could not be reached or refused everything; tried again with growing pauses.
    Waiting,
    /// Ended.
    Stopped,
}

/// Figures since the start.
#[derive(Debug, Clone, Default)]
pub struct ShipStats {
    /// What it is doing.
    pub state: ShipState,
    /// Rows written, by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// Batches acknowledged.
    pub batches: u64,
    /// Sendings that failed and were tried again.
    pub retries: u64,
    /// Events put into `dead_letters`.
    pub dead_letters: u64,
    /// Events left out of a second sending because they were there.
    pub already_there: u64,
    /// Events in the spool, as of `held_at` of the worker's last look.
    pub unshipped: u64,
    /// When the oldest event still in the spool was appended.
    pub oldest_unshipped: Option<UtcUs>,
    /// From appending an event to its batch's acknowledgement, of the last batch's oldest event, in milliseconds.
    pub last_delay_ms: Option<f64>,
    /// The last failure, in words; empty after a success.
    pub last_error: String,
}

/// The running shipper. Dropping it stops it after the sending in progress.
pub struct Shipper(Outlet);

impl Shipper {
    /// Starts shipping. The tables must be there ([`Store::migrate`]).
    pub fn start(spool: Arc<Spool>, store: &Store, options: ShipOptions) -> Result<Self, StoreError> {
        let store = store.apart()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stats = Arc::new(Mutex::new(ShipStats::default()));
        let writer = BatchWriter { store, source: spool.id().to_owned(), stop: stop.clone(), stats: stats.clone() };
        let worker = worker::Worker { spool: spool.clone(), options, writer };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StoreError::Thread(error.to_string()))?;
        Outlet::start("shipper", (stop, stats, spool), move || worker.run(&runtime))
            .map(Self)
            .map_err(|error| StoreError::Thread(error.to_string()))
    }

    /// Figures now.
    #[must_use]
    pub fn stats(&self) -> ShipStats {
        self.0.stats()
    }

    /// Waits until the spool is empty, for at most `time`; true if it is. Blocks.
    #[must_use]
    pub fn drain(&self, time: Duration) -> bool {
        self.0.drain(time)
    }

    /// Stops after the sending in progress; what is unshipped stays in the spool. Blocks.
    pub fn stop(self) {
        drop(self);
    }
}

pub(crate) fn held(stats: &Mutex<ShipStats>) -> MutexGuard<'_, ShipStats> {
    stats.lock().unwrap_or_else(PoisonError::into_inner)
}
