//! Where evidence is read from when it is checked: a folder, or a bucket with the same layout.

use std::{
    fs::{self, File},
    io::{self, Cursor, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Bucket, EvidenceError};

/// A tree of folders and files, by paths that begin at `/` or `.` in a folder and are empty at a bucket's prefix.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    Folder,
    Bucket(Arc<Bucket>),
}

impl Tree {
    /// A file, whole; `None`: there is none.
    pub(super) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, EvidenceError> {
        match self {
            Self::Folder => match fs::read(path) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(EvidenceError::io("reading", path)(error)),
            },
            Self::Bucket(bucket) => bucket.get(&key(path)),
        }
    }

    /// A file, to be read piece by piece where that can be; `None`: there is none.
    pub(super) fn open(&self, path: &Path) -> Result<Option<Box<dyn Read>>, EvidenceError> {
        match self {
            Self::Folder => match File::open(path) {
                Ok(file) => Ok(Some(Box::new(file))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(EvidenceError::io("reading", path)(error)),
            },
            // A clip of seconds fits into memory.
            Self::Bucket(bucket) => {
                Ok(bucket.get(&key(path))?.map(|bytes| Box::new(Cursor::new(bytes)) as Box<dyn Read>))
            }
        }
    }

    /// What lies in a folder, by name: name, path, whether it is a folder.
    pub(super) fn entries(&self, dir: &Path) -> Result<Vec<(String, PathBuf, bool)>, EvidenceError> {
        match self {
            Self::Folder => {
                let list = || -> io::Result<Vec<_>> {
                    let mut found = Vec::new();
                    for entry in fs::read_dir(dir)? {
                        let entry = entry?;
                        let name = entry.file_name().to_string_lossy().into_owned();
                        found.push((name, entry.path(), entry.file_type()?.is_dir()));
                    }
                    found.sort();
                    Ok(found)
                };
                list().map_err(EvidenceError::io("looking through", dir))
            }
            Self::Bucket(bucket) => {
                let found = bucket.list(&key(dir))?.into_iter();
                Ok(found.map(|(name, is_dir)| (name.clone(), dir.join(name), is_dir)).collect())
            }
        }
    }
}

fn key(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
