//! The spool: every event is here, on disk and synced, before anything else happens to it.
//!
//! # What it promises
//! - [`Spool::append`] returns `Ok` only after the events are committed and synced (`redb`, `Durability::Immediate`).
//!   They are there after a crash of the process, of the system, or of the power, as far as the disk keeps its word.
//! - An append that fails acknowledges nothing. After some failures (a full disk, a lost power) its events may still be
//!   there on reopening: *at least once*. The same event may also be appended twice; the spool keeps both, and
//!   whoever reads must treat the event's id as its identity (ClickHouse collapses equal ids).
//! - Events are read in the order of their sequence numbers, which rise by one an event and are never used again.
//! - [`Spool::next_batch`] fixes the limits of a batch on disk before it hands the batch out. Until the batch is
//!   acknowledged, every call gives the same events with the same numbers, also after a crash; so a batch can be sent
//!   again under the same token. [`Spool::ack`] deletes it.
//! - A record that cannot be read (damaged, or of a newer schema) is moved to a table of its own with the reason, and
//!   counted. It never blocks the others, and is never deleted; when the spool is opened by a program that can read it,
//!   it goes back among the others.
//!
//! # Layout
//! One `redb` file, `spool.redb`, that one process opens at a time:
//!
//! | table | key | value |
//! |---|---|---|
//! | `records` | sequence number | JSON `{"schema":1,"at":"<UTC when appended>","event":{…}}` |
//! | `passages` | sequence number | length in bytes, for each record that may be shed |
//! | `aside` | sequence number | JSON `{"at","reason","raw"}` of a record kept aside, `raw` as hexadecimal |
//! | `numbers` | name | `next`, `bytes`, `batch_first`, `batch_last`, `shed_refused`, `shed_removed` |
//! | `texts` | name | `id`: 16 hexadecimal digits, random, the prefix of deduplication tokens |
//!
//! # Limits
//! [`SpoolLimits::bytes`] bounds the sum of the records' lengths; the file is larger by `redb`'s pages (about twice is
//! usual), keeps the size it once had, and reuses freed room. When full, passages give way first: new passages are
//! refused and stored ones, oldest first, make room for violations, reviews and incidents; both are counted
//! ([`SpoolStats::shed`]). When no passage is left to shed, such an append waits up to [`SpoolLimits::wait`] for
//! room and then fails with [`SpoolError::Full`]. Events of a batch that was handed out are never shed.
//!
//! # Threads
//! One thread writes. Concurrent appends meet in a channel of [`QUEUE`] requests (full: the caller blocks) and are
//! committed together, so the price of a sync is shared.

mod batch;
mod file;
mod record;
mod room;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

pub use batch::{Batch, Spooled};
use file::SpoolFile;
use stopline_types::{Event, UtcUs};
use writer::{Request, Signal, Writer};

/// Appends that may wait for the writer; one more blocks its caller.
pub const QUEUE: usize = 256;

/// How much the spool may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Sum of the records' lengths in bytes.
    pub bytes: u64,
    /// How long an append of violations, reviews or incidents waits for room.
    pub wait: Duration,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self { bytes: 4 << 30, wait: Duration::from_secs(10) }
    }
}

/// Why an append or a read failed. Nothing of a failed append is acknowledged.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolError {
    /// The quota is reached, nothing is left to shed, and no room came in time.
    #[error("spool is full: {used} of {limit} bytes used and {wanted} wanted, no passage left to shed")]
    Full {
        /// Bytes held.
        used: u64,
        /// Bytes allowed.
        limit: u64,
        /// Bytes asked for.
        wanted: u64,
    },
    /// The disk has no room left.
    #[error("spool {path}: no space left on the disk")]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("spool {path} is in use by another process")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The store below failed.
    #[error("spool {path}: {reason}")]
    Store {
        /// The file.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// The writer has ended.
    #[error("spool is closed")]
    Closed,
}

/// What became of an append.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events that are on disk.
    pub stored: usize,
    /// Passages that were refused because the spool is full. Never a violation, review or incident.
    pub shed: usize,
}

/// Events given up because the spool was full, since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shed {
    /// New passages refused.
    pub passages_refused: u64,
    /// Stored passages removed to make room for violations, reviews and incidents.
    pub passages_removed: u64,
}

/// State of the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolStats {
    /// Events held, the batch in flight included.
    pub records: u64,
    /// Sum of their lengths.
    pub bytes: u64,
    /// The quota.
    pub limit_bytes: u64,
    /// Sequence number the next event gets: events ever accepted.
    pub next: u64,
    /// When the oldest event held was appended.
    pub oldest: Option<UtcUs>,
    /// Events given up.
    pub shed: Shed,
    /// Records kept aside.
    pub aside: u64,
    /// Commits since the spool was opened.
    pub commits: u64,
    /// Appends that failed since the spool was opened.
    pub failed_appends: u64,
}

