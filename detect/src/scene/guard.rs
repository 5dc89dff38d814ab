//! Calibration guard: notices within ten seconds of video that a camera no longer shows the view its scene was drawn on
//! (knocked or turned, covered, darkened, blurred), and that it does again.
//!
//! Once a second a grey picture of [`WIDTH`] pixels is taken. The pixel-wise median of the last few seconds, which
//! leaves most traffic out, is compared with a reference learned when the scene was new, block by block, by the
//! normalised correlation of gradients (indifferent to brightness and contrast). Blocks that traffic fills match nowhere
//! and have no say. So there are four findings, each on positive evidence:
//!
//! - **moved**: the blocks that match agree that they lie elsewhere, by [`MOVED`] of the width or more; or no block is
//!   found in its place although the picture has as much texture as ever;
//! - **covered**: most blocks have lost their texture;
//! - **dark**: the picture is much darker than it used to be, or black;
//! - **blurred**: fine detail has faded against coarse detail.
//!
//! The reference follows slow changes (sun, dusk, a parked lorry), a grey level a second at most and only while the view
//! is in place. What was learned first is kept as the anchor, so that a mount that sags by and by is noticed too.
//! Until [`LEARN`] pictures were seen nothing is judged. [`Guard::memory`] is what survives a restart.

mod picture;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use stopline_types::BgrImage;

use picture::{Blocks, Grey, sharpness};

/// Time between two looks, seconds of media.
const EVERY_S: f64 = 1.0;
/// Pictures whose median is the reference.
const LEARN: usize = 20;
/// Pictures whose median is judged.
const RECENT: usize = 5;
/// Looks in a row that must say the same before rules rest, and before they go on.
const AGREED: u32 = 2;
const AGREED_BACK: u32 = 3;
/// Shift that counts as moved, as a share of the picture's width.
const MOVED: f64 = 0.010;
/// Share of the textured blocks that must be found in place for the view to be right; that many must say they moved,
/// at least, for it to have moved; and below the last, nothing of it is there.
const IN_PLACE: f64 = 0.5;
const SAY_MOVED: f64 = 0.25;
const NOTHING_LEFT: f64 = 0.12;
/// Share of the textured blocks that lost their texture when the camera is covered.
const LOST: f64 = 0.5;
/// Brightness against what it used to be, below which the picture is dark; and grey level below which it is black.
const DARK: f64 = 0.4;
const BLACK: f64 = 16.0;
/// Fine against coarse detail, compared with what it used to be, below which the picture is blurred.
const BLURRED: f64 = 0.6;
/// The longest time from an event to its being noticed, seconds: what was judged within it before is not trusted.
const NOTICED_S: f64 = 8.0;
/// The anchor is asked in the first few of so many looks, and in every one while the view is not right: at night, when it
/// looks different, asking it costs forty milliseconds.
const ASK_ANCHOR: u32 = 5;
const OF_LOOKS: u32 = 60;
/// How fast brightness and sharpness are followed while all is well, a share of the difference a look.
const FOLLOW: f64 = 1.0 / 300.0;

/// Why the view is not the one that the scene was drawn on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ViewFault {
    /// It lies elsewhere by so much, in shares of the picture's width and height; to the right and down is positive.
    Moved {
        /// Shift.
        dx: f64,
        /// Shift.
        dy: f64,
    },
    /// Nothing of it is where it was, nor near.
    Another,
    /// Something covers the lens.
    Covered,
    /// Much darker than it used to be.
    Dark,
    /// Out of focus, wet or dirty.
    Blurred,
}

impl std::fmt::Display for ViewFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Moved { dx, dy } => {
                let percent = |share: f64| share * 100.0;
                write!(f, "the view moved by {:.1} % of its width, {:.1} % of its height", percent(*dx), percent(*dy))
            }
            Self::Another => f.write_str("the view is not the one the scene was drawn on"),
            Self::Covered => f.write_str("the camera is covered"),
            Self::Dark => f.write_str("the picture is much darker than usual"),
            Self::Blurred => f.write_str("the picture is blurred"),
        }
    }
}

