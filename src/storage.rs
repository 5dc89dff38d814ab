//! What the engine's files take on the disk, and how fast they grow.

use std::{
    io,
    path::Path,
    time::{Duration, SystemTime},
};

use stopline_web::{Storage, StoragePart};

/// Walking over a year of evidence takes a while.
pub(crate) const MEASURED_EVERY: Duration = Duration::from_secs(600);
const DAY_S: f64 = 86_400.0;
/// Growth is told once there is so much of a day to tell it by.
const LEAST_S: f64 = 3600.0;

/// Measures; reads every folder below.
pub(crate) fn measure(data: &Path, evidence: &Path) -> io::Result<Storage> {
    let disk = rustix::fs::statvfs(data)?;
    let now = SystemTime::now();
    let part = |name: &str, found: Found, bytes_per_day| StoragePart {
        name: name.to_owned(),
        bytes: found.bytes,
        bytes_per_day,
    };
    // Evidence is written once: what is younger than a day is the growth of a day. The store writes its files anew
    // when it merges them: there only the mean since the first one tells something.
    let (proofs, rows) = (found(evidence, now), found(&data.join("clickhouse"), now));
    let daily = |bytes: u64, over_s: f64| (over_s >= LEAST_S).then(|| bytes as f64 * DAY_S / over_s);
    let proofs_daily = daily(proofs.of_last_day, proofs.oldest_s.min(DAY_S));
    let since = std::fs::metadata(data.join("keys")).and_then(|about| about.created());
    let rows_daily = since
        .ok()
        .and_then(|since| now.duration_since(since).ok())
        .and_then(|age| daily(rows.bytes, age.as_secs_f64()));
    Ok(Storage {
        total_bytes: disk.f_blocks * disk.f_frsize,
        free_bytes: disk.f_bavail * disk.f_frsize,
        parts: vec![
            part("evidence", proofs, proofs_daily),
            part("store", rows, rows_daily),
            part("spool", found(&data.join("spool"), now), None),
        ],
    })
}

/// Days until the disk is full if it goes on growing as it does; `None`: not known yet, or it does not grow.
pub(crate) fn full_in_days(told: &Storage) -> Option<f64> {
    let daily: f64 = told.parts.iter().filter_map(|part| part.bytes_per_day).sum();
    (daily > 0.0).then(|| told.free_bytes as f64 / daily)
}

#[derive(Clone, Copy, Default)]
struct Found {
    bytes: u64,
    /// Of files changed within a day.
    of_last_day: u64,
    /// Age of the oldest file, seconds.
    oldest_s: f64,
}

/// All files below a folder; files that go meanwhile count nothing.
fn found(folder: &Path, now: SystemTime) -> Found {
    let Ok(entries) = std::fs::read_dir(folder) else { return Found::default() };
    entries.filter_map(Result::ok).fold(Found::default(), |sum, entry| {
        let one = match entry.file_type() {
            Ok(kind) if kind.is_dir() => found(&entry.path(), now),
            Ok(_) => entry.metadata().map_or_else(
                |_| Found::default(),
                |about| {
                    let age_s = about
                        .modified()
                        .ok()
                        .and_then(|at| now.duration_since(at).ok())
                        .map_or(0.0, |age| age.as_secs_f64());
                    Found {
                        bytes: about.len(),
                        of_last_day: if age_s <= DAY_S { about.len() } else { 0 },
                        oldest_s: age_s,
                    }
                },
            ),
            Err(_) => Found::default(),
        };
        Found {
            bytes: sum.bytes + one.bytes,
            of_last_day: sum.of_last_day + one.of_last_day,
            oldest_s: sum.oldest_s.max(one.oldest_s),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_what_came_within_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let (data, evidence) = (folder.path().join("data"), folder.path().join("evidence/cam/x"));
        std::fs::create_dir_all(&data).unwrap();
        std::fs::create_dir_all(&evidence).unwrap();
        let written = |name: &str, bytes: usize, age_s: u64| {
            let path = evidence.join(name);
            std::fs::write(&path, vec![0; bytes]).unwrap();
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age_s)).unwrap();
        };
        written("new", 300, 10);
        let told = measure(&data, &folder.path().join("evidence")).unwrap();
        assert_eq!((told.parts[0].bytes, told.parts[0].bytes_per_day), (300, None), "too early to tell");
        written("old", 5000, 3 * 86_400);
        let told = measure(&data, &folder.path().join("evidence")).unwrap();
        assert_eq!((told.parts[0].bytes, told.parts[0].bytes_per_day), (5300, Some(300.0)));
        assert!(told.free_bytes > 0 && told.total_bytes >= told.free_bytes);
        let told = Storage { free_bytes: 3_000, ..told };
        assert_eq!(full_in_days(&told), Some(10.0));
        assert_eq!(full_in_days(&Storage { parts: Vec::new(), ..told }), None);
    }
}
