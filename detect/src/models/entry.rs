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
    /// Detections below this score are not given out, 0 to 1. Low: the tracker decides what weak ones are worth. A plate
    /// reader has none: it states `sure_above` in its head.
    #[serde(default = "half")]
    pub confidence: f32,
    /// How doubles are removed.
    #[serde(default)]
    pub nms: Nms,
    /// The classes it knows; plate models have none.
    #[serde(default)]
    pub classes: Classes,
}

fn half() -> f32 {
    0.5
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
    /// It lies in this repository, at this path; `make setup` copies it to where models lie.
    Repository(String),
}

/// The picture a model wants: `batch × 3 × height × width` (`batch × 1 × …` where `colour` is grey), 32-bit floats, each
/// `(value - mean) / std` of a value from 0 to 255. Of `mean` and `std` a grey input takes the first.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// The input's name in the graph.
    pub tensor: String,
    /// Width and height in pixels; with a `step` the most of them.
    pub size: SizePx,
    /// Smaller inputs are taken as well, if their sides are multiples of this; absent: one size only.
    #[serde(default)]
    pub step: Option<u32>,
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

impl InputSpec {
    /// The input that a picture of this size needs.
    #[must_use]
    pub fn size_for(&self, picture: SizePx) -> SizePx {
        let side = |picture: u32, most: u32, step: u32| (picture.div_ceil(step).max(1) * step).min(most);
        match self.step {
            Some(step) => SizePx { w: side(picture.w, self.size.w, step), h: side(picture.h, self.size.h, step) },
            None => self.size,
        }
    }
}

/// Order of colour planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Colour {
    /// Blue, green, red.
    Bgr,
    /// Red, green, blue.
    Rgb,
    /// One plane of brightness, ITU-R BT.601.
    Grey,
}

/// Where the picture lies when it does not fill the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the top left corner.
    TopLeft,
    /// In the middle, the odd pixel to the right and below.
    Centre,
    /// Pulled to fill it, its shape not kept. Plate models only.
    Stretch,
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

/// How the output is read. The vehicle detectors have one row per anchor, the anchors of the first stride first, row by
/// row.
#[derive(Debug, Clone, PartialEq, Deserialize)]
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
    /// Finds plates in the picture of one vehicle: `batch × 13 × height/stride × width/stride`, a logit, then from the
    /// cell's middle and in strides the distances to left, top, right and bottom, and x, y of the corners top left, top
    /// right, bottom right, bottom left.
    PlateLocator {
        /// Pixels between cells.
        stride: u32,
    },
    /// Reads a plate pulled to the input's size: logits `batch × slots × (alphabet + blank)`, the top line first.
    PlateReader {
        /// Its characters in the order of its classes; the blank is the class after them.
        alphabet: String,
        /// Most characters of a plate.
        slots: usize,
        /// Added to the plate's four corners on each side before it is pulled to the input, share of its width and height.
        margin: f32,
        /// A text of a known kind is sure from this confidence on, 0 to 1: chosen so that one in a hundred sure ones is
        /// wrong, on plates it was not trained on.
        sure_above: f64,
        /// Whether a second output, `batch × 2`, tells one line from two.
        #[serde(default)]
        lines: bool,
    },
}

impl Head {
    /// Pixels between anchors, per level.
    #[must_use]
    pub fn strides(&self) -> &[u32] {
        match self {
            Self::Yolox { strides, .. } | Self::Nanodet { strides, .. } => strides,
            Self::PlateLocator { stride } => std::slice::from_ref(stride),
            Self::PlateReader { .. } => &[],
        }
    }

    /// Whether it finds road users, and not plates.
    #[must_use]
    pub fn finds_vehicles(&self) -> bool {
        matches!(self, Self::Yolox { .. } | Self::Nanodet { .. })
    }

    /// The word in the manifest.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Yolox { .. } => "yolox",
            Self::Nanodet { .. } => "nanodet",
            Self::PlateLocator { .. } => "plate_locator",
            Self::PlateReader { .. } => "plate_reader",
        }
    }

    /// Classes the model scores.
    #[must_use]
    pub fn classes(&self) -> usize {
        match self {
            Self::Yolox { classes, .. } | Self::Nanodet { classes, .. } => *classes,
            Self::PlateLocator { .. } | Self::PlateReader { .. } => 0,
        }
    }

    /// Numbers per anchor, cell or slot.
    #[must_use]
    pub fn columns(&self) -> usize {
        match self {
            Self::Yolox { classes, .. } => 5 + classes,
            Self::Nanodet { classes, bins, .. } => classes + 4 * bins,
            Self::PlateLocator { .. } => 13,
            Self::PlateReader { alphabet, .. } => alphabet.len() + 1,
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

impl Default for Nms {
    fn default() -> Self {
        Self { iou: 0.5, together: Vec::new() }
    }
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
        let needs_strides = !matches!(self.head, Head::PlateReader { .. });
        if needs_strides && (strides.is_empty() || strides.contains(&0)) {
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
        if size.w == 0 || size.h == 0 {
            return Err(("input.size", format!("expected pixels, found {size}")));
        }
        if self.head.finds_vehicles() {
            if self.input.colour == Colour::Grey || self.input.place == Place::Stretch {
                return Err(("input", "a vehicle detector takes colour pictures in their own shape".into()));
            }
            self.check_step()?;
            return self.check_classes();
        }
        if self.input.step.is_some() {
            return Err(("input.step", "only vehicle detectors take inputs of several sizes".into()));
        }
        self.check_plates()
    }

    fn check_step(&self) -> Result<(), (&'static str, String)> {
        let Some(step) = self.input.step else { return Ok(()) };
        let size = self.input.size;
        if self.input.place != Place::TopLeft {
            return Err(("input.step", "inputs of several sizes need place = \"top_left\"".into()));
        }
        let fits = |step: u32| self.head.strides().iter().all(|stride| step.is_multiple_of(*stride));
        if step == 0 || size.w % step + size.h % step != 0 || !fits(step) {
            let why = format!("expected a divisor of {size} and a multiple of every stride, found {step}");
            return Err(("input.step", why));
        }
        Ok(())
    }

    fn check_plates(&self) -> Result<(), (&'static str, String)> {
        let grey = self.input.colour == Colour::Grey;
        let Head::PlateReader { alphabet, slots, margin, sure_above, .. } = &self.head else {
            let why = "a plate locator takes colour pictures, found grey";
            return if grey { Err(("input.colour", why.into())) } else { Ok(()) };
        };
        if !grey || self.input.place != Place::Stretch {
            return Err((
                "input",
                "a plate reader takes grey pictures pulled to its input (place = \"stretch\")".into(),
            ));
        }
        let plain = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase();
        let doubles = alphabet.chars().enumerate().any(|(at, c)| alphabet[..at].contains(c));
        if alphabet.is_empty() || !alphabet.chars().all(plain) || doubles {
            return Err(("head.alphabet", format!("expected digits and capitals, each once, found {alphabet:?}")));
        }
        if !(1..=16).contains(slots) {
            return Err(("head.slots", format!("expected 1 to 16, found {slots}")));
        }
        if !(0.0..=1.0).contains(margin) {
            return Err(("head.margin", format!("expected 0 to 1, found {margin}")));
        }
        if !(*sure_above > 0.0 && *sure_above < 1.0) {
            return Err(("head.sure_above", format!("expected a number between 0 and 1, found {sure_above}")));
        }
        Ok(())
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
