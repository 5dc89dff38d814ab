//! The `redb` file: its tables, its errors, and opening it again after a failure.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use redb::{
    Database, DatabaseError, Durability, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _,
    TableDefinition, WriteTransaction,
};
use stopline_types::UtcUs;

use super::{Shed, SpoolError};
use crate::envelope;

pub(super) const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
pub(super) const PASSAGES: TableDefinition<'_, u64, u64> = TableDefinition::new("passages");
pub(super) const ASIDE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("aside");
pub(super) const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
pub(super) const TEXTS: TableDefinition<'_, &str, &str> = TableDefinition::new("texts");

/// Opens the database; the seam through which tests put a failing disk.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

/// What is held.
pub(super) struct Held {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) next: u64,
    pub(super) oldest: Option<UtcUs>,
    pub(super) shed: Shed,
    pub(super) aside: u64,
}

pub(super) struct SpoolFile {
    path: PathBuf,
    id: String,
    opener: Opener,
    /// `None` after a failure that `redb` does not work on from, until it could be opened again.
    database: RwLock<Option<Database>>,
    /// Writing is one at a time; see [`Self::write`].
    turn: Mutex<()>,
    /// Records held, for [`Self::wait`].
    pending: Mutex<u64>,
    changed: Condvar,
}

impl SpoolFile {
    pub(super) fn open(path: PathBuf, opener: Opener) -> Result<Self, SpoolError> {
        let database = opener().map_err(|error| explain(&path, error.into()))?;
        let mut this = Self {
            path,
            id: String::new(),
            opener,
            database: RwLock::new(Some(database)),
            turn: Mutex::new(()),
            pending: Mutex::new(0),
            changed: Condvar::new(),
        };
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(|error| this.failed(error.to_string()))?;
        let fresh: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        this.id = this.write(|txn| {
            txn.open_table(RECORDS)?;
            txn.open_table(PASSAGES)?;
            txn.open_table(ASIDE)?;
            txn.open_table(NUMBERS)?;
            let mut texts = txn.open_table(TEXTS)?;
            let known = texts.get("id")?.map(|id| id.value().to_owned());
            if known.is_none() {
                texts.insert("id", fresh.as_str())?;
            }
            Ok(known.unwrap_or(fresh))
        })?;
        Ok(this)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn failed(&self, reason: String) -> SpoolError {
        SpoolError::Store { path: self.path.clone(), reason }
    }

    /// Runs `work` in one transaction and syncs it, and tells those who wait how many records are there now. `Err`:
    /// nothing of it was acknowledged.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, SpoolError> {
        // From before the transaction until `pending` is set: else an older count could overwrite a newer one, and a
        // reader would sleep beside its events.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.reopen_if_lost()?;
        let result = {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            let Some(database) = database.as_ref() else { return Err(SpoolError::Closed) };
            (|| {
                let mut txn = database.begin_write()?;
                txn.set_durability(Durability::Immediate)?;
                let done = work(&txn)?;
                let records = txn.open_table(RECORDS)?.len()?;
                txn.commit()?;
                Ok((done, records))
            })()
        };
        let result = result.map(|(done, records)| {
            *self.pending.lock().unwrap_or_else(PoisonError::into_inner) = records;
            self.changed.notify_all();
            done
        });
        result.map_err(|error| self.lose(error))
    }

    /// Gives up a handle that `redb` refuses to work on after an I/O error, so that the next call opens the file anew; the
    /// file itself is sound.
    fn lose(&self, error: redb::Error) -> SpoolError {
        if matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::Corrupted(_)) {
            *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        explain(&self.path, error)
    }

    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, SpoolError> {
        self.reopen_if_lost()?;
        let result = {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            let Some(database) = database.as_ref() else { return Err(SpoolError::Closed) };
            (|| work(&database.begin_read()?))()
        };
        result.map_err(|error| self.lose(error))
    }

    fn reopen_if_lost(&self) -> Result<(), SpoolError> {
        if self.database.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if database.is_none() {
            *database = Some((self.opener)().map_err(|error| explain(&self.path, error.into()))?);
        }
        Ok(())
    }

    pub(super) fn held(&self) -> Result<Held, SpoolError> {
        self.read(|txn| {
            let (records, numbers) = (txn.open_table(RECORDS)?, txn.open_table(NUMBERS)?);
            let number = |name: &str| Ok::<_, redb::Error>(numbers.get(name)?.map_or(0, |value| value.value()));
            Ok(Held {
                records: records.len()?,
                bytes: number("bytes")?,
                next: number("next")?,
                oldest: records.first()?.and_then(|(_, json)| envelope::appended_at(json.value())),
                shed: Shed { passages_refused: number("shed_refused")?, passages_removed: number("shed_removed")? },
                aside: txn.open_table(ASIDE)?.len()?,
            })
        })
    }

    pub(super) fn wait(&self, time: Duration) -> u64 {
        let deadline = Instant::now() + time;
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        while *pending == 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            pending = self.changed.wait_timeout(pending, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *pending
    }
}

fn explain(path: &Path, error: redb::Error) -> SpoolError {
    let path = path.to_owned();
    match error {
        redb::Error::DatabaseAlreadyOpen => SpoolError::InUse { path },
        redb::Error::Io(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            SpoolError::DiskFull { path }
        }
        other => SpoolError::Store { path, reason: other.to_string() },
    }
}
