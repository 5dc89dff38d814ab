//! Checking packages, offline.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use stopline_types::CameraId;

use super::{
    Bucket, EvidenceError, Manifest, PublicKey,
    chain::{self, CHAIN, State, Unusable},
    disk,
    keys::{Changes, KEYS, Keys},
    manifest::{MANIFEST, MANIFEST_SCHEMA, PUBLIC_KEY, SIGNATURE},
    mirror::TO_COPY,
    tree::Tree,
    writer::{ASIDE, LOCK},
};

/// Whose key the signatures were checked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The key that was given: shows that its holder signed.
    Given,
    /// The evidence root's own key: shows that nothing was changed by somebody without the private key, provided that
    /// `public.pem` of the root is the true one.
    Root,
    /// The key inside the package: shows only that the package agrees with itself.
    Package,
}

/// What was checked and found sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Packages.
    pub packages: u64,
    /// Files in them, besides manifest, signature and key.
    pub files: u64,
    /// Length of these files.
    pub bytes: u64,
    /// Cameras with their chain's length. Empty when only one package was checked: then the chain was not.
    pub chains: BTreeMap<CameraId, u64>,
    /// The key.
    pub key_id: String,
    /// Whose it is.
    pub trust: Trust,
}

/// The one thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No manifest.
    #[error("{MANIFEST} is missing")]
    ManifestMissing,
    /// Its JSON is not a manifest, although the signature is right.
    #[error("{MANIFEST} cannot be read: {reason}")]
    ManifestUnreadable {
        /// What is wrong.
        reason: String,
    },
    /// No signature.
    #[error("{SIGNATURE} is missing")]
    SignatureMissing,
    /// The signature has not 64 bytes.
    #[error("{SIGNATURE} has {found} bytes instead of 64")]
    SignatureMalformed {
        /// Its length.
        found: usize,
    },
    /// Manifest and signature do not belong together under the key.
    #[error(
        "{MANIFEST} does not match its signature under key {key_id}: one of them was changed, or another key signed"
    )]
    SignatureWrong {
        /// The key used.
        key_id: String,
    },
    /// The package's key file is missing or no key.
    #[error("{PUBLIC_KEY} is missing or no key; expected {expected} or one it vouches for")]
    KeyFile {
        /// The key used.
        expected: String,
    },
    /// It was signed with a key that neither is trusted nor follows from one that is.
    #[error("package number {number} was signed with key {found}, which {trusted} does not vouch for")]
    KeyUnknown {
        /// Its number in the camera's chain, by its own word; 0 if it says none.
        number: u64,
        /// The key inside the package.
        found: String,
        /// The key that is trusted.
        trusted: String,
    },
    /// A field does not say what it must here: the package lies in another's place, say.
    #[error("{field} is {found:?}, expected {expected:?}")]
    Field {
        /// The field of the manifest.
        field: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A file named by the manifest is not there.
    #[error("{name} is missing")]
    FileMissing {
        /// The file.
        name: String,
    },
    /// Something lies here that no manifest names.
    #[error("{name} does not belong here")]
    FileExtra {
        /// The file or folder.
        name: String,
    },
    /// A file has another length.
    #[error("{name} has {found} bytes, expected {expected}")]
    FileSize {
        /// The file.
        name: String,
        /// By the manifest.
        expected: u64,
        /// On disk.
        found: u64,
    },
    /// A file has another content.
    #[error("{name} was changed: its SHA-256 is {found}, expected {expected}")]
    FileHash {
        /// The file.
        name: String,
        /// By the manifest.
        expected: String,
        /// On disk.
        found: String,
    },
    /// A number is missing in the chain, or there twice.
    #[error("chain of {camera}: expected package number {expected}, found {found}")]
    ChainNumber {
        /// The camera.
        camera: CameraId,
        /// The number due.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// A package does not follow from the one before.
    #[error("chain of {camera}: package {number} does not follow from the manifest before it")]
    ChainLink {
        /// The camera.
        camera: CameraId,
        /// The package.
        number: u64,
    },
    /// The end of the chain is not where it should be: packages were cut off.
    #[error("chain of {camera}: it ends with package {found}, expected {expected}")]
    ChainEnd {
        /// The camera.
        camera: CameraId,
        /// Number of the last package by `chain.json`.
        expected: u64,
        /// Number of the last package found.
        found: u64,
    },
    /// `chain.json` is missing, changed, or unreadable.
    #[error("chain of {camera}: {CHAIN} {reason}")]
    ChainState {
        /// The camera.
        camera: CameraId,
        /// What is wrong.
        reason: String,
    },
}

/// Why a check did not pass.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Something is wrong with the evidence.
    #[error("{path}: {fault}")]
    Fault {
        /// The package, or the folder.
        path: PathBuf,
        /// What is wrong.
        fault: Fault,
    },
    /// There is no evidence here.
    #[error("{path}: no evidence package and no evidence root")]
    NothingThere {
        /// What was given.
        path: PathBuf,
    },
    /// A file could not be read, or a key is no key.
    #[error(transparent)]
    Read(#[from] EvidenceError),
}

/// Checks one package (a folder with a manifest) or a whole evidence root with all chains. Stops at the first fault.
/// `trusted`: the key that must have signed; without it the root's own key is used, or else the package's.
pub fn verify(path: &Path, trusted: Option<&PublicKey>) -> Result<Report, VerifyError> {
    verify_tree(Tree::Folder, path, trusted)
}

/// As [`verify`], of a bucket: `path` is empty for all of it, or a package's below its prefix. Blocks.
pub fn verify_bucket(bucket: Bucket, path: &str, trusted: Option<&PublicKey>) -> Result<Report, VerifyError> {
    verify_tree(Tree::Bucket(Arc::new(bucket)), Path::new(path.trim_matches('/')), trusted)
}

fn verify_tree(tree: Tree, path: &Path, trusted: Option<&PublicKey>) -> Result<Report, VerifyError> {
    let public_key = |dir: &Path| -> Result<Option<PublicKey>, EvidenceError> {
        let path = dir.join(PUBLIC_KEY);
        tree.read(&path)?.map(|pem| PublicKey::parse(&pem, &path)).transpose()
    };
    let is_package = tree.read(&path.join(MANIFEST))?.is_some() || tree.read(&path.join(SIGNATURE))?.is_some();
    // <root>/<camera>/yyyy/mm/dd/<id>
    let root = if is_package { path.ancestors().nth(5) } else { Some(path) };
    let of_root = root.map(public_key).transpose();
    let (key, trust) = match (trusted, of_root) {
        (Some(key), _) => (key.clone(), Trust::Given),
        (None, Ok(Some(Some(key)))) => (key, Trust::Root),
        (None, _) if is_package => {
            let expected = "the package was signed with".to_owned();
            let missing = || fault(path, Fault::KeyFile { expected });
            (public_key(path).ok().flatten().ok_or_else(missing)?, Trust::Package)
        }
        (None, Err(error)) => return Err(error.into()),
        (None, _) => return Err(VerifyError::NothingThere { path: path.to_owned() }),
    };
    let report = Report { packages: 0, files: 0, bytes: 0, chains: BTreeMap::new(), key_id: key.id(), trust };
    // Said by the root itself, and worth what the signatures in it are.
    let changes = match root {
        Some(root) => Changes::parse(tree.read(&root.join(KEYS))?.as_deref(), &root.join(KEYS))?,
        None => Changes::default(),
    };
    let keys = Keys::of(key.clone(), &changes);
    let mut check = Check { tree, key, keys, report };
    if is_package {
        check.package(path)?;
    } else {
        check.root(path)?;
    }
    Ok(check.report)
}

struct Check {
    tree: Tree,
    /// The one that is trusted, and with it all of `keys`.
    key: PublicKey,
    keys: Keys,
    report: Report,
}

impl Check {
    fn root(&mut self, root: &Path) -> Result<(), VerifyError> {
        for (name, path, is_dir) in self.tree.entries(root)? {
            if [PUBLIC_KEY, KEYS, LOCK, ASIDE, TO_COPY].contains(&name.as_str()) {
                continue;
            }
            match CameraId::new(&name) {
                Ok(camera) if is_dir => self.camera(root, &camera, &path)?,
                _ => return Err(fault(root, Fault::FileExtra { name })),
            }
        }
        Ok(())
    }

    /// All packages of a camera, and its chain.
    fn camera(&mut self, root: &Path, camera: &CameraId, dir: &Path) -> Result<(), VerifyError> {
        let state = State::read(&self.tree, dir, &self.keys).map_err(|unusable| {
            let reason = match unusable {
                Unusable::Missing => "is missing".to_owned(),
                Unusable::Broken(reason) => reason,
            };
            fault(dir, Fault::ChainState { camera: camera.clone(), reason })
        })?;
        let mut packages = Vec::new();
        let mut open = vec![(dir.to_owned(), 0)];
        while let Some((dir, depth)) = open.pop() {
            for (name, path, is_dir) in self.tree.entries(&dir)? {
                match (depth, is_dir) {
                    (0, false) if name == CHAIN => {}
                    (0..=2, true) => open.push((path, depth + 1)),
                    (3, true) => packages.push(path),
                    _ => return Err(fault(&dir, Fault::FileExtra { name })),
                }
            }
        }
        packages.sort();
        let mut links = Vec::new();
        let mut unknown: Option<(u64, VerifyError)> = None;
        for package in packages {
            let (manifest, sha256) = match self.package(&package) {
                // Found by day and id: the first link that nothing leads to may come later.
                Err(VerifyError::Fault { path, fault: Fault::KeyUnknown { number, found, trusted } }) => {
                    if unknown.as_ref().is_none_or(|(least, _)| number < *least) {
                        unknown = Some((number, fault(&path, Fault::KeyUnknown { number, found, trusted })));
                    }
                    continue;
                }
                checked => checked?,
            };
            in_its_place(root, &package, &manifest).map_err(|wrong| fault(&package, wrong))?;
            links.push((manifest.chain, sha256, package));
        }
        if let Some((_, error)) = unknown {
            return Err(error);
        }
        links.sort_by_key(|(link, ..)| link.number);
        let mut before: Option<&str> = None;
        for (expected, (link, sha256, package)) in (1..).zip(&links) {
            if link.number != expected {
                let found = link.number;
                return Err(fault(package, Fault::ChainNumber { camera: camera.clone(), expected, found }));
            }
            if link.previous_sha256.as_deref() != before {
                return Err(fault(package, Fault::ChainLink { camera: camera.clone(), number: expected }));
            }
            before = Some(sha256);
        }
        let end = state.end(&self.tree, root)?;
        let expected = end.as_ref().map_or(0, |end| end.number);
        let found = links.len() as u64;
        if expected != found {
            return Err(fault(dir, Fault::ChainEnd { camera: camera.clone(), expected, found }));
        }
        if state.camera != *camera || end.as_ref().map(|end| end.manifest_sha256.as_str()) != before {
            let reason = "names another package as the last".to_owned();
            return Err(fault(dir, Fault::ChainState { camera: camera.clone(), reason }));
        }
        self.report.chains.insert(camera.clone(), found);
        Ok(())
    }

    /// One package by itself. Gives the manifest and its SHA-256.
    fn package(&mut self, package: &Path) -> Result<(Manifest, String), VerifyError> {
        let wrong = |found| fault(package, found);
        let bytes = self.tree.read(&package.join(MANIFEST))?.ok_or_else(|| wrong(Fault::ManifestMissing))?;
        let signature = self.tree.read(&package.join(SIGNATURE))?.ok_or_else(|| wrong(Fault::SignatureMissing))?;
        let signature: [u8; 64] =
            signature.as_slice().try_into().map_err(|_| wrong(Fault::SignatureMalformed { found: signature.len() }))?;
        let path = package.join(PUBLIC_KEY);
        let key = self.tree.read(&path)?.and_then(|pem| PublicKey::parse(&pem, &path).ok());
        let key = key.ok_or_else(|| wrong(Fault::KeyFile { expected: self.key.id() }))?;
        let key_id = key.id();
        if !self.keys.holds(&key) {
            let said = serde_json::from_slice::<Manifest>(&bytes);
            let number = said.map_or(0, |manifest| manifest.chain.number);
            return Err(wrong(Fault::KeyUnknown { number, found: key_id, trusted: self.key.id() }));
        }
        if !key.verify(&bytes, &signature) {
            return Err(wrong(Fault::SignatureWrong { key_id }));
        }
        let unreadable = |reason: String| wrong(Fault::ManifestUnreadable { reason });
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        if manifest.schema != MANIFEST_SCHEMA {
            return Err(unreadable(format!("schema {} is not {MANIFEST_SCHEMA}", manifest.schema)));
        }
        expect("key_id", &key_id, &manifest.key_id).map_err(wrong)?;
        for file in &manifest.files {
            let path = package.join(&file.name);
            let Some(on_disk) = self.tree.open(&path)? else {
                return Err(wrong(Fault::FileMissing { name: file.name.clone() }));
            };
            let (found, sha256) = disk::copy_hashed(on_disk, None).map_err(EvidenceError::io("reading", path))?;
            if found != file.bytes {
                return Err(wrong(Fault::FileSize { name: file.name.clone(), expected: file.bytes, found }));
            }
            if sha256 != file.sha256 {
                let expected = file.sha256.clone();
                return Err(wrong(Fault::FileHash { name: file.name.clone(), expected, found: sha256 }));
            }
        }
        for (name, _, is_dir) in self.tree.entries(package)? {
            let known = [MANIFEST, SIGNATURE, PUBLIC_KEY].contains(&name.as_str())
                || manifest.files.iter().any(|file| file.name == name);
            if !known || is_dir {
                return Err(wrong(Fault::FileExtra { name }));
            }
        }
        self.report.packages += 1;
        self.report.files += manifest.files.len() as u64;
        self.report.bytes += manifest.files.iter().map(|file| file.bytes).sum::<u64>();
        Ok((manifest, disk::sha256(&bytes)))
    }
}

/// Whether a package lies where its violation belongs.
fn in_its_place(root: &Path, package: &Path, manifest: &Manifest) -> Result<(), Fault> {
    let path = chain::relative(root, package);
    let (camera, rest) = path.split_once('/').unwrap_or((&path, ""));
    let (day, id) = rest.rsplit_once('/').unwrap_or((rest, ""));
    let violation = &manifest.violation;
    expect("violation.id", id, &violation.id.to_string())?;
    expect("violation.camera", camera, violation.camera.as_str())?;
    expect("violation.utc", day, &violation.utc.timestamp().strftime("%Y/%m/%d").to_string())
}

fn expect(field: &'static str, expected: &str, found: &str) -> Result<(), Fault> {
    if expected == found {
        return Ok(());
    }
    Err(Fault::Field { field, expected: expected.to_owned(), found: found.to_owned() })
}

fn fault(path: &Path, fault: Fault) -> VerifyError {
    VerifyError::Fault { path: path.to_owned(), fault }
}
