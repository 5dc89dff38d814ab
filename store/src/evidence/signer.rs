//! The key pair.

use std::{
    fmt, fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use ed25519_dalek::{
    Signature, Signer as _, SigningKey, VerifyingKey,
    pkcs8::{
        DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
        spki::der::pem::LineEnding,
    },
};

use super::{
    EvidenceError, disk,
    keys::{self, Change, Changes, Keys},
    manifest::PUBLIC_KEY,
};

const PRIVATE_KEY: &str = "signing-key.pem";

/// An Ed25519 public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

impl PublicKey {
    /// Reads a PEM file.
    pub fn read(path: &Path) -> Result<Self, EvidenceError> {
        let pem = fs::read(path).map_err(EvidenceError::io("reading", path))?;
        Self::parse(&pem, path)
    }

    /// Out of a PEM that was read from `path`.
    pub(super) fn parse(pem: &[u8], path: &Path) -> Result<Self, EvidenceError> {
        VerifyingKey::from_public_key_pem(&String::from_utf8_lossy(pem))
            .map(Self)
            .map_err(|error| EvidenceError::Key { path: path.to_owned(), reason: error.to_string() })
    }

    /// First 16 hexadecimal digits of the SHA-256 of its 32 bytes.
    #[must_use]
    pub fn id(&self) -> String {
        let mut id = disk::sha256(self.0.as_bytes());
        id.truncate(16);
        id
    }

    pub(super) fn bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }

    pub(super) fn pem(&self) -> io::Result<String> {
        self.0.to_public_key_pem(LineEnding::LF).map_err(io::Error::other)
    }
}

/// Signs manifests. The private key never leaves its file and this value.
pub struct Signer {
    key: SigningKey,
    /// How this key came after others.
    changes: Changes,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public_key().id())
    }
}

impl Signer {
    /// The key pair in `dir`: `signing-key.pem` (PKCS #8, for the owner only) and `public.pem`. Made on first use.
    pub fn open_or_create(dir: &Path) -> Result<Self, EvidenceError> {
        let path = dir.join(PRIVATE_KEY);
        let this = match fs::read_to_string(&path) {
            Ok(pem) => {
                let bad = |reason: String| EvidenceError::Key { path: path.clone(), reason };
                let mode = fs::metadata(&path).map_err(EvidenceError::io("reading", &path))?.permissions().mode();
                if mode & 0o077 != 0 {
                    return Err(bad(format!("others may read it (mode {:o}); it must be 600", mode & 0o777)));
                }
                let key = SigningKey::from_pkcs8_pem(&pem).map_err(|error| bad(error.to_string()))?;
                Self { key, changes: Changes::read(dir)? }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(dir, &path)?,
            Err(error) => return Err(EvidenceError::io("reading", path)(error)),
        };
        let public = dir.join(PUBLIC_KEY);
        let pem = this.public_key().pem().map_err(EvidenceError::io("writing", &public))?;
        // Missing, or of the key before, after a crash while it was changed.
        if fs::read_to_string(&public).ok().as_ref() != Some(&pem) {
            disk::replace(&public, pem.as_bytes(), &public.with_extension("new"))
                .map_err(EvidenceError::io("writing", &public))?;
        }
        Ok(this)
    }

    fn create(dir: &Path, path: &Path) -> Result<Self, EvidenceError> {
        let make = || -> io::Result<SigningKey> {
            fs::create_dir_all(dir)?;
            new_key()
        };
        let key = make().map_err(EvidenceError::io("making", path))?;
        keep(&key, path).map_err(EvidenceError::io("making", path))?;
        Ok(Self { key, changes: Changes::default() })
    }

    /// Puts a new key pair in the place of the one in `dir`, which is gone then: old and new sign for one another in
    /// `keys.json` first. Whoever signs with the old key goes on until it opens the folder again.
    pub fn change(dir: &Path) -> Result<Self, EvidenceError> {
        let path = dir.join(PRIVATE_KEY);
        if !path.exists() {
            let missing = io::Error::from(io::ErrorKind::NotFound);
            return Err(EvidenceError::io("reading", path)(missing));
        }
        let old = Self::open_or_create(dir)?;
        let changed = || -> io::Result<Self> {
            let mut new = Self { key: new_key()?, changes: old.changes.clone() };
            let message = keys::message(&old.public_key(), &new.public_key());
            new.changes.0.push(Change {
                old: old.public_key().pem()?,
                new: new.public_key().pem()?,
                changed: std::time::SystemTime::now().into(),
                by_old: disk::hex(&old.sign(&message)),
                by_new: disk::hex(&new.sign(&message)),
            });
            Ok(new)
        };
        let new = changed().map_err(EvidenceError::io("making", &path))?;
        new.changes.write(dir, &dir.join("keys.new"))?;
        keep(&new.key, &path).map_err(EvidenceError::io("making", &path))?;
        // Writes the public half too.
        Self::open_or_create(dir)
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.key.verifying_key())
    }

    /// How this key came after others.
    pub(super) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// This key and those it came after.
    pub(super) fn keys(&self) -> Keys {
        Keys::of(self.public_key(), &self.changes)
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

fn new_key() -> io::Result<SigningKey> {
    let mut secret = [0_u8; 32];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    Ok(SigningKey::from_bytes(&secret))
}

/// Complete and synced before it has its name: half a key would lock everybody out.
fn keep(key: &SigningKey, path: &Path) -> io::Result<()> {
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(io::Error::other)?;
    let aside = path.with_extension("new");
    if aside.exists() {
        fs::remove_file(&aside)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    path.parent().map_or(Ok(()), disk::sync_dir)
}
