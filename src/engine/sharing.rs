//! Cameras that come from Kafka: what this machine is to run is written as camera files into a folder of the engine's own,
//! which the [`super::reload::Watcher`] follows like any other.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use stopline_store::kafka::{KafkaConfig, Sharer, Wanted};
use tokio::task::JoinHandle;

use crate::config;

const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// This machine's part in the sharing.
pub(super) struct Sharing {
    sharer: Sharer,
    writing: JoinHandle<()>,
}

impl Sharing {
    /// Empties `folder` and takes part. Who starts knows nothing of what others took over meanwhile.
    pub(super) fn start(topic: &KafkaConfig, folder: &Path) -> anyhow::Result<Self> {
        let at = || folder.display().to_string();
        std::fs::create_dir_all(folder).with_context(at)?;
        write(folder, &Wanted::new()).with_context(at)?;
        let sharer = Sharer::start(topic)?;
        let writing = tokio::spawn(follow(sharer.wanted(), folder.to_owned()));
        Ok(Self { sharer, writing })
    }

    /// Gives all cameras to the others.
    pub(super) async fn leave(self) {
        self.writing.abort();
        // Waits for brokers.
        if tokio::task::spawn_blocking(move || drop(self.sharer)).await.is_err() {
            tracing::error!("internal fault (panic) while leaving the group that shares the cameras");
        }
    }
}

async fn follow(mut wanted: tokio::sync::watch::Receiver<Wanted>, folder: PathBuf) {
    loop {
        let now = wanted.borrow_and_update().clone();
        tracing::info!(cameras = ?now.keys().map(ToString::to_string).collect::<Vec<_>>(), "cameras of this machine");
        let into = folder.clone();
        let written = tokio::task::spawn_blocking(move || write(&into, &now)).await;
        match written {
            Ok(Ok(())) => {
                if wanted.changed().await.is_err() {
                    return;
                }
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "camera files of this machine cannot be written: {}", folder.display());
                tokio::time::sleep(TRY_AGAIN_AFTER).await;
            }
            Err(_) => return,
        }
    }
}

/// Makes the folder hold what is wanted and no other camera file. A file whose text stays is not touched.
fn write(folder: &Path, wanted: &Wanted) -> io::Result<()> {
    for file in config::camera_files(folder)? {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if !wanted.keys().any(|id| id.as_str() == stem) {
            std::fs::remove_file(file)?;
        }
    }
    for (id, text) in wanted {
        let file = folder.join(format!("{id}.toml"));
        if std::fs::read_to_string(&file).is_ok_and(|there| there == *text) {
            continue;
        }
        let half = folder.join(format!("{id}.new"));
        std::fs::write(&half, text)?;
        std::fs::rename(half, file)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use stopline_types::CameraId;

    use super::*;

    #[test]
    fn the_folder_holds_what_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let names = || -> Vec<_> {
            let files = config::camera_files(folder.path()).unwrap();
            files.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        let wanted = |all: &[(&str, &str)]| -> Wanted {
            all.iter().map(|(id, text)| (CameraId::new(id).unwrap(), (*text).to_owned())).collect()
        };
        std::fs::write(folder.path().join("left-over.toml"), "").unwrap();
        write(folder.path(), &wanted(&[("a", "1"), ("b", "2")])).unwrap();
        assert_eq!(names(), ["a.toml", "b.toml"]);
        let changed = || std::fs::metadata(folder.path().join("a.toml")).unwrap().modified().unwrap();
        let before = changed();
        write(folder.path(), &wanted(&[("a", "1"), ("c", "3")])).unwrap();
        assert_eq!((names(), changed()), (vec!["a.toml".into(), "c.toml".into()], before), "what stays is not touched");
        write(folder.path(), &wanted(&[("a", "4")])).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("a.toml")).unwrap(), "4");
    }
}
