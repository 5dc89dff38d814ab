//! One model's entry in the manifest.

use std::collections::BTreeMap;

use serde::Deserialize;
use stopline_types::{SizePx, VehicleClass};

/// Which of the model's classes mean which of ours. A model's class that is not named is never reported.
pub type Classes = BTreeMap<VehicleClass, Vec<usize>>;

/// One model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// The name used in configuration and events.
    pub name: String,
    /// Its file's name, without a folder.
    pub file: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Licence or licences.
    pub licence: String,
    /// Where the licence text stands, relative to the manifest.
    pub notice: String,
    /// What it was made from.
    pub source: String,
    /// How it was made from that.
    pub made: String,
    /// What brings the file.
    pub origin: Origin,
    /// The picture it wants.
    pub input: InputSpec,
    /// How its output is read.
    pub head: Head,
    /// Detections below this score are not given out, 0 to 1. Low: the tracker decides what weak ones are worth.
    pub confidence: f32,
    /// How doubles are removed.
    pub nms: Nms,
    /// The classes it knows.
    pub classes: Classes,
}

/// What brings a model's file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Origin {
    /// A script of this repository builds it from package registries; `make setup` runs it with the folder.
    Script(String),
    /// A script of this repository makes it of another model's file, which must lie in the folder it is given.
    Derived {
        /// The other model's name.
        from: String,
        /// The script.
        script: String,
    },
    /// It is downloaded as it is.
    Url(String),
}

/// The picture a model wants: `batch × 3 × height × width`, 32-bit floats, each `(value - mean) / std` of a value
/// from 0 to 255.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// The input's name in the graph.
    pub tensor: String,
    /// Width and height in pixels.
    pub size: SizePx,
    /// Order of the three planes.
    pub colour: Colour,
    /// Subtracted from each plane, in the order of `colour`, 0 to 255.
    pub mean: [f32; 3],
    /// What each plane is then divided by, in the order of `colour`.
    pub std: [f32; 3],
    /// Where a picture of another shape lies in the input.
    pub place: Place,
    /// The value around it, before `mean` and `std`.
    pub pad: u8,
    /// How many pictures at once.
    pub batch: Batch,
}

/// Order of colour planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// Blue, green, red.
    Bgr,
    /// Red, green, blue.
    Rgb,
}

/// Where the picture lies when it does not fill the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the top left corner.
    TopLeft,
    /// In the middle, the odd pixel to the right and below.
    Centre,
}

/// Pictures per run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Batch {
    /// Always one.
    One,
    /// Any number.
    Dynamic,
}

/// How the output is read. Both kinds have one row per anchor, the anchors of the first stride first, row by row.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Head {
    /// YOLOX: `x y w h objectness class…`, not decoded.
    Yolox {
        /// Pixels between anchors, per level.
        strides: Vec<u32>,
        /// Classes the model scores.
        classes: usize,
    },
    /// NanoDet: class scores, then for left, top, right and bottom a distribution over `bins` distances.
    Nanodet {
        /// Pixels between anchors, per level.
        strides: Vec<u32>,
        /// Classes the model scores.
        classes: usize,
        /// Distances 0 to `bins - 1`, in strides.
        bins: usize,
    },
}

impl Head {
    /// Pixels between anchors, per level.
    #[must_use]
    pub fn strides(&self) -> &[u32] {
        match self {
            Self::Yolox { strides, .. } | Self::Nanodet { strides, .. } => strides,
        }
    }

    /// Classes the model scores.
    #[must_use]
    pub fn classes(&self) -> usize {
        match self {
            Self::Yolox { classes, .. } | Self::Nanodet { classes, .. } => *classes,
        }
    }

    /// Numbers per anchor.
    #[must_use]
    pub fn columns(&self) -> usize {
        match self {
            Self::Yolox { classes, .. } => 5 + classes,
            Self::Nanodet { classes, bins, .. } => classes + 4 * bins,
        }
    }

    /// Anchors for an input of this size.
    #[must_use]
    pub fn anchors(&self, input: SizePx) -> usize {
        self.strides().iter().map(|stride| (input.w / stride) as usize * (input.h / stride) as usize).sum()
    }
}

/// How doubles are removed: greedy non-maximum suppression.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nms {
    /// Of two boxes of one class that share more than this, the weaker goes.
    pub iou: f32,
    /// Classes that suppress one another as if they were one.
    #[serde(default)]
    pub together: Vec<Vec<VehicleClass>>,
}

impl ModelEntry {
    /// The first fault: key and reason.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Err(("name", "expected letters, digits, dots, hyphens and underscores".into()));
        }
        if self.file.is_empty() || self.file.starts_with('.') || !self.file.chars().all(plain) {
            return Err(("file", format!("expected a file name without a folder, found {:?}", self.file)));
        }
        if self.sha256.len() != 64 || !self.sha256.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
            return Err(("sha256", format!("expected 64 lower-case hexadecimal digits, found {:?}", self.sha256)));
        }
        if let Origin::Url(url) = &self.origin
            && !url.starts_with("https://")
        {
            return Err(("origin.url", format!("expected an https:// address, found {url:?}")));
        }
        let strides = self.head.strides();
        if strides.is_empty() || strides.contains(&0) {
            return Err(("head.strides", format!("expected one or more whole numbers above 0, found {strides:?}")));
        }
        if let Head::Nanodet { bins: 0 | 1, .. } = self.head {
            return Err(("head.bins", "expected 2 or more".into()));
        }
        let size = self.input.size;
        if let Some(stride) = strides.iter().find(|s| size.w == 0 || size.h == 0 || size.w % **s + size.h % **s != 0) {
            return Err(("input.size", format!("expected multiples of the stride {stride}, found {size}")));
        }
        if !self.input.mean.iter().all(|v| v.is_finite()) {
            return Err(("input.mean", "expected finite numbers".into()));
        }
        if !self.input.std.iter().all(|v| v.is_finite() && *v > 0.0) {
            return Err(("input.std", "expected numbers above 0".into()));
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            return Err(("confidence", format!("expected a number between 0 and 1, found {}", self.confidence)));
        }
        if !(self.nms.iou > 0.0 && self.nms.iou <= 1.0) {
            return Err(("nms.iou", format!("expected a number above 0 and at most 1, found {}", self.nms.iou)));
        }
        self.check_classes()
    }

    fn check_classes(&self) -> Result<(), (&'static str, String)> {
        let scored = self.head.classes();
        let mut used = BTreeMap::new();
        for (class, indices) in &self.classes {
            for index in indices {
                if *index >= scored {
                    return Err((
                        "classes",
                        format!("{class} = {index}, but the model has classes 0 to {}", scored - 1),
                    ));
                }
                if let Some(other) = used.insert(index, class) {
                    return Err(("classes", format!("{index} stands for both {other} and {class}")));
                }
            }
        }
        if used.is_empty() {
            return Err(("classes", "no class is mapped, so nothing would ever be detected".into()));
        }
        let mut grouped = std::collections::BTreeSet::new();
        for class in self.nms.together.iter().flatten() {
            if !grouped.insert(class) {
                return Err(("nms.together", format!("{class} stands twice")));
            }
        }
        Ok(())
    }
}
