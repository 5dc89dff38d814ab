//! The thread that empties the spool, to ClickHouse or to Kafka: its figures, waiting for it, ending it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{ShipStats, held};
use crate::spool::Spool;

/// A thread behind a spool. Dropping it stops it after the sending in progress.
pub(crate) struct Outlet {
    name: &'static str,
    stop: Arc<AtomicBool>,
    stats: Arc<Mutex<ShipStats>>,
    spool: Arc<Spool>,
    thread: Option<JoinHandle<()>>,
}

impl Outlet {
    /// Starts `body`, which ends soon after `stop` is set and keeps its figures in `stats`.
    pub(crate) fn start(
        name: &'static str,
        (stop, stats, spool): (Arc<AtomicBool>, Arc<Mutex<ShipStats>>, Arc<Spool>),
        body: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Self> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body)?;
        Ok(Self { name, stop, stats, spool, thread: Some(thread) })
    }

    /// Figures now, with what the spool holds.
    pub(crate) fn stats(&self) -> ShipStats {
        let mut stats = held(&self.stats).clone();
        if let Ok(held) = self.spool.stats() {
            (stats.unshipped, stats.oldest_unshipped) = (held.records, held.oldest);
        }
        stats
    }

    /// Waits until the spool is empty, for at most `time`; true if it is. Blocks.
    pub(crate) fn drain(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while self.spool.wait(Duration::ZERO) > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the {} panicked", self.name);
        }
    }
}
