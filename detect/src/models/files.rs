//! A model's file: found, checked, fetched.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use sha2::{Digest as _, Sha256};

use super::{ModelEntry, ModelError, Origin};

/// Largest model file that is read, so that a wrong path (a device, a film) cannot fill the memory.
const LARGEST_BYTES: u64 = 2 << 30;

/// A model whose bytes are the ones the manifest means.
#[derive(Clone)]
pub struct VerifiedModel {
    pub(crate) entry: ModelEntry,
    pub(crate) bytes: Arc<[u8]>,
    path: PathBuf,
}

impl std::fmt::Debug for VerifiedModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerifiedModel({} from {})", self.version(), self.path.display())
    }
}

impl VerifiedModel {
    /// What the manifest says of it.
    #[must_use]
    pub fn entry(&self) -> &ModelEntry {
        &self.entry
    }

    /// The file it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name and the first twelve digits of its SHA-256, e.g. `nanodet-g@f3ef4ad91f31`: what events carry.
    #[must_use]
    pub fn version(&self) -> String {
        format!("{}@{}", self.entry.name, &self.entry.sha256[..12])
    }
}

/// How a model's file stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// It is the one the manifest means.
    Verified(PathBuf),
    /// It is in none of the folders.
    Missing,
    /// It is another file: where, and its SHA-256.
    Wrong(PathBuf, String),
}

impl ModelEntry {
    /// Reads and checks the file from the first of `dirs` that has it.
    pub fn locate<P: AsRef<Path>>(&self, dirs: &[P]) -> Result<VerifiedModel, ModelError> {
        let Some(path) = self.find(dirs) else {
            return Err(ModelError::Missing {
                name: self.name.clone(),
                file: self.file.clone(),
                searched: dirs.iter().map(|d| d.as_ref().display().to_string()).collect::<Vec<_>>().join(", "),
                remedy: self.remedy(),
            });
        };
        let bytes = self.read_checked(&path)?;
        Ok(VerifiedModel { entry: self.clone(), bytes: bytes.into(), path })
    }

    /// How the file stands, for lists. An error means that it is there but cannot be read.
    pub fn state<P: AsRef<Path>>(&self, dirs: &[P]) -> Result<FileState, ModelError> {
        match self.locate(dirs) {
            Ok(model) => Ok(FileState::Verified(model.path)),
            Err(ModelError::Missing { .. }) => Ok(FileState::Missing),
            Err(ModelError::WrongHash { path, found, .. }) => Ok(FileState::Wrong(path, found)),
            Err(other) => Err(other),
        }
    }

    fn find<P: AsRef<Path>>(&self, dirs: &[P]) -> Option<PathBuf> {
        dirs.iter().map(|dir| dir.as_ref().join(&self.file)).find(|path| path.exists())
    }

    /// What to do when the file is not there or not right.
    fn remedy(&self) -> String {
        match &self.origin {
            Origin::Script(script) => format!("run `make setup`, which builds it with {script}"),
            Origin::Derived { from, script } => format!("run `stopline models fetch {from}`, then `{script} FOLDER`"),
            Origin::Url(_) => format!("run `stopline models fetch {}`", self.name),
            Origin::Repository(path) => format!("run `make setup`, which copies {path} there"),
        }
    }

    fn read_checked(&self, path: &Path) -> Result<Vec<u8>, ModelError> {
        let fault = |source| ModelError::File { name: self.name.clone(), path: path.to_path_buf(), source };
        let size = std::fs::metadata(path).map_err(fault)?.len();
        if size > LARGEST_BYTES {
            return Err(fault(std::io::Error::other(format!("{size} bytes are more than a model has"))));
        }
        let bytes = std::fs::read(path).map_err(fault)?;
        let found = hex(&Sha256::digest(&bytes));
        if found != self.sha256 {
            return Err(ModelError::WrongHash {
                name: self.name.clone(),
                path: path.to_path_buf(),
                expected: self.sha256.clone(),
                found,
                remedy: self.remedy(),
            });
        }
        Ok(bytes)
    }
}

/// Brings a model's file into `dir`: from `from` if given, else from its pinned address. It appears under its name
/// only once its SHA-256 is right; an earlier file of that name is then replaced. Returns where it lies.
///
/// The download is `curl`'s, which must be installed; it follows redirects, over HTTPS only.
pub fn fetch(entry: &ModelEntry, dir: &Path, from: Option<&Path>) -> Result<PathBuf, ModelError> {
    let fault = |path: &Path, source| ModelError::File { name: entry.name.clone(), path: path.to_path_buf(), source };
    let part = PartFile(dir.join(format!(".{}.{}.part", entry.file, std::process::id())));
    let bytes = match (from, &entry.origin) {
        (Some(from), _) => entry.read_checked(from)?,
        (None, Origin::Url(url)) => {
            std::fs::create_dir_all(dir).map_err(|e| fault(dir, e))?;
            download(&entry.name, url, &part.0)?;
            entry.read_checked(&part.0)?
        }
        (None, Origin::Script(_) | Origin::Derived { .. } | Origin::Repository(_)) => {
            return Err(ModelError::Built { name: entry.name.clone(), remedy: entry.remedy() });
        }
    };
    std::fs::create_dir_all(dir).map_err(|e| fault(dir, e))?;
    let mut file = File::create(&part.0).map_err(|e| fault(&part.0, e))?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(|e| fault(&part.0, e))?;
    let path = dir.join(&entry.file);
    std::fs::rename(&part.0, &path).map_err(|e| fault(&path, e))?;
    Ok(path)
}

/// A file that goes when it is not renamed away first.
struct PartFile(PathBuf);

impl Drop for PartFile {
    fn drop(&mut self) {
        // Gone already after a rename: that is the good case.
        drop(std::fs::remove_file(&self.0));
    }
}

fn download(name: &str, url: &str, to: &Path) -> Result<(), ModelError> {
    let fault = |reason: String| ModelError::Download { name: name.into(), url: url.into(), reason };
    let output = Command::new("curl")
        .args(["--fail", "--location", "--silent", "--show-error", "--proto", "=https", "--retry", "2"])
        .args(["--connect-timeout", "15", "--max-time", "900"])
        .args(["--max-filesize", &LARGEST_BYTES.to_string(), "--output"])
        .arg(to)
        .args(["--", url])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| fault(format!("curl could not be started: {e}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(fault(said.lines().last().map_or_else(|| output.status.to_string(), |line| line.trim().to_owned())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
