//! The small SQLite file with what changes under transactions: users, sessions, decisions, audit.
//! One connection behind a lock; every commit is synced (`synchronous = FULL`), so what was answered is on disk.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, TransactionBehavior};

use crate::IdentityError;

/// Name of the file in the data folder.
const FILE: &str = "web.sqlite";

/// Steps from an empty file to the present shape; `user_version` counts how many were taken. Append only.
const MIGRATIONS: &[&str] = &[
    r"
    CREATE TABLE users (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        role TEXT NOT NULL,
        password_hash TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        disabled INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE sessions (
        token_sha256 BLOB PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        created_us INTEGER NOT NULL,
        expires_us INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE login_links (
        token_sha256 BLOB PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        expires_us INTEGER NOT NULL,
        used_us INTEGER
    ) STRICT;
    CREATE TABLE login_failures (
        name TEXT PRIMARY KEY,
        failures INTEGER NOT NULL,
        last_us INTEGER NOT NULL,
        locked_until_us INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE decisions (
        violation BLOB NOT NULL,
        revision INTEGER NOT NULL,
        camera TEXT NOT NULL,
        utc_us INTEGER NOT NULL,
        verdict TEXT NOT NULL,
        reason TEXT,
        note TEXT NOT NULL,
        user TEXT NOT NULL,
        stored INTEGER NOT NULL,
        PRIMARY KEY (violation, revision)
    ) STRICT;
    CREATE INDEX decisions_not_stored ON decisions (stored) WHERE stored = 0;
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY,
        utc_us INTEGER NOT NULL,
        user TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL,
        hash BLOB NOT NULL
    ) STRICT;
    CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
    CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
",
    r"
    CREATE TABLE agencies (
        code TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        valid_from_us INTEGER,
        valid_to_us INTEGER
    ) STRICT;
    CREATE TABLE site_groups (
        code TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        agency TEXT NOT NULL REFERENCES agencies(code)
    ) STRICT;
    CREATE TABLE group_sites (
        group_code TEXT NOT NULL REFERENCES site_groups(code) ON DELETE CASCADE,
        site TEXT NOT NULL,
        PRIMARY KEY (group_code, site)
    ) STRICT;
    CREATE TABLE grants (
        id INTEGER PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        role TEXT NOT NULL,
        agency TEXT REFERENCES agencies(code),
        site_group TEXT REFERENCES site_groups(code),
        valid_from_us INTEGER,
        valid_to_us INTEGER
    ) STRICT;
    CREATE INDEX grants_of ON grants (user_id);
    INSERT INTO grants (user_id, role) SELECT id, role FROM users;
    ALTER TABLE sessions ADD COLUMN seen_us INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE sessions ADD COLUMN agent TEXT NOT NULL DEFAULT '';
    CREATE TABLE tokens (
        id INTEGER PRIMARY KEY,
        token_sha256 BLOB NOT NULL UNIQUE,
        user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        rights TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        expires_us INTEGER NOT NULL,
        seen_us INTEGER
    ) STRICT;
    ALTER TABLE decisions ADD COLUMN rule TEXT NOT NULL DEFAULT '';
    ALTER TABLE decisions ADD COLUMN plate TEXT;
    CREATE TABLE leases (
        violation BLOB PRIMARY KEY,
        user TEXT NOT NULL,
        until_us INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE case_notes (
        violation BLOB PRIMARY KEY,
        plate TEXT, plate_user TEXT,
        accident INTEGER NOT NULL DEFAULT 0,
        escalated_user TEXT, escalated_us INTEGER, escalated_note TEXT,
        transferred_to TEXT, transferred_user TEXT, transferred_us INTEGER, transferred_note TEXT,
        duplicate_of BLOB,
        proposed_user TEXT, proposed_us INTEGER, proposed_revision INTEGER
    ) STRICT;
    CREATE INDEX case_notes_duplicates ON case_notes (duplicate_of);
    CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
",
];

/// A handle to the file; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Database(Arc<Mutex<Connection>>);

impl Database {
    /// Opens the file in `dir`, made with the folder if missing, readable by its owner only.
    pub(crate) fn open(dir: &Path) -> Result<Self, IdentityError> {
        let folder = |source| IdentityError::Folder { dir: dir.to_owned(), source };
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir).map_err(folder)?;
        let path = dir.join(FILE);
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path).map_err(folder)?;

        let mut connection = Connection::open(&path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        migrate(&mut connection)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs `work` in one transaction on this thread; commits when it succeeds.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, IdentityError>,
    ) -> Result<T, IdentityError> {
        // A panic inside a transaction rolls it back, so the connection stays sound.
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let answer = work(&transaction)?;
        transaction.commit()?;
        Ok(answer)
    }

    /// The same on a blocking thread.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, IdentityError> + Send + 'static,
    ) -> Result<T, IdentityError> {
        let database = self.clone();
        tokio::task::spawn_blocking(move || database.with(work)).await.map_err(|_| IdentityError::Interrupted)?
    }
}

fn migrate(connection: &mut Connection) -> Result<(), IdentityError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = MIGRATIONS.len() as u32;
    if version > known {
        return Err(IdentityError::Newer { found: version, known });
    }
    for step in &MIGRATIONS[version as usize..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}