/// The spool. Cheap to share behind an `Arc`; all methods may be called from several threads, and block.
pub struct Spool {
    file: Arc<SpoolFile>,
    limits: SpoolLimits,
    requests: Option<mpsc::SyncSender<Signal>>,
    writer: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    commits: AtomicU64,
    failed_appends: AtomicU64,
}

impl Spool {
    /// Opens the spool in `dir`, which is made if missing.
    pub fn open(dir: &Path, limits: SpoolLimits) -> Result<Self, SpoolError> {
        let path = dir.join("spool.redb");
        let failed = |error: std::io::Error| SpoolError::Store { path: path.clone(), reason: error.to_string() };
        std::fs::create_dir_all(dir).map_err(failed)?;
        let opener = path.clone();
        Self::open_with(path, limits, Box::new(move || redb::Database::create(&opener)))
    }

    fn open_with(path: PathBuf, limits: SpoolLimits, opener: file::Opener) -> Result<Self, SpoolError> {
        let file = Arc::new(SpoolFile::open(path, opener)?);
        match batch::take_back(&file)? {
            0 => {}
            records => tracing::info!(records, "records kept aside by an older program can be read now"),
        }
        let (requests, received) = mpsc::sync_channel(QUEUE);
        let counters = Arc::new(Counters::default());
        let writer = Writer::new(file.clone(), limits, counters.clone());
        let writer = std::thread::Builder::new()
            .name("spool-writer".to_owned())
            .spawn(move || writer.run(&received))
            .map_err(|error| SpoolError::Store { path: file.path().to_owned(), reason: error.to_string() })?;
        Ok(Self { file, limits, requests: Some(requests), writer: Some(writer), counters })
    }

    /// Puts events on disk, all or (but for shed passages) none, and returns once they are synced.
    pub fn append(&self, events: &[Event]) -> Result<Appended, SpoolError> {
        if events.is_empty() {
            return Ok(Appended::default());
        }
        let records = record::encode_all(events, record::now()).map_err(|reason| self.file.failed(reason))?;
        let (reply, answer) = mpsc::sync_channel(1);
        let requests = self.requests.as_ref().ok_or(SpoolError::Closed)?;
        requests.send(Signal::Append(Request::new(records, reply))).map_err(|_| SpoolError::Closed)?;
        let done = answer.recv().map_err(|_| SpoolError::Closed)?;
        if done.is_err() {
            self.counters.failed_appends.fetch_add(1, Ordering::Relaxed);
        }
        done
    }

    /// The batch to send: the one handed out last if it was not acknowledged, else the oldest events, at most
    /// `rows` of them and at most about `bytes` long. `None`: nothing to send.
    pub fn next_batch(&self, rows: usize, bytes: u64) -> Result<Option<Batch>, SpoolError> {
        batch::next(&self.file, rows, bytes)
    }

    /// Deletes a batch that has reached its destination.
    pub fn ack(&self, batch: &Batch) -> Result<(), SpoolError> {
        batch::ack(&self.file, batch)?;
        if let Some(requests) = &self.requests {
            // Room has come. A full channel means the writer will look anyway.
            let _busy = requests.try_send(Signal::Room);
        }
        Ok(())
    }

    /// Moves records of a batch aside, for reasons that no second sending changes: kept in the file, counted, not sent again.
    pub fn put_aside(&self, numbers_and_reasons: &[(u64, String)]) -> Result<(), SpoolError> {
        batch::put_aside(&self.file, numbers_and_reasons)
    }

    /// Waits until an event is there, for at most `time`. Returns how many are there.
    #[must_use]
    pub fn wait(&self, time: Duration) -> u64 {
        self.file.wait(time)
    }

    /// The spool's name, random, made with it: 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        self.file.id()
    }

    /// State now.
    pub fn stats(&self) -> Result<SpoolStats, SpoolError> {
        let held = self.file.held()?;
        Ok(SpoolStats {
            records: held.records,
            bytes: held.bytes,
            limit_bytes: self.limits.bytes,
            next: held.next,
            oldest: held.oldest,
            shed: held.shed,
            aside: held.aside,
            commits: self.counters.commits.load(Ordering::Relaxed),
            failed_appends: self.counters.failed_appends.load(Ordering::Relaxed),
        })
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the spool's writer panicked");
        }
    }
}
