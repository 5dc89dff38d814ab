//! What a package says.

use serde::{Deserialize, Serialize};
use stopline_types::{CameraId, CaptureTime, UtcUs, Versions, Violation};

/// Version of the manifest's JSON.
pub const MANIFEST_SCHEMA: u32 = 1;

/// `manifest.json`. The signature is over its bytes, so it is never written again from this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_SCHEMA`].
    pub schema: u32,
    /// The violation in full, without its own reference to this package.
    pub violation: Violation,
    /// When the act was, half width of the interval the true time lies in, and where the time came from.
    pub time: CaptureTime,
    /// Where.
    pub place: Place,
    /// What recorded it; null: not configured.
    pub device: Option<Device>,
    /// What judged it.
    pub versions: Versions,
    /// The files.
    pub files: Vec<FileEntry>,
    /// Its place in the camera's chain.
    pub chain: Link,
    /// First 16 hexadecimal digits of the SHA-256 of the public key's 32 bytes.
    pub key_id: String,
    /// When the package was written, by this machine's clock.
    pub written: UtcUs,
}

/// Where the act was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The camera.
    pub camera: CameraId,
    /// The site, in words for people.
    pub site: String,
}

/// A recording device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Make and model.
    pub name: String,
    /// Serial number.
    pub serial: String,
    /// Its verification (for speed meters in Vietnam: ĐLVN 157:2019); null: none.
    #[serde(default)]
    pub certificate: Option<Certificate>,
}

/// A device's verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Its number.
    pub number: String,
    /// Who gave it.
    pub issuer: String,
    /// First day it is valid, `YYYY-MM-DD`.
    pub issued: String,
    /// Last day it is valid, `YYYY-MM-DD`.
    pub expires: String,
}

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
}

/// A place in a camera's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// 1 for the camera's first package, then counting up.
    pub number: u64,
    /// SHA-256 of the manifest before; null for the first.
    pub previous_sha256: Option<String>,
}

/// Names in a package's folder that are not its files.
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const SIGNATURE: &str = "manifest.sig";
pub(super) const PUBLIC_KEY: &str = "public.pem";
