//! Keys that follow one another. When the signing key is changed, the old key and the new one each sign that they know the
//! other; so who trusts either can trust both, and a camera's chain goes on under the new key.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};
use stopline_types::UtcUs;

use super::{EvidenceError, PublicKey, disk};

/// The list's file, beside `public.pem`.
pub(super) const KEYS: &str = "keys.json";

/// One change of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    /// The key before, PEM.
    pub(super) old: String,
    /// The key after, PEM.
    pub(super) new: String,
    /// When, by this machine's clock.
    pub(super) changed: UtcUs,
    /// Ed25519 by the old key over [`message`], hexadecimal.
    pub(super) by_old: String,
    /// The same by the new key.
    pub(super) by_new: String,
}

/// What both keys of a change sign.
pub(super) fn message(old: &PublicKey, new: &PublicKey) -> Vec<u8> {
    [b"stopline evidence key change\n".as_slice(), &old.bytes(), &new.bytes()].concat()
}

/// All changes, in the order they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Changes(pub(super) Vec<Change>);

impl Changes {
    /// Out of the file's content; `None`: there is no file.
    pub(super) fn parse(json: Option<&[u8]>, path: &Path) -> Result<Self, EvidenceError> {
        let Some(json) = json else { return Ok(Self::default()) };
        let bad = |error: serde_json::Error| EvidenceError::Key { path: path.to_owned(), reason: error.to_string() };
        serde_json::from_slice(json).map_err(bad)
    }

    pub(super) fn read(dir: &Path) -> Result<Self, EvidenceError> {
        let path = dir.join(KEYS);
        match fs::read(&path) {
            Ok(json) => Self::parse(Some(&json), &path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(EvidenceError::io("reading", path)(error)),
        }
    }

    pub(super) fn write(&self, dir: &Path, aside: &Path) -> Result<(), EvidenceError> {
        let path = dir.join(KEYS);
        let write = || disk::replace(&path, &serde_json::to_vec_pretty(self)?, aside);
        write().map_err(EvidenceError::io("writing", &path))
    }
}

/// Keys that are trusted.
#[derive(Debug, Clone)]
pub(super) struct Keys(Vec<PublicKey>);

impl Keys {
    /// `first`, and every key that a trusted one vouches for.
    pub(super) fn of(first: PublicKey, changes: &Changes) -> Self {
        let mut keys = vec![first];
        let known: Vec<_> = changes.0.iter().filter_map(Vouched::of).collect();
        loop {
            let before = keys.len();
            for Vouched { old, new, by_old, by_new } in &known {
                if *by_old && keys.contains(old) && !keys.contains(new) {
                    keys.push(new.clone());
                }
                if *by_new && keys.contains(new) && !keys.contains(old) {
                    keys.push(old.clone());
                }
            }
            if keys.len() == before {
                return Self(keys);
            }
        }
    }

    pub(super) fn holds(&self, key: &PublicKey) -> bool {
        self.0.contains(key)
    }

    /// Whether one of them signed.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.iter().any(|key| key.verify(message, signature))
    }
}

/// A change with its signatures checked.
struct Vouched {
    old: PublicKey,
    new: PublicKey,
    by_old: bool,
    by_new: bool,
}

impl Vouched {
    /// A change that cannot be read vouches for nothing.
    fn of(change: &Change) -> Option<Self> {
        let key = |pem: &str| PublicKey::parse(pem.as_bytes(), Path::new(KEYS)).ok();
        let (old, new) = (key(&change.old)?, key(&change.new)?);
        let message = message(&old, &new);
        let signed = |key: &PublicKey, signature: &str| {
            disk::unhex(signature).is_some_and(|signature| key.verify(&message, &signature))
        };
        let (by_old, by_new) = (signed(&old, &change.by_old), signed(&new, &change.by_new));
        Some(Self { old, new, by_old, by_new })
    }
}
