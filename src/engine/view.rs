//! Keeps what the guards of the views learned over a restart, and says in the log when a camera's rules rest and when they
//! go on.
//!
//! One file a camera, `<data_dir>/guard/<camera>.json`, written when the view is known first, every ten minutes after
//! that (it follows the light), and at the end. A file of an older calibration is ignored: whoever draws a scene anew
//! says by that that the view is right as it is. Delete the file to say so without drawing anew.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use stopline_detect::{analyze::Analyzer, scene::GuardMemory};
use stopline_types::CameraId;

use super::cameras::{Cameras, Entry};

/// How often cameras are asked.
const ASK: Duration = Duration::from_secs(1);
/// How often what was learned is written again.
const SAVE: Duration = Duration::from_secs(600);

/// Where the files lie.
#[derive(Debug, Clone)]
pub(crate) struct Views {
    dir: PathBuf,
}

impl Views {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { dir: data_dir.join("guard") }
    }

    fn file(&self, camera: &CameraId) -> PathBuf {
        self.dir.join(format!("{camera}.json"))
    }

    /// Gives an analyzer what was learned of its camera's view before.
    pub(super) fn restore(&self, camera: &CameraId, analyzer: &mut Analyzer) {
        let file = self.file(camera);
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "the view is learned anew");
                return;
            }
        };
        match serde_json::from_slice(&text) {
            Ok(memory) => analyzer.remember(memory),
            Err(error) => tracing::warn!(file = %file.display(), %error, "the view is learned anew"),
        }
    }

    /// Writes what every guard knows.
    pub(super) fn save(&self, cameras: &Cameras) {
        cameras.all().iter().for_each(|entry| self.keep(entry));
    }

    /// Writes what one guard knows.
    pub(super) fn keep(&self, entry: &Entry) {
        let camera = entry.camera.id();
        let Some(memory) = entry.analyze(|analyzer| analyzer.guard_memory()) else { return };
        if let Err(error) = self.write(camera, &memory) {
            tracing::warn!(file = %self.file(camera).display(), %error, "what was learned of the view is not kept");
        }
    }

    fn write(&self, camera: &CameraId, memory: &GuardMemory) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        let fresh = self.dir.join(format!("{camera}.json.new"));
        std::fs::write(&fresh, serde_json::to_vec(memory)?)?;
        std::fs::rename(fresh, self.file(camera))
    }
}

/// Watches until the task is aborted.
pub(super) async fn watch(views: Views, cameras: Arc<Cameras>) {
    let mut known: HashMap<CameraId, Option<String>> = HashMap::new();
    let mut saved: Option<Instant> = None;
    let mut ticks = tokio::time::interval(ASK);
    loop {
        ticks.tick().await;
        let mut learned = false;
        for entry in cameras.all() {
            let camera = entry.camera.id();
            let (suspended, knows) = entry.analyze(|analyzer| (analyzer.suspended(), analyzer.knows_view()));
            learned |= knows;
            let before = known.insert(camera.clone(), suspended.clone()).flatten();
            match (before, suspended) {
                (None, Some(reason)) => tracing::warn!(%camera, "rules rest: {reason}"),
                (Some(_), None) => tracing::info!(%camera, "rules go on: the view is right again"),
                _ => {}
            }
        }
        if learned && saved.is_none_or(|at| at.elapsed() >= SAVE) {
            saved = Some(Instant::now());
            let (views, cameras) = (views.clone(), Arc::clone(&cameras));
            if let Err(error) = tokio::task::spawn_blocking(move || views.save(&cameras)).await {
                tracing::error!(%error, "what was learned of the views is not kept");
            }
        }
    }
}
