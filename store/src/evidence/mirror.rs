//! Copies packages into a bucket.
//!
//! What is to be copied is noted as a file in [`TO_COPY`] before a package gets its place, and the note goes when the bucket
//! has all of the package and the chain's end that names it. So a crash forgets nothing; what is copied twice is the
//! same. A folder that had no bucket before is copied whole.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use stopline_types::EventId;

use super::{
    Bucket, EvidenceError,
    chain::{self, CHAIN},
    disk,
    keys::KEYS,
    manifest::{MANIFEST, PUBLIC_KEY, SIGNATURE},
};

/// Notes of what is to be copied: a file for each package, named by its violation, holding its path.
pub(super) const TO_COPY: &str = ".to_copy";

/// How long a new package is waited for, while the bucket answers.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How the copying goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MirrorStats {
    /// Packages that wait.
    pub waiting: u64,
    /// Packages copied since the start.
    pub copied: u64,
    /// What went wrong last; empty: the last try went well.
    pub last_error: String,
}

#[derive(Default)]
struct State {
    stats: MirrorStats,
    /// Packages we were told of.
    told: u64,
    stop: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Copies what is written below an evidence root. Dropping it stops it; what waits is copied after the next start.
pub struct Mirror {
    root: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Mirror {
    /// Starts. A bucket that is away is waited for.
    pub fn start(root: &Path, bucket: Bucket) -> Result<Self, EvidenceError> {
        let notes = root.join(TO_COPY);
        if !notes.exists() {
            note_all(root, &notes)?;
        }
        let shared = Arc::new(Shared::default());
        let worker = Worker { root: root.to_owned(), bucket, shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new()
            .name("evidence-copy".to_owned())
            .spawn(move || worker.run())
            .map_err(EvidenceError::io("starting a thread for", root))?;
        Ok(Self { root: root.to_owned(), shared, thread: Some(thread) })
    }

    /// Figures now.
    #[must_use]
    pub fn stats(&self) -> MirrorStats {
        self.shared.held().stats.clone()
    }

    /// Notes a package that is about to get its place at `path`.
    pub(super) fn note(&self, id: EventId, path: &str) -> Result<(), EvidenceError> {
        let note = self.root.join(TO_COPY).join(id.to_string());
        let written = disk::replace(&note, path.as_bytes(), &self.root.join(TO_COPY).join(".new"));
        written.map_err(EvidenceError::io("writing", note))
    }

    /// Waits until a package that got its place is copied; not for long, and not while the bucket is away. True if it is.
    pub(super) fn copied(&self, id: EventId) -> bool {
        let note = self.root.join(TO_COPY).join(id.to_string());
        let until = Instant::now() + PATIENCE;
        let mut state = self.shared.held();
        state.told += 1;
        self.shared.changed.notify_all();
        loop {
            if !note.exists() {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || state.stop || !state.stats.last_error.is_empty() {
                return false;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.shared.held().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the copying of evidence panicked");
        }
    }
}

/// Notes every package there is, in one step.
fn note_all(root: &Path, notes: &Path) -> Result<(), EvidenceError> {
    let write = || -> io::Result<()> {
        let aside = notes.with_extension("new");
        if aside.exists() {
            fs::remove_dir_all(&aside)?;
        }
        fs::create_dir_all(&aside)?;
        for package in chain::packages(root)? {
            let path = chain::relative(root, &package);
            // What lies aside is no package yet.
            if let Some((_, id)) = path.rsplit_once('/').filter(|_| !path.starts_with('.')) {
                disk::write_new(&aside.join(id), path.as_bytes())?;
            }
        }
        disk::sync_dir(&aside)?;
        fs::rename(&aside, notes)?;
        disk::sync_dir(root)
    };
    write().map_err(EvidenceError::io("writing", notes))
}

struct Worker {
    root: PathBuf,
    bucket: Bucket,
    shared: Arc<Shared>,
}

impl Worker {
    fn run(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let told = self.shared.held().told;
            let tried = self.round();
            let mut state = self.shared.held();
            let failed = match tried {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    state.stats.last_error.clear();
                    false
                }
                Err(error) => {
                    let error = error.to_string();
                    if state.stats.last_error.is_empty() {
                        tracing::error!(%error, "evidence waits on this disk to be copied");
                    }
                    state.stats.last_error = error;
                    true
                }
            };
            self.shared.changed.notify_all();
            // A new package wakes who has nothing to do, not who waits for the bucket.
            let until = Instant::now() + if failed { pause } else { LONGEST_PAUSE };
            while !state.stop && (failed || state.told == told) {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            if state.stop {
                return;
            }
            if failed {
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Copies what is noted now.
    fn round(&self) -> Result<(), EvidenceError> {
        let notes = self.notes()?;
        self.shared.held().stats.waiting = notes.len() as u64;
        if !notes.is_empty() {
            let changes = self.root.join(KEYS);
            if changes.exists() {
                self.copy(&changes, KEYS)?;
            }
            self.copy(&self.root.join(PUBLIC_KEY), PUBLIC_KEY)?;
        }
        for (note, path) in notes {
            if self.shared.held().stop {
                return Ok(());
            }
            let package = self.root.join(&path);
            // Noted, and not in its place: it will be in a moment, or a crash came between.
            if !package.join(MANIFEST).is_file() {
                continue;
            }
            self.package(&package, &path)?;
            // It may name the next package already, whose note is there then.
            if let Some((camera, _)) = path.split_once('/') {
                self.copy(&self.root.join(camera).join(CHAIN), &format!("{camera}/{CHAIN}"))?;
            }
            fs::remove_file(&note).map_err(EvidenceError::io("removing", note))?;
            let mut state = self.shared.held();
            state.stats.copied += 1;
            state.stats.waiting = state.stats.waiting.saturating_sub(1);
            self.shared.changed.notify_all();
        }
        Ok(())
    }

    /// Notes with the paths in them, in order of path and so of day.
    fn notes(&self) -> Result<Vec<(PathBuf, String)>, EvidenceError> {
        let notes = self.root.join(TO_COPY);
        let read = || -> io::Result<Vec<_>> {
            let mut all = Vec::new();
            for entry in fs::read_dir(&notes)? {
                let note = entry?.path();
                if note.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')) {
                    let path = fs::read_to_string(&note)?;
                    all.push((note, path));
                }
            }
            all.sort_by(|a, b| a.1.cmp(&b.1));
            Ok(all)
        };
        read().map_err(EvidenceError::io("reading", &notes))
    }

    /// The files first, what names them last.
    fn package(&self, package: &Path, path: &str) -> Result<(), EvidenceError> {
        let list = || -> io::Result<Vec<String>> {
            fs::read_dir(package)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
        };
        let mut names = list().map_err(EvidenceError::io("looking through", package))?;
        names.sort_by_key(|name| [MANIFEST, SIGNATURE, PUBLIC_KEY].contains(&name.as_str()));
        names.iter().try_for_each(|name| self.copy(&package.join(name), &format!("{path}/{name}")))
    }

    fn copy(&self, from: &Path, to: &str) -> Result<(), EvidenceError> {
        self.bucket.put(to, fs::read(from).map_err(EvidenceError::io("reading", from))?)
    }
}
