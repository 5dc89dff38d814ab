//! Evidence: the signed packages that prove a violation, and checking them.
//!
//! # Layout
//! ```text
//! <root>/public.pem                          the key packages are signed with now
//! <root>/keys.json                           how it came after others, if it did: each key signed for the next
//! <root>/<camera>/chain.json                 the end of the camera's chain, signed
//! <root>/<camera>/2026/11/21/<violation id>/ one package, by the UTC day of the act
//!     act.jpg clip.mp4 …                     the files
//!     manifest.json                          what they prove, with size and SHA-256 of each
//!     manifest.sig                           Ed25519 signature (RFC 8032) over manifest.json, 64 raw bytes
//!     public.pem                             the public key (SubjectPublicKeyInfo), for reading the package alone
//! ```
//! A package can be checked without this program: `openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in
//! manifest.json -sigfile manifest.sig`, and `sha256sum` for the files.
//!
//! # The chain
//! Each manifest names its number within the camera and the SHA-256 of the manifest before it, so that a package that
//! is removed, swapped or slipped in later breaks the chain. `chain.json` names the last one, so that the end cannot be
//! cut off unnoticed; who can put back an older `chain.json` as well can still do that, unless a copy of it is kept
//! elsewhere.
//!
//! # Keys
//! [`Signer::change`] makes a new key pair; old and new sign for one another. Packages before the change stay as they are, the
//! chain goes on, and who trusts any of the keys can check all of it. A package signed with a key that nothing leads to
//! is named.
//!
//! # A bucket
//! With a [`Mirror`] every package is also copied into a bucket of an S3-compatible store, in the same layout: each file's name
//! leads to it, and the event names the SHA-256 of the manifest, which names that of every file. A package is durable in
//! the folder before the event that names it, and in the bucket too unless that is away for longer than some seconds; then
//! the event goes on, and the copy follows. What is to be copied is noted beside the packages (`.to_copy`) before they get their
//! place, so that a crash forgets none. `chain.json` follows its packages.
//!
//! # Crashes
//! A package is written aside, synced, and renamed into its place; the reference to it is given only after the folders
//! above are synced. `chain.json` is written before (naming the coming package) and after the rename, so the end of the
//! chain is known after a crash at any point. Writing the package of the same violation again gives the same reference
//! and changes nothing.

mod bucket;
mod chain;
mod disk;
mod keys;
mod manifest;
mod mirror;
mod signer;
mod tree;
mod verify;
mod writer;

use std::path::PathBuf;

pub use bucket::{Bucket, BucketConfig};
pub use manifest::{Certificate, Device, FileEntry, Link, MANIFEST_SCHEMA, Manifest, Place};
pub use mirror::{Mirror, MirrorStats};
pub use signer::{PublicKey, Signer};
pub use verify::{Fault, Report, Trust, VerifyError, verify, verify_bucket};
pub use writer::{Package, PackageFile, Source, Writer};

/// Why evidence could not be written.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// A file operation failed.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A key file does not hold an Ed25519 key.
    #[error("{path} is no Ed25519 key in PEM: {reason}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The packages of this folder are signed with another key.
    #[error(
        "evidence in {root} is signed with key {expected}, but the signing key is {found}; use that key or another folder"
    )]
    OtherKey {
        /// The evidence root.
        root: PathBuf,
        /// Key id of the packages there.
        expected: String,
        /// Key id of the signer.
        found: String,
    },
    /// The bucket, or the way to it.
    #[error("{at}: {reason}")]
    Bucket {
        /// Where.
        at: String,
        /// What is wrong.
        reason: String,
    },
    /// Another process writes evidence here.
    #[error("evidence folder {root} is in use by another process")]
    InUse {
        /// The evidence root.
        root: PathBuf,
    },
    /// A file's name cannot stand in a package.
    #[error("evidence file name {name:?}: expected 1 to 64 of a-z, 0-9, '.', '-', '_', not reserved and not twice")]
    FileName {
        /// The name.
        name: String,
    },
    /// A package is in the way and is not the one to be written.
    #[error("{path}: {reason}")]
    InTheWay {
        /// The package's folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl EvidenceError {
    fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
