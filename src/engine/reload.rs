//! The camera files watched: what is new is started, what changed is started anew, what is gone is stopped. A broken
//! file is refused with file, line and reason, and what was in force stays.
//!
//! Looked at every second by size and time of change, not by the kernel's notices: those are silent on network
//! folders and confused by folders that are swapped as a whole, and 400 files cost a millisecond.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use stopline_types::CameraId;

use super::{
    cameras::Cameras,
    outlets::{Found, Outlets},
};
use crate::config::{self, CameraConfig};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What tells that a file was changed: of the file itself and of the one its password is in.
type Mark = Vec<Option<(u64, SystemTime)>>;

/// One camera file as last looked at.
struct Known {
    mark: Mark,
    password_file: Option<PathBuf>,
    /// The camera it is, unless it was never right.
    id: Option<CameraId>,
    /// Not there at the last look. Editors that write anew take a file away for a moment.
    missing: bool,
}

/// Watches the files of a folder.
pub(crate) struct Watcher {
    folder: PathBuf,
    known: BTreeMap<PathBuf, Known>,
    cameras: Arc<Cameras>,
    outlets: Outlets,
}

impl Watcher {
    /// `in_force`: the cameras that run. `outlets` take what tracks end with.
    pub(crate) fn new(folder: PathBuf, in_force: &[CameraConfig], cameras: Arc<Cameras>, outlets: Outlets) -> Self {
        let known = in_force.iter().map(|camera| {
            let password_file = camera.password_file.clone();
            let mark = mark(&camera.file, password_file.as_deref());
            (camera.file.clone(), Known { mark, password_file, id: Some(camera.id.clone()), missing: false })
        });
        Self { folder, known: known.collect(), cameras, outlets }
    }

    /// For ever.
    pub(crate) async fn run(mut self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look().await;
        }
    }

    async fn look(&mut self) {
        let folder = self.folder.clone();
        let files = match tokio::task::spawn_blocking(move || config::camera_files(&folder)).await {
            Ok(Ok(files)) => files,
            // A folder that cannot be read now says nothing about its cameras.
            Ok(Err(_)) | Err(_) => return,
        };
        // What is gone goes first: a renamed file holds the same id.
        let gone: Vec<PathBuf> = self.known.keys().filter(|file| !files.contains(file)).cloned().collect();
        for file in gone {
            let Some(known) = self.known.get_mut(&file) else { continue };
            if std::mem::replace(&mut known.missing, true) {
                let id = known.id.clone();
                self.known.remove(&file);
                if let Some(id) = id {
                    self.remove(&id).await;
                }
            }
        }
        for file in files {
            let before = self.known.get_mut(&file);
            let password_file = before.as_ref().and_then(|known| known.password_file.clone());
            let now = mark(&file, password_file.as_deref());
            match before {
                Some(known) if known.mark == now => known.missing = false,
                _ => self.read(file, now).await,
            }
        }
    }

    async fn read(&mut self, file: PathBuf, mark_before: Mark) {
        let before = self.known.get(&file).and_then(|known| known.id.clone());
        let path = file.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || config::camera_file(&path)).await else { return };
        let taken = |id: &CameraId| {
            let mut others = self.known.iter().filter(|(other, _)| **other != file);
            others.find(|(_, known)| known.id.as_ref() == Some(id)).map(|(other, _)| other.display().to_string())
        };
        let refused = match read {
            Err(faults) => Err(faults.to_string()),
            Ok(camera) => match taken(&camera.id) {
                Some(other) => Err(format!("{}: id: {:?} is also the id of {other}", file.display(), camera.id)),
                None => Ok(camera),
            },
        };
        let camera = match refused {
            Ok(camera) => camera,
            Err(why) => {
                let stays = before.as_ref().map_or("no camera", |_| "the old one");
                tracing::error!("a camera file is refused, {stays} stays in force: {why}");
                let password_file = self.known.get(&file).and_then(|known| known.password_file.clone());
                self.known.insert(file, Known { mark: mark_before, password_file, id: before, missing: false });
                return;
            }
        };
        let (id, password_file) = (camera.id.clone(), camera.password_file.clone());
        let mark = mark(&file, password_file.as_deref());
        self.known.insert(file, Known { mark, password_file, id: Some(id.clone()), missing: false });
        if let Some(old) = before.filter(|old| *old != id) {
            self.remove(&old).await;
        }
        let known = self.cameras.get(&id).is_some();
        match self.cameras.replace(camera).await {
            Ok(found) => {
                tracing::info!(camera = %id, "{}", if known { "changed by its file" } else { "added by its file" });
                self.hand_on(found).await;
            }
            Err(error) => tracing::error!(camera = %id, "cannot be started: {error}"),
        }
    }

    async fn remove(&self, id: &CameraId) {
        let found = self.cameras.remove(id).await;
        self.hand_on(found).await;
        tracing::info!(camera = %id, "removed: its file is gone");
    }

    async fn hand_on(&self, found: Option<Found>) {
        let Some(found) = found else { return };
        let outlets = self.outlets.clone();
        // It may wait for the disk.
        if tokio::task::spawn_blocking(move || outlets.take(found)).await.is_err() {
            tracing::error!("internal fault (panic) while events of a changed camera were handed on");
        }
    }
}

fn mark(file: &Path, password_file: Option<&Path>) -> Mark {
    let of = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    [Some(file), password_file].into_iter().flatten().map(of).collect()
}