/// What a guard learned, for the next start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardMemory {
    /// [`super::Scene::calibration`] of the scene it was learned for.
    pub calibration: String,
    width: usize,
    height: usize,
    /// Grey levels row by row: as learned first, and as followed since.
    anchor: Vec<u8>,
    reference: Vec<u8>,
    brightness: f64,
    sharpness: f64,
}

/// Watches one camera's view.
#[derive(Debug, Clone)]
pub struct Guard {
    calibration: String,
    learning: Vec<Look>,
    known: Option<Known>,
    recent: VecDeque<Look>,
    next_s: f64,
    /// What the last looks said, and how many in a row.
    said: (Option<ViewFault>, u32),
    fault: Option<ViewFault>,
    /// Spans of media time, seconds, in which the view was not right; the last one may still be open.
    spans: VecDeque<(f64, f64)>,
}

#[derive(Debug, Clone)]
struct Look {
    grey: Grey,
    sharpness: f64,
}

#[derive(Debug, Clone)]
struct Known {
    anchor: Grey,
    anchor_blocks: Blocks,
    reference: Grey,
    blocks: Blocks,
    brightness: f64,
    sharpness: f64,
    looks: u32,
}

impl Guard {
    /// For a scene of that [`super::Scene::calibration`]; with what an earlier guard of the same calibration learned.
    #[must_use]
    pub fn new(calibration: &str, memory: Option<GuardMemory>) -> Self {
        let known = memory.filter(|m| m.calibration == calibration).and_then(Known::recall);
        Self {
            calibration: calibration.to_owned(),
            learning: Vec::new(),
            known,
            recent: VecDeque::new(),
            next_s: f64::NEG_INFINITY,
            said: (None, 0),
            fault: None,
            spans: VecDeque::new(),
        }
    }

    /// What is worth keeping over a restart; `None` while it still learns.
    #[must_use]
    pub fn memory(&self) -> Option<GuardMemory> {
        let known = self.known.as_ref()?;
        Some(GuardMemory {
            calibration: self.calibration.clone(),
            width: known.reference.width,
            height: known.reference.height,
            anchor: known.anchor.to_bytes(),
            reference: known.reference.to_bytes(),
            brightness: known.brightness,
            sharpness: known.sharpness,
        })
    }

    /// Whether it knows the view by now.
    #[must_use]
    pub fn has_learned(&self) -> bool {
        self.known.is_some()
    }

    /// What is wrong with the view, if anything.
    #[must_use]
    pub fn fault(&self) -> Option<ViewFault> {
        self.fault
    }

    /// Whether the view was right at a moment of the media, as far as is known by now.
    #[must_use]
    pub fn trusts(&self, t_s: f64) -> bool {
        !self.spans.iter().any(|(from, to)| (*from..=*to).contains(&t_s))
    }

    /// A new session: media time begins anew, the view stays known.
    pub fn restart(&mut self) {
        self.next_s = f64::NEG_INFINITY;
        self.recent.clear();
        self.spans.clear();
        if self.fault.is_some() {
            self.spans.push_back((f64::NEG_INFINITY, f64::INFINITY));
        }
    }

    /// Takes a frame's analysed picture in. Cheap: it looks once a second.
    pub fn look(&mut self, t_s: f64, image: &BgrImage) {
        if t_s < self.next_s {
            return;
        }
        let Some(grey) = Grey::of(image) else { return };
        self.next_s = t_s + EVERY_S - 0.05;
        let look = Look { grey, sharpness: sharpness(image) };
        // Another shape is another stream: what was learned of the old one says nothing.
        let other = |known: &Known| !known.reference.same_size(&look.grey);
        if self.known.as_ref().is_some_and(other) || self.recent.front().is_some_and(|l| !l.grey.same_size(&look.grey))
        {
            *self = Self { next_s: self.next_s, ..Self::new(&self.calibration, None) };
        }
        let Some(known) = &mut self.known else {
            self.learning.push(look);
            if self.learning.len() >= LEARN {
                self.known = Known::learn(&std::mem::take(&mut self.learning));
            }
            return;
        };
        self.recent.push_back(look);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        // Darkness needs no median: it is the whole picture's.
        let median = Grey::median(self.recent.iter().map(|look| &look.grey));
        let sharp = median_of(self.recent.iter().map(|look| look.sharpness).collect());
        let found = known.judge(&median, sharp, self.fault.is_some());
        if found.is_none() && self.fault.is_none() {
            known.follow(&median, sharp);
        }
        self.agree(t_s, found);
    }

