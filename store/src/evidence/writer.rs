//! Writing packages.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use stopline_types::{CameraId, EvidenceRef, Violation};

use super::{
    Bucket, Device, EvidenceError, FileEntry, Link, MANIFEST_SCHEMA, Manifest, Mirror, MirrorStats, Place, PublicKey,
    Signer,
    chain::{self, End, State},
    disk,
    keys::KEYS,
    manifest::{MANIFEST, PUBLIC_KEY, SIGNATURE},
};

/// Where packages are made before they get their place.
pub(super) const ASIDE: &str = ".unfinished";
pub(super) const LOCK: &str = ".lock";

/// What proves a violation.
#[derive(Debug, Clone)]
pub struct Package<'a> {
    /// The violation.
    pub violation: &'a Violation,
    /// The site, in words for people.
    pub site: &'a str,
    /// What recorded it, if configured.
    pub device: Option<&'a Device>,
    /// The files.
    pub files: Vec<PackageFile>,
}

/// A file to be put into a package.
#[derive(Debug, Clone)]
pub struct PackageFile {
    /// Its name in the package: 1 to 64 of `a-z 0-9 . - _`.
    pub name: String,
    /// Where its content is.
    pub source: Source,
}

/// Where a file's content is.
#[derive(Debug, Clone)]
pub enum Source {
    /// Here.
    Bytes(Vec<u8>),
    /// In this file, which is copied and stays as it is.
    Path(PathBuf),
}

/// Writes packages below one root. One process at a time; its methods may be called from several threads, and block.
pub struct Writer {
    root: PathBuf,
    signer: Signer,
    /// Ends of the chains looked at so far. Held while a package is written, so that links follow one another.
    ends: Mutex<HashMap<CameraId, Option<End>>>,
    mirror: Option<Mirror>,
    _lock: File,
}

