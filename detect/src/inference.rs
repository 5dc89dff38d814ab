//! From pictures to detections: the only place that knows ONNX Runtime.
//!
//! [`Runtime`] is the library, loaded once per process; a [`Detector`] is one session with its buffers, owned by one
//! thread. The picture comes scaled already ([`stopline_types::Frame::image`]); here it is normalised and framed
//! (`preprocess`), run, read (`heads`), freed of doubles (`nms`), and its boxes are put into the stream's own pixels. A [`SparingDetector`] looks again only where
//! the picture changed (`changes`). [`PlateLocator`] and [`PlateReader`] are the
//! same for plates.

mod changes;
mod detector;
mod heads;
mod nms;
mod parts;
mod plates;
mod preprocess;
mod runtime;
mod session;
mod sparing;

use std::path::PathBuf;

use stopline_types::{CameraId, SizePx};

pub use detector::{Detector, DetectorOptions};
pub use parts::Part;
pub use plates::{CharacterOdds, LocatedPlate, PlateLocator, PlateReader, RawRead};
pub use runtime::Runtime;
pub use sparing::{Known, SparingDetector};

/// What can go wrong between a picture and its detections.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// ONNX Runtime is not where it was looked for.
    #[error("onnx runtime not found at {}; run `make setup`", path.display())]
    LibraryMissing {
        /// Where.
        path: PathBuf,
    },
    /// The file is there, but is not an ONNX Runtime that loads here.
    #[error("{} does not load as onnx runtime: {reason}", path.display())]
    LibraryUnusable {
        /// Where.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// The library's interface is older than what this program was built for.
    #[error("onnx runtime at {} is version {found}, expected 1.{needed} or newer; run `make setup`", path.display())]
    LibraryTooOld {
        /// Where.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The lowest minor version.
        needed: u32,
    },
    /// One process has one ONNX Runtime.
    #[error("onnx runtime is loaded from {} already, {} was asked for", loaded.display(), asked.display())]
    LibraryFixed {
        /// The one in use.
        loaded: PathBuf,
        /// The other.
        asked: PathBuf,
    },
    /// ONNX Runtime refused.
    #[error("model {model}: onnx runtime could not {doing}: {source}")]
    Engine {
        /// The model's version, e.g. `nanodet-g@f3ef4ad91f31`.
        model: String,
        /// What was asked of it.
        doing: &'static str,
        /// Why.
        source: ort::Error,
    },
    /// The graph is not what the manifest says.
    #[error("model {model}: {part} is {found}, the manifest says {expected}")]
    Mismatch {
        /// The model's version.
        model: String,
        /// Input or output.
        part: &'static str,
        /// By the manifest.
        expected: String,
        /// In the graph, or in what it gave.
        found: String,
    },
    /// The model gave something that is no number.
    #[error("model {model}: the output for camera {camera}, frame {seq}, holds a value that is not finite")]
    NotFinite {
        /// The model's version.
        model: String,
        /// Whose picture.
        camera: CameraId,
        /// Which.
        seq: u64,
    },
    /// The same of a plate model, which does not know whose picture it is.
    #[error("model {model}: output {tensor} holds a value that is not finite, for picture {index} of {pictures}")]
    PlateNotFinite {
        /// The model's version.
        model: String,
        /// The output.
        tensor: &'static str,
        /// Which of the pictures of the run, from 0.
        index: usize,
        /// How many there were.
        pictures: usize,
    },
    /// A picture a plate model cannot take.
    #[error("picture {index}: {size} with {bytes} bytes, expected at least one pixel and three bytes for each")]
    PlatePicture {
        /// Which of the pictures of the run, from 0.
        index: usize,
        /// Its size as stated.
        size: SizePx,
        /// Its length.
        bytes: usize,
    },
    /// A picture the detector cannot take.
    #[error("camera {camera}, frame {seq}: picture of {size} with {bytes} bytes, expected {}×{} at most and {} bytes", most.w, most.h, u64::from(size.w) * u64::from(size.h) * 3)]
    Picture {
        /// Whose.
        camera: CameraId,
        /// Which.
        seq: u64,
        /// Its size as stated.
        size: SizePx,
        /// Its length.
        bytes: usize,
        /// The detector's input.
        most: SizePx,
    },
}
