//! A part of a frame's picture.

use stopline_types::{BgrImage, BoxPx, Frame, SizePx};

/// Whole pixels of a frame's picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// From the left edge.
    pub x: u32,
    /// From the top edge.
    pub y: u32,
    /// Width.
    pub w: u32,
    /// Height.
    pub h: u32,
}

impl Part {
    /// Pixels in it.
    #[must_use]
    pub fn area(&self) -> u64 {
        u64::from(self.w) * u64::from(self.h)
    }

    /// The smallest part that holds both.
    #[must_use]
    pub(super) fn with(&self, other: &Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.w).max(other.x + other.w);
        let bottom = (self.y + self.h).max(other.y + other.h);
        Self { x, y, w: right - x, h: bottom - y }
    }

    /// Grown to sides that are multiples of `step`, with real pixels rather than padding, inside `picture`.
    pub(super) fn stepped(&self, step: u32, picture: SizePx) -> Self {
        let along = |from: u32, length: u32, whole: u32| {
            let length = (length.div_ceil(step) * step).min(whole);
            (from.min(whole - length), length)
        };
        let ((x, w), (y, h)) = (along(self.x, self.w, picture.w), along(self.y, self.h, picture.h));
        Self { x, y, w, h }
    }

    /// As a box of the picture.
    pub(super) fn bbox(&self) -> BoxPx {
        BoxPx { x: self.x as f32, y: self.y as f32, w: self.w as f32, h: self.h as f32 }
    }

    /// The part's own picture, and what it shows in pixels of the stream's frame. What lies outside the picture is left out.
    pub(super) fn of(&self, frame: &Frame) -> (BgrImage, BoxPx) {
        let whole = frame.image.size;
        let (x, y) = (self.x.min(whole.w), self.y.min(whole.h));
        let size = SizePx { w: self.w.min(whole.w - x), h: self.h.min(whole.h - y) };
        let row = whole.w as usize * 3;
        let mut data = Vec::with_capacity(size.w as usize * size.h as usize * 3);
        if size.w > 0 {
            for line in frame.image.data.chunks_exact(row.max(1)).skip(y as usize).take(size.h as usize) {
                data.extend_from_slice(&line[x as usize * 3..][..size.w as usize * 3]);
            }
        }
        let seen = frame.seen();
        let (sx, sy) = (seen.w / whole.w.max(1) as f32, seen.h / whole.h.max(1) as f32);
        let shown = BoxPx {
            x: seen.x + x as f32 * sx,
            y: seen.y + y as f32 * sy,
            w: size.w as f32 * sx,
            h: size.h as f32 * sy,
        };
        (BgrImage { size, data }, shown)
    }
}