impl Writer {
    /// Opens the evidence root, which is made if missing.
    pub fn new(root: &Path, signer: Signer) -> Result<Self, EvidenceError> {
        fs::create_dir_all(root).map_err(EvidenceError::io("making", root))?;
        let path = root.join(LOCK);
        let lock = File::create(&path).map_err(EvidenceError::io("making", &path))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => EvidenceError::InUse { root: root.to_owned() },
            TryLockError::Error(error) => EvidenceError::io("locking", &path)(error),
        })?;
        // What a crash left unfinished was never referred to.
        let aside = root.join(ASIDE);
        if aside.exists() {
            fs::remove_dir_all(&aside).map_err(EvidenceError::io("clearing", &aside))?;
        }
        fs::create_dir(&aside).map_err(EvidenceError::io("making", &aside))?;
        let public = root.join(PUBLIC_KEY);
        let known = public.exists().then(|| PublicKey::read(&public)).transpose()?;
        if let Some(known) = known.as_ref().filter(|known| !signer.keys().holds(known)) {
            let (expected, found) = (known.id(), signer.public_key().id());
            return Err(EvidenceError::OtherKey { root: root.to_owned(), expected, found });
        }
        if known.as_ref() != Some(&signer.public_key()) {
            if known.is_some() {
                // Before the new key is named: until then the old one stands, which the list agrees with too.
                signer.changes().write(root, &aside.join(KEYS))?;
            }
            let pem = signer.public_key().pem().map_err(EvidenceError::io("writing", &public))?;
            disk::replace(&public, pem.as_bytes(), &aside.join(PUBLIC_KEY))
                .map_err(EvidenceError::io("writing", &public))?;
        }
        Ok(Self { root: root.to_owned(), signer, ends: Mutex::default(), mirror: None, _lock: lock })
    }

    /// Copies every package into `bucket` too.
    pub fn copying_to(mut self, bucket: Bucket) -> Result<Self, EvidenceError> {
        self.mirror = Some(Mirror::start(&self.root, bucket)?);
        Ok(self)
    }

    /// How the copying goes, where there is a bucket.
    #[must_use]
    pub fn copying(&self) -> Option<MirrorStats> {
        self.mirror.as_ref().map(Mirror::stats)
    }

    /// The evidence root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a package. Once this returns it is on disk in its place, and in the bucket unless that is away. The same
    /// violation again: nothing is written, the same reference comes back.
    pub fn write(&self, package: &Package<'_>) -> Result<EvidenceRef, EvidenceError> {
        check_names(&package.files)?;
        let violation = package.violation;
        let day = violation.utc.timestamp().strftime("%Y/%m/%d").to_string();
        let path = format!("{}/{day}/{}", violation.camera, violation.id);
        let place = self.root.join(&path);
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if place.exists() {
            return self.written_before(violation, &place, path);
        }
        let last = match ends.get(&violation.camera) {
            Some(end) => end.clone(),
            None => chain::find_end(&self.root, &violation.camera, &self.signer.keys())?,
        };
        // Whatever fails below, the next writer looks at the disk again.
        ends.remove(&violation.camera);

        let aside = self.root.join(ASIDE).join(violation.id.to_string());
        if aside.exists() {
            fs::remove_dir_all(&aside).map_err(EvidenceError::io("clearing", &aside))?;
        }
        let (end, files) = self.fill(&aside, package, last.as_ref(), path)?;
        if let Some(mirror) = &self.mirror {
            mirror.note(violation.id, &end.path)?;
        }
        let next = self.put(&aside, &place, violation, last, end)?;
        let evidence = EvidenceRef { path: next.path.clone(), manifest_sha256: next.manifest_sha256.clone(), files };
        ends.insert(violation.camera.clone(), Some(next));
        drop(ends);
        if let Some(mirror) = &self.mirror
            && !mirror.copied(violation.id)
        {
            tracing::debug!(id = %violation.id, "its evidence goes on without its copy, which follows");
        }
        Ok(evidence)
    }

    /// Writes everything into `aside`, synced.
    fn fill(
        &self,
        aside: &Path,
        package: &Package<'_>,
        last: Option<&End>,
        path: String,
    ) -> Result<(End, Vec<String>), EvidenceError> {
        fs::create_dir_all(aside).map_err(EvidenceError::io("making", aside))?;
        let mut files = Vec::new();
        for file in &package.files {
            files.push(add(aside, file)?);
        }
        let names = files.iter().map(|file| file.name.clone()).collect();
        let violation = Violation { evidence: None, ..package.violation.clone() };
        let number = last.map_or(1, |last| last.number + 1);
        let manifest = Manifest {
            schema: MANIFEST_SCHEMA,
            time: violation.moments.act.time,
            place: Place { camera: violation.camera.clone(), site: package.site.to_owned() },
            device: package.device.cloned(),
            versions: violation.versions.clone(),
            files,
            chain: Link { number, previous_sha256: last.map(|last| last.manifest_sha256.clone()) },
            key_id: self.signer.public_key().id(),
            written: std::time::SystemTime::now().into(),
            violation,
        };
        let write = || -> io::Result<String> {
            let bytes = serde_json::to_vec_pretty(&manifest)?;
            disk::write_new(&aside.join(MANIFEST), &bytes)?;
            disk::write_new(&aside.join(SIGNATURE), &self.signer.sign(&bytes))?;
            disk::write_new(&aside.join(PUBLIC_KEY), self.signer.public_key().pem()?.as_bytes())?;
            disk::sync_dir(aside)?;
            Ok(disk::sha256(&bytes))
        };
        let manifest_sha256 = write().map_err(EvidenceError::io("writing", aside))?;
        Ok((End { number, manifest_sha256, path }, names))
    }

    /// Moves a finished package to its place and the chain's end to it.
    fn put(
        &self,
        aside: &Path,
        place: &Path,
        violation: &Violation,
        last: Option<End>,
        next: End,
    ) -> Result<End, EvidenceError> {
        let camera_dir = self.root.join(violation.camera.as_str());
        let day_dir = place.parent().unwrap_or(&self.root);
        fs::create_dir_all(day_dir).map_err(EvidenceError::io("making", day_dir))?;
        let mut state = State { camera: violation.camera.clone(), last, next: Some(next.clone()) };
        state.write(&camera_dir, &self.signer)?;
        fs::rename(aside, place).map_err(EvidenceError::io("putting in place", place))?;
        for dir in day_dir.ancestors().take_while(|dir| dir.starts_with(&self.root)) {
            disk::sync_dir(dir).map_err(EvidenceError::io("syncing", dir))?;
        }
        (state.last, state.next) = (Some(next.clone()), None);
        state.write(&camera_dir, &self.signer)?;
        Ok(next)
    }

    /// The reference to a package that is in its place already.
    fn written_before(&self, violation: &Violation, place: &Path, path: String) -> Result<EvidenceRef, EvidenceError> {
        let in_the_way = |reason: String| EvidenceError::InTheWay { path: place.to_owned(), reason };
        let bytes = fs::read(place.join(MANIFEST)).map_err(|error| in_the_way(format!("{MANIFEST}: {error}")))?;
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|error| in_the_way(format!("{MANIFEST}: {error}")))?;
        if manifest.violation.id != violation.id {
            return Err(in_the_way(format!("it is the package of violation {}", manifest.violation.id)));
        }
        let files = manifest.files.into_iter().map(|file| file.name).collect();
        Ok(EvidenceRef { path, manifest_sha256: disk::sha256(&bytes), files })
    }
}

/// Copies one file into a package under way, synced.
fn add(aside: &Path, file: &PackageFile) -> Result<FileEntry, EvidenceError> {
    let target = aside.join(&file.name);
    let mut to = File::create_new(&target).map_err(EvidenceError::io("writing", &target))?;
    let copied = match &file.source {
        Source::Bytes(bytes) => disk::copy_hashed(bytes.as_slice(), Some(&mut to)),
        Source::Path(path) => {
            let from = File::open(path).map_err(EvidenceError::io("reading", path))?;
            disk::copy_hashed(from, Some(&mut to))
        }
    };
    let (bytes, sha256) =
        copied.and_then(|copied| to.sync_all().map(|()| copied)).map_err(EvidenceError::io("writing", &target))?;
    Ok(FileEntry { name: file.name.clone(), bytes, sha256 })
}

fn check_names(files: &[PackageFile]) -> Result<(), EvidenceError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    for (at, PackageFile { name, .. }) in files.iter().enumerate() {
        let reserved = [MANIFEST, SIGNATURE, PUBLIC_KEY].contains(&name.as_str()) || name.starts_with('.');
        let twice = files[..at].iter().any(|before| before.name == *name);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || reserved || twice {
            return Err(EvidenceError::FileName { name: name.clone() });
        }
    }
    Ok(())
}
