//! The shipper's thread.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use clickhouse::error::Error;
use stopline_types::UtcUs;
use tokio::runtime::Runtime;

use super::{
    ShipOptions, ShipState, ShipStats, held,
    insert::{Table, about_data, bury, insert},
};
use crate::{
    Store,
    spool::{Batch, Spool, Spooled},
};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How soon a stop is noticed.
const LOOK: Duration = Duration::from_millis(50);

pub(super) struct Worker {
    pub(super) spool: Arc<Spool>,
    pub(super) store: Store,
    pub(super) options: ShipOptions,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) stats: Arc<Mutex<ShipStats>>,
}

impl Worker {
    pub(super) fn run(self, runtime: &Runtime) {
        while let Some(batch) = self.next() {
            held(&self.stats).state = ShipState::Sending;
            if !self.ship(runtime, &batch) {
                break;
            }
            self.acknowledge(&batch);
        }
        held(&self.stats).state = ShipState::Stopped;
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sleeps unless stopped; false when stopped.
    fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while !self.stopping() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(LOOK));
        }
        false
    }

    /// The next batch, once it is full or old enough. `None`: stopped.
    fn next(&self) -> Option<Batch> {
        let mut pause = FIRST_PAUSE;
        loop {
            let mut pending = 0;
            while pending == 0 {
                if self.stopping() {
                    return None;
                }
                pending = self.spool.wait(LOOK);
            }
            let deadline = Instant::now() + self.options.age;
            while pending < self.options.rows as u64 && Instant::now() < deadline && !self.stopping() {
                let left = deadline.saturating_duration_since(Instant::now());
                std::thread::sleep(left.min(Duration::from_millis(20)));
                pending = self.spool.wait(Duration::ZERO);
            }
            match self.spool.next_batch(self.options.rows, self.options.bytes) {
                Ok(Some(batch)) => return Some(batch),
                Ok(None) => {}
                Err(error) => {
                    self.failed(&error);
                    if !self.pause(pause) {
                        return None;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn failed(&self, error: &dyn std::fmt::Display) {
        let mut stats = held(&self.stats);
        if stats.state != ShipState::Waiting {
            tracing::warn!(%error, "events wait in the spool");
        }
        stats.state = ShipState::Waiting;
        stats.retries += 1;
        stats.last_error = error.to_string();
    }

    /// Sends every table's part; false when stopped before all was there.
    fn ship(&self, runtime: &Runtime, batch: &Batch) -> bool {
        for table in Table::ALL {
            let events: Vec<&Spooled> = batch.events.iter().filter(|event| Table::of(event) == table).collect();
            let limits = (batch.first, batch.last);
            if !events.is_empty() && !self.ship_part(runtime, table, limits, &events) {
                return false;
            }
        }
        true
    }

    /// Sends until it is there. Rows refused for what they hold are found by halving.
    fn ship_part(&self, runtime: &Runtime, table: Table, limits: (u64, u64), events: &[&Spooled]) -> bool {
        let name = table.name();
        let token = format!("{}-{}-{}-{name}", self.spool.id(), limits.0, limits.1);
        let refused = match self.until_done(runtime, || insert(&self.store, table, &token, events)) {
            Done::Written => {
                *held(&self.stats).rows.entry(name).or_default() += events.len() as u64;
                return true;
            }
            Done::Stopped => return false,
            Done::Refused(error) => error,
        };
        if let [event] = events {
            let reason = refused.to_string();
            tracing::error!(id = %event.event.id(), %reason, "ClickHouse refuses an event, it goes to dead_letters");
            let token = format!("{}-{}-dead", self.spool.id(), event.number);
            return match self.until_done(runtime, || bury(&self.store, &token, event, &reason)) {
                Done::Written => {
                    let mut stats = held(&self.stats);
                    stats.dead_letters += 1;
                    *stats.rows.entry("dead_letters").or_default() += 1;
                    true
                }
                Done::Stopped => false,
                // The text itself is the trouble? Then the row stays in the spool, and the operator reads why.
                Done::Refused(error) => {
                    self.failed(&error);
                    self.pause(LONGEST_PAUSE) && self.ship_part(runtime, table, limits, events)
                }
            };
        }
        let (left, right) = events.split_at(events.len() / 2);
        [left, right].into_iter().all(|half| {
            let limits = (half[0].number, half[half.len() - 1].number);
            self.ship_part(runtime, table, limits, half)
        })
    }

    /// Tries again for ever, with growing pauses, unless the answer is about the data.
    fn until_done<F>(&self, runtime: &Runtime, mut send: impl FnMut() -> F) -> Done
    where
        F: Future<Output = Result<(), Error>>,
    {
        let mut pause = FIRST_PAUSE;
        loop {
            match runtime.block_on(send()) {
                Ok(()) => return Done::Written,
                Err(error) if about_data(&error) => return Done::Refused(error),
                Err(error) => self.failed(&error),
            }
            if !self.pause(pause) {
                return Done::Stopped;
            }
            // The table may have changed under us.
            runtime.block_on(self.store.client().clear_cached_metadata());
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn acknowledge(&self, batch: &Batch) {
        let oldest = batch.events.iter().map(|event| event.at).min();
        match self.spool.ack(batch) {
            Ok(()) => {
                let mut stats = held(&self.stats);
                stats.state = ShipState::Idle;
                stats.batches += 1;
                stats.last_error.clear();
                let now: UtcUs = std::time::SystemTime::now().into();
                stats.last_delay_ms = oldest.map(|oldest| now.since_s(oldest) * 1e3);
            }
            // The batch stays and is sent again under its tokens.
            Err(error) => {
                self.failed(&error);
                let _stopped = self.pause(LONGEST_PAUSE);
            }
        }
    }
}

enum Done {
    Written,
    Refused(Error),
    Stopped,
}
