//! The end of a camera's chain: kept in `chain.json`, found again after a crash.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use stopline_types::CameraId;

use super::{
    EvidenceError, Signer, disk,
    keys::Keys,
    manifest::{MANIFEST, Manifest},
    tree::Tree,
    writer::ASIDE,
};

pub(super) const CHAIN: &str = "chain.json";

/// A package in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) number: u64,
    pub(super) manifest_sha256: String,
    /// Folder below the evidence root.
    pub(super) path: String,
}

/// What `chain.json` states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) camera: CameraId,
    /// The last package known to be in its place.
    pub(super) last: Option<End>,
    /// A package that was about to be put in its place.
    pub(super) next: Option<End>,
}

#[derive(Serialize, Deserialize)]
struct Signed {
    state: State,
    /// Ed25519 over the JSON of `state`, hexadecimal.
    signature: String,
}

/// Why `chain.json` cannot be used.
#[derive(Debug)]
pub(super) enum Unusable {
    Missing,
    Broken(String),
}

impl State {
    pub(super) fn read(tree: &Tree, camera_dir: &Path, keys: &Keys) -> Result<Self, Unusable> {
        let text = match tree.read(&camera_dir.join(CHAIN)) {
            Ok(Some(text)) => text,
            Ok(None) => return Err(Unusable::Missing),
            Err(error) => return Err(Unusable::Broken(error.to_string())),
        };
        let broken = |error: &dyn std::fmt::Display| Unusable::Broken(error.to_string());
        let Signed { state, signature } = serde_json::from_slice(&text).map_err(|error| broken(&error))?;
        let message = serde_json::to_vec(&state).map_err(|error| broken(&error))?;
        let signature = disk::unhex(&signature).ok_or_else(|| broken(&"the signature is no 128 digits"))?;
        if keys.verify(&message, &signature) { Ok(state) } else { Err(broken(&"the signature is not of this key")) }
    }

    pub(super) fn write(&self, camera_dir: &Path, signer: &Signer) -> Result<(), EvidenceError> {
        let path = camera_dir.join(CHAIN);
        let aside = camera_dir.with_file_name(ASIDE).join(format!("{}.{CHAIN}", self.camera));
        let write = || -> io::Result<()> {
            let signature = disk::hex(&signer.sign(&serde_json::to_vec(self)?));
            disk::replace(&path, &serde_json::to_vec_pretty(&Signed { state: self.clone(), signature })?, &aside)
        };
        write().map_err(EvidenceError::io("writing", &path))
    }

    /// The end of the chain: `next` if it came to its place, else `last`.
    pub(super) fn end(&self, tree: &Tree, root: &Path) -> Result<Option<End>, EvidenceError> {
        if let Some(next) = &self.next
            && let Some(manifest) = tree.read(&root.join(&next.path).join(MANIFEST))?
            && disk::sha256(&manifest) == next.manifest_sha256
        {
            return Ok(Some(next.clone()));
        }
        Ok(self.last.clone())
    }
}

/// The end of a camera's chain as it is on disk now. Without a usable `chain.json` all its packages are looked through.
pub(super) fn find_end(root: &Path, camera: &CameraId, keys: &Keys) -> Result<Option<End>, EvidenceError> {
    let camera_dir = root.join(camera.as_str());
    match State::read(&Tree::Folder, &camera_dir, keys) {
        Ok(state) => return state.end(&Tree::Folder, root),
        Err(Unusable::Missing) => {}
        Err(Unusable::Broken(reason)) => {
            tracing::error!(%camera, %reason, "chain.json is unusable; the chain's end is sought in the packages");
        }
    }
    let mut end: Option<End> = None;
    for package in packages(&camera_dir).map_err(EvidenceError::io("looking through", &camera_dir))? {
        let path = package.join(MANIFEST);
        let bytes = fs::read(&path).map_err(EvidenceError::io("reading", &path))?;
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) else { continue };
        let number = manifest.chain.number;
        if end.as_ref().is_none_or(|end| end.number < number) {
            end = Some(End { number, manifest_sha256: disk::sha256(&bytes), path: relative(root, &package) });
        }
    }
    Ok(end)
}

/// `path` below `root`, with `/`.
pub(super) fn relative(root: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap_or(path).components();
    parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Folders that hold a manifest, anywhere below `dir`, in order. Empty if there is no `dir`.
pub(super) fn packages(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        if dir.join(MANIFEST).is_file() {
            found.push(dir);
            continue;
        }
        let entries = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(last: Option<&End>, next: Option<&End>) -> State {
        State { camera: CameraId::new("cam-1").unwrap(), last: last.cloned(), next: next.cloned() }
    }

    fn end(number: u64, manifest: &str) -> End {
        let path = format!("cam-1/2026/11/21/{number}");
        End { number, manifest_sha256: disk::sha256(manifest.as_bytes()), path }
    }

    #[test]
    fn a_crash_on_either_side_of_the_rename_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let (root, camera) = (dir.path(), CameraId::new("cam-1").unwrap());
        let signer = Signer::open_or_create(&root.join("keys")).unwrap();
        let key = signer.keys();
        let (first, second) = (end(1, "one"), end(2, "two"));
        fs::create_dir(root.join(ASIDE)).unwrap();
        for end in [&first, &second] {
            fs::create_dir_all(root.join(&end.path)).unwrap();
        }
        let found = || find_end(root, &camera, &key).unwrap();
        // Announced, not in its place.
        state(Some(&first), Some(&second)).write(&root.join("cam-1"), &signer).unwrap();
        assert_eq!(found(), Some(first.clone()));
        // In its place, not noted.
        fs::write(root.join(&second.path).join(MANIFEST), "two").unwrap();
        assert_eq!(found(), Some(second.clone()));
        // Something else lies in its place.
        fs::write(root.join(&second.path).join(MANIFEST), "three").unwrap();
        assert_eq!(found(), Some(first));
        // The very first.
        state(None, Some(&end(1, "one"))).write(&root.join("cam-1"), &signer).unwrap();
        assert_eq!(found(), None);
        // Signed by somebody else: unusable.
        let stranger = Signer::open_or_create(&root.join("other")).unwrap();
        state(None, None).write(&root.join("cam-1"), &stranger).unwrap();
        assert!(matches!(State::read(&Tree::Folder, &root.join("cam-1"), &key), Err(Unusable::Broken(_))));
    }
}