    fn agree(&mut self, t_s: f64, found: Option<ViewFault>) {
        let alike = found.is_some() == self.said.0.is_some();
        self.said = (found, if alike { self.said.1 + 1 } else { 1 });
        match (self.fault, found) {
            (None, Some(fault)) if self.said.1 >= AGREED => {
                self.fault = Some(fault);
                self.spans.push_back((t_s - NOTICED_S, f64::INFINITY));
                if self.spans.len() > 16 {
                    self.spans.pop_front();
                }
            }
            (Some(_), Some(fault)) => self.fault = Some(fault),
            (Some(_), None) if self.said.1 >= AGREED_BACK => {
                self.fault = None;
                if let Some(span) = self.spans.back_mut() {
                    span.1 = t_s;
                }
            }
            _ => {}
        }
    }
}

impl Known {
    fn learn(looks: &[Look]) -> Option<Self> {
        let reference = Grey::median(looks.iter().map(|look| &look.grey));
        let blocks = Blocks::of(&reference);
        let brightness = reference.mean();
        let sharpness = median_of(looks.iter().map(|look| look.sharpness).collect());
        Some(Self {
            anchor: reference.clone(),
            anchor_blocks: blocks.clone(),
            blocks,
            brightness,
            sharpness,
            reference,
            looks: 0,
        })
    }

    fn recall(memory: GuardMemory) -> Option<Self> {
        let GuardMemory { width, height, anchor, reference, brightness, sharpness, .. } = memory;
        let anchor = Grey::from_bytes(width, height, &anchor)?;
        let reference = Grey::from_bytes(width, height, &reference)?;
        let sound = brightness.is_finite() && sharpness.is_finite();
        sound.then(|| Self {
            anchor_blocks: Blocks::of(&anchor),
            blocks: Blocks::of(&reference),
            anchor,
            reference,
            brightness,
            sharpness,
            looks: 0,
        })
    }

    fn judge(&mut self, now: &Grey, sharp: f64, wrong_by_now: bool) -> Option<ViewFault> {
        self.looks = self.looks.wrapping_add(1);
        let brightness = now.mean();
        if brightness < BLACK.min(0.6 * self.brightness) || brightness < DARK * self.brightness {
            return Some(ViewFault::Dark);
        }
        let blocks = Blocks::of(now);
        let found = self.blocks.compare(&blocks);
        let textured = found.textured as f64;
        // A view without texture (a blank wall) tells nothing but its brightness.
        if found.textured >= 3 && found.lost as f64 >= LOST * textured {
            return Some(ViewFault::Covered);
        }
        if sharp < BLURRED * self.sharpness {
            return Some(ViewFault::Blurred);
        }
        if found.textured < 3 {
            return None;
        }
        let right = (found.in_place as f64) >= IN_PLACE * textured;
        if !right {
            let search = self.blocks.search(&blocks);
            if let Some(moved) = search.agreed(SAY_MOVED, MOVED) {
                return Some(moved);
            }
            if (found.in_place as f64) < NOTHING_LEFT * textured && search.in_place < SAY_MOVED * textured {
                return Some(ViewFault::Another);
            }
        }
        if !wrong_by_now && self.looks % OF_LOOKS >= ASK_ANCHOR {
            return None;
        }
        // The anchor: only its word that all of it moved counts, for light and season change its looks.
        let anchored = self.anchor_blocks.compare(&blocks);
        if (anchored.in_place as f64) < IN_PLACE * anchored.textured as f64 {
            return self.anchor_blocks.search(&blocks).agreed(SAY_MOVED, MOVED);
        }
        None
    }

    fn follow(&mut self, now: &Grey, sharp: f64) {
        self.reference.step_towards(now);
        self.blocks = Blocks::of(&self.reference);
        self.brightness += FOLLOW * (now.mean() - self.brightness);
        self.sharpness += FOLLOW * (sharp - self.sharpness);
    }
}

fn median_of(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}
