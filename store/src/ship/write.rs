//! One batch into ClickHouse: until all of it is there, exactly once.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use clickhouse::error::Error;

use super::{
    ShipState, ShipStats, cases,
    dead::{DeadLetterRow, Unreadable},
    held,
    insert::{Table, about_data, bury, insert, present},
};
use crate::{
    Store,
    envelope::{self, Aside, Cause},
    spool::Spooled,
};

pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How soon a stop is noticed.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// Events with the limits that name their batch.
pub(crate) struct Portion<'a> {
    /// First and last number: the same at every sending.
    pub(crate) limits: (u64, u64),
    pub(crate) events: &'a [Spooled],
    pub(crate) unreadable: &'a [Unreadable],
    /// Some of it may have been written before, under another token or one ClickHouse may have forgotten: ids that are
    /// there already are left out. Costs a query.
    pub(crate) unsure: bool,
}

/// Writes batches of one source.
pub(crate) struct BatchWriter {
    pub(crate) store: Store,
    /// What tokens begin with, the same for all who may send the same numbers.
    pub(crate) source: String,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) stats: Arc<Mutex<ShipStats>>,
}

impl BatchWriter {
    /// Writes all of it; false when stopped before all was there.
    pub(crate) async fn write(&self, portion: &Portion<'_>) -> bool {
        held(&self.stats).state = ShipState::Sending;
        let mut parts: Vec<(Table, Vec<&Spooled>)> = Table::ALL.map(|table| (table, Vec::new())).into();
        let mut dead = Vec::new();
        for event in portion.events {
            if let Err(aside) = envelope::check(&event.event, event.at, event.json.len()) {
                dead.push(DeadLetterRow::of(event, &aside, self.place(event.number)));
                continue;
            }
            let table = Table::of(event);
            if let Some((_, events)) = parts.iter_mut().find(|(of, _)| *of == table) {
                events.push(event);
            }
        }
        dead.extend(portion.unreadable.iter().map(|of| DeadLetterRow::unreadable(of, self.place(of.number))));
        if !self.bury(portion.limits, dead).await {
            return false;
        }
        let mut of_cases = Vec::new();
        for (table, mut events) in parts {
            latest_of_each(&mut events);
            if !events.is_empty() && !self.write_part(table, portion.limits, &events, portion.unsure).await {
                return false;
            }
            if matches!(table, Table::Violations | Table::Reviews) {
                of_cases.append(&mut events);
            }
        }
        of_cases.is_empty() || self.follow("cases", || cases::lay(&self.store, &of_cases)).await
    }

