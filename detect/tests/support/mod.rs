//! What the tests of this crate share: where set-up files lie, and frames made by hand.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};

use stopline_detect::{
    inference::Runtime,
    models::{Manifest, VerifiedModel},
};
use stopline_types::{BgrImage, CameraId, CaptureTime, Frame, SizePx, StreamRole, TimeSource, UtcUs};

/// Where `make setup` puts libraries and models.
pub(crate) fn cache() -> PathBuf {
    if let Some(dir) = std::env::var_os("STOPLINE_CACHE") {
        return dir.into();
    }
    std::env::home_dir().expect("a home folder").join(".cache/stopline")
}

/// A folder of the workspace's root.
pub(crate) fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

pub(crate) fn manifest() -> Manifest {
    Manifest::load(&root("models/manifest.toml")).expect("the shipped manifest")
}

pub(crate) fn model(name: &str) -> VerifiedModel {
    let entry = manifest().get(name).expect("a shipped model").clone();
    entry.locate(&[cache().join("models")]).unwrap_or_else(|e| panic!("run `make setup`: {e}"))
}

pub(crate) fn runtime() -> Runtime {
    Runtime::load(&cache().join("lib/libonnxruntime.so")).unwrap_or_else(|e| panic!("run `make setup`: {e}"))
}

pub(crate) fn frame(size: SizePx, source: SizePx, data: Vec<u8>) -> Frame {
    Frame {
        camera: CameraId::new("cam-1").expect("a plain name"),
        role: StreamRole::Sub,
        seq: 7,
        time: CaptureTime { utc: UtcUs(0), error_ms: None, source: TimeSource::FileNominal },
        media_s: 0.0,
        source,
        image: BgrImage { size, data },
        crops: Vec::new(),
        part: None,
        received: None,
    }
}
