//! The tables, as numbered files of SQL. Applied in order, each once; a file that was applied never changes.

use std::time::Duration;

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    Store, StoreError,
    store::{within, within_time},
};

/// One file.
struct Migration {
    version: u32,
    name: &'static str,
    sql: &'static str,
}

/// In order. Add at the end; never change one that was released.
const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "events", sql: include_str!("sql/0001_events.sql") },
    Migration { version: 2, name: "plates", sql: include_str!("sql/0002_plates.sql") },
    Migration { version: 3, name: "aside", sql: include_str!("sql/0003_aside.sql") },
    Migration { version: 4, name: "rollups", sql: include_str!("sql/0004_rollups.sql") },
    Migration { version: 5, name: "plate_index", sql: include_str!("sql/0005_plate_index.sql") },
    Migration { version: 6, name: "retention", sql: include_str!("sql/0006_retention.sql") },
];

#[derive(Row, Serialize, Deserialize)]
struct Applied {
    version: u32,
    name: String,
    sha256: String,
}

/// How long one statement may take: those that lay a long history anew read all of it.
const STATEMENT: Duration = Duration::from_secs(6 * 3600);

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (version UInt32, name String, sha256 String, \
    applied DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = ReplacingMergeTree ORDER BY version \
    SETTINGS fsync_after_insert = 1, fsync_part_directory = 1";

impl Store {
    /// Makes the database if it is missing and brings its tables up to date. Returns how many files were applied.
    /// Interrupted, it goes on where it stopped: every statement may be run again.
    pub async fn migrate(&self) -> Result<usize, StoreError> {
        let create = "CREATE DATABASE IF NOT EXISTS {name:Identifier}";
        let server = self.client().clone().with_database("default");
        within("making the database", server.query(create).param("name", &self.endpoint().database).execute()).await?;
        within("making the ledger of migrations", self.client().query(LEDGER).execute()).await?;
        let applied = self.client().query("SELECT ?fields FROM schema_migrations FINAL ORDER BY version");
        let applied = within("reading the ledger of migrations", applied.fetch_all::<Applied>()).await?;
        for known in &applied {
            check(known)?;
        }
        let mut count = 0;
        for migration in MIGRATIONS {
            if applied.iter().any(|known| known.version == migration.version) {
                continue;
            }
            for statement in statements(migration.sql) {
                let doing = format!("migration {} {:?}", migration.version, migration.name);
                let done = self.client().query(&statement.replace('?', "??")).execute();
                within_time(STATEMENT, &doing, done).await?;
            }
            self.note(migration).await?;
            count += 1;
        }
        Ok(count)
    }

    async fn note(&self, migration: &Migration) -> Result<(), StoreError> {
        let row =
            Applied { version: migration.version, name: migration.name.to_owned(), sha256: sha256(migration.sql) };
        within("noting a migration", async {
            let mut insert = self.client().insert::<Applied>("schema_migrations").await?;
            insert.write(&row).await?;
            insert.end().await
        })
        .await
    }
}

fn check(known: &Applied) -> Result<(), StoreError> {
    let refused = |reason: &str| StoreError::Migration {
        version: known.version,
        name: known.name.clone(),
        reason: reason.to_owned(),
    };
    match MIGRATIONS.iter().find(|migration| migration.version == known.version) {
        None => Err(refused("the database was migrated by a newer program")),
        Some(migration) if sha256(migration.sql) != known.sha256 => {
            Err(refused("the file that was applied differs from this program's"))
        }
        Some(_) => Ok(()),
    }
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Statements of a file: each ends with `;` at the end of a line. Comment lines are left out.
fn statements(sql: &str) -> Vec<String> {
    let code: Vec<&str> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let ended = |text: &str| text.trim().trim_end_matches(';').trim().to_owned();
    code.join("\n").split(";\n").map(ended).filter(|statement| !statement.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_files_hold_statements() {
        assert!(MIGRATIONS.is_sorted_by(|before, after| before.version < after.version));
        for migration in MIGRATIONS {
            assert!(!statements(migration.sql).is_empty(), "{}", migration.name);
        }
    }
}