    /// Does what follows from rows that are there, until it is done; false when stopped.
    async fn follow<F>(&self, what: &'static str, mut work: impl FnMut() -> F) -> bool
    where
        F: Future<Output = Result<(), Error>>,
    {
        loop {
            match self.until_done(|_| work()).await {
                Done::Written => return true,
                Done::Stopped => return false,
                // It speaks of rows that the tables have taken.
                Done::Refused(error) => {
                    tracing::error!(source = %self.source, %error, "{what} cannot be brought up to date");
                    self.failed(&error);
                }
            }
            if !self.pause(LONGEST_PAUSE).await {
                return false;
            }
        }
    }

    /// Sends until it is there. Rows refused for what they hold are found by halving.
    async fn write_part(&self, table: Table, limits: (u64, u64), events: &[&Spooled], unsure: bool) -> bool {
        let mut open = vec![(limits, events)];
        while let Some((limits, events)) = open.pop() {
            let token = format!("{}-{}-{}-{}", self.source, limits.0, limits.1, table.name());
            let send = |again: bool| self.send(table, &token, events, unsure || again);
            match self.until_done(send).await {
                Done::Written => *held(&self.stats).rows.entry(table.name()).or_default() += events.len() as u64,
                Done::Stopped => return false,
                Done::Refused(error) => {
                    if let [event] = events {
                        let aside = Aside::new(Cause::Refused, error.to_string());
                        let row = DeadLetterRow::of(event, &aside, self.place(event.number));
                        if !self.bury(limits, vec![row]).await {
                            return false;
                        }
                        continue;
                    }
                    let (left, right) = events.split_at(events.len() / 2);
                    for half in [right, left] {
                        open.push(((half[0].number, half[half.len() - 1].number), half));
                    }
                }
            }
        }
        true
    }

    /// Sends what is not there yet.
    async fn send(&self, table: Table, token: &str, events: &[&Spooled], unsure: bool) -> Result<(), Error> {
        if !unsure {
            return insert(&self.store, table, token, events).await;
        }
        let there: HashSet<[u8; 16]> = present(&self.store, table, events).await?;
        let missing: Vec<&Spooled> =
            events.iter().filter(|event| !there.contains(&event.event.id().bytes())).copied().collect();
        held(&self.stats).already_there += (events.len() - missing.len()) as u64;
        if table == Table::Passages && missing.len() < events.len() {
            cases::mark(&self.store, events).await?;
        }
        if missing.is_empty() { Ok(()) } else { insert(&self.store, table, token, &missing).await }
    }

    /// Nothing in a dead letter can be refused for what it holds; should it be, it waits like any other trouble.
    async fn bury(&self, (first, last): (u64, u64), rows: Vec<DeadLetterRow>) -> bool {
        let Some(one) = rows.first() else { return true };
        // One line for all: a camera whose clock is wrong sends thousands.
        tracing::error!(source = %self.source, count = rows.len(), one = %one, "kept in dead_letters");
        let token = format!("{}-{first}-{last}-dead", self.source);
        loop {
            match self.until_done(|_| bury(&self.store, &token, &rows)).await {
                Done::Written => break,
                Done::Stopped => return false,
                Done::Refused(error) => self.failed(&error),
            }
            if !self.pause(LONGEST_PAUSE).await {
                return false;
            }
        }
        let mut stats = held(&self.stats);
        stats.dead_letters += rows.len() as u64;
        *stats.rows.entry("dead_letters").or_default() += rows.len() as u64;
        true
    }

    fn place(&self, number: u64) -> String {
        format!("{}-{number}", self.source)
    }

    /// Tries again for ever, with growing pauses, unless the answer is about the data. `send` is told whether it was
    /// tried before.
    async fn until_done<F>(&self, mut send: impl FnMut(bool) -> F) -> Done
    where
        F: Future<Output = Result<(), Error>>,
    {
        let mut pause = FIRST_PAUSE;
        let mut again = false;
        loop {
            match send(again).await {
                Ok(()) => return Done::Written,
                Err(error) if about_data(&error) => return Done::Refused(error),
                Err(error) => self.failed(&error),
            }
            again = true;
            if !self.pause(pause).await {
                return Done::Stopped;
            }
            // The table may have changed under us.
            self.store.client().clear_cached_metadata().await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sleeps unless stopped; false when stopped.
    pub(super) async fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while !self.stopping() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
        false
    }

    pub(super) fn failed(&self, error: &dyn std::fmt::Display) {
        let mut stats = held(&self.stats);
        if stats.state != ShipState::Waiting {
            tracing::warn!(source = %self.source, %error, "events wait");
        }
        stats.state = ShipState::Waiting;
        stats.retries += 1;
        stats.last_error = error.to_string();
    }
}

/// Of events with one id the one appended last, where the first of them stood.
fn latest_of_each(events: &mut Vec<&Spooled>) {
    let mut seen = std::collections::HashMap::new();
    let mut kept: Vec<&Spooled> = Vec::with_capacity(events.len());
    for &event in events.iter() {
        match seen.entry(event.event.id()) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(kept.len());
                kept.push(event);
            }
            std::collections::hash_map::Entry::Occupied(entry) => kept[*entry.get()] = event,
        }
    }
    *events = kept;
}

enum Done {
    Written,
    Refused(Error),
    Stopped,
}
