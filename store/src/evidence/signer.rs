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

use super::{EvidenceError, disk, manifest::PUBLIC_KEY};

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
                Self { key: SigningKey::from_pkcs8_pem(&pem).map_err(|error| bad(error.to_string()))? }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(dir, &path)?,
            Err(error) => return Err(EvidenceError::io("reading", path)(error)),
        };
        let public = dir.join(PUBLIC_KEY);
        if !public.exists() {
            let pem = this.public_key().pem().map_err(EvidenceError::io("writing", &public))?;
            disk::replace(&public, pem.as_bytes(), &public.with_extension("new"))
                .map_err(EvidenceError::io("writing", &public))?;
        }
        Ok(this)
    }

    fn create(dir: &Path, path: &Path) -> Result<Self, EvidenceError> {
        let write = || -> io::Result<Self> {
            fs::create_dir_all(dir)?;
            let mut secret = [0_u8; 32];
            getrandom::fill(&mut secret).map_err(io::Error::other)?;
            let this = Self { key: SigningKey::from_bytes(&secret) };
            let pem = this.key.to_pkcs8_pem(LineEnding::LF).map_err(io::Error::other)?;
            // Complete and synced before it has its name: half a key would lock everybody out.
            let aside = path.with_extension("new");
            if aside.exists() {
                fs::remove_file(&aside)?;
            }
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
            file.write_all(pem.as_bytes())?;
            file.sync_all()?;
            fs::rename(&aside, path)?;
            disk::sync_dir(dir)?;
            Ok(this)
        };
        write().map_err(EvidenceError::io("making", path))
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.key.verifying_key())
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}
