//! Pixels. All coordinates here are pixels of the stream's own frame (or of the frame a scene file names), x to
//! the right and y down, the origin at the top left corner of the top left pixel.

use serde::{Deserialize, Serialize};

/// A picture's size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "[u32; 2]", into = "[u32; 2]")]
pub struct SizePx {
    /// Width.
    pub w: u32,
    /// Height.
    pub h: u32,
}

impl From<[u32; 2]> for SizePx {
    fn from([w, h]: [u32; 2]) -> Self {
        Self { w, h }
    }
}

impl From<SizePx> for [u32; 2] {
    fn from(size: SizePx) -> Self {
        [size.w, size.h]
    }
}

impl SizePx {
    /// The largest size of this shape that fits into `room`, at least 1 × 1; never enlarged when `grow` is false.
    #[must_use]
    pub fn fit(self, room: Self, grow: bool) -> Self {
        let mut scale = (f64::from(room.w) / f64::from(self.w)).min(f64::from(room.h) / f64::from(self.h));
        if !grow {
            scale = scale.min(1.0);
        }
        let side = |length: u32, most: u32| ((f64::from(length) * scale).round() as u32).clamp(1, most.max(1));
        Self { w: side(self.w, room.w), h: side(self.h, room.h) }
    }
}

impl std::fmt::Display for SizePx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}×{}", self.w, self.h)
    }
}

/// A point in pixels; in JSON and TOML `[x, y]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 2]", into = "[f32; 2]")]
pub struct PointPx {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

impl From<[f32; 2]> for PointPx {
    fn from([x, y]: [f32; 2]) -> Self {
        Self { x, y }
    }
}

impl From<PointPx> for [f32; 2] {
    fn from(point: PointPx) -> Self {
        [point.x, point.y]
    }
}

/// An upright box in pixels; in JSON `[x, y, w, h]` with the top left corner first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 4]", into = "[f32; 4]")]
pub struct BoxPx {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub w: f32,
    /// Height.
    pub h: f32,
}

impl From<[f32; 4]> for BoxPx {
    fn from([x, y, w, h]: [f32; 4]) -> Self {
        Self { x, y, w, h }
    }
}

impl From<BoxPx> for [f32; 4] {
    fn from(b: BoxPx) -> Self {
        [b.x, b.y, b.w, b.h]
    }
}

impl BoxPx {
    /// From the left, top, right and bottom edges.
    #[must_use]
    pub fn from_edges(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Self { x: left, y: top, w: right - left, h: bottom - top }
    }

    /// The right edge.
    #[must_use]
    pub fn right(&self) -> f32 {
        self.x + self.w
    }

    /// The bottom edge.
    #[must_use]
    pub fn bottom(&self) -> f32 {
        self.y + self.h
    }

    /// Area in square pixels; 0 for a box turned inside out.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.w.max(0.0) * self.h.max(0.0)
    }

    /// Middle of the bottom edge: where a vehicle seen from above touches the road, nearly.
    #[must_use]
    pub fn foot(&self) -> PointPx {
        PointPx { x: self.x + self.w / 2.0, y: self.bottom() }
    }

    /// The middle.
    #[must_use]
    pub fn centre(&self) -> PointPx {
        PointPx { x: self.x + self.w / 2.0, y: self.y + self.h / 2.0 }
    }

    /// Area shared with `other`, in square pixels.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> f32 {
        let w = self.right().min(other.right()) - self.x.max(other.x);
        let h = self.bottom().min(other.bottom()) - self.y.max(other.y);
        w.max(0.0) * h.max(0.0)
    }

    /// Intersection over union, 0 to 1.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let shared = self.overlap(other);
        let all = self.area() + other.area() - shared;
        if all > 0.0 { shared / all } else { 0.0 }
    }

    /// The smallest box around both.
    #[must_use]
    pub fn around(&self, other: &Self) -> Self {
        Self::from_edges(
            self.x.min(other.x),
            self.y.min(other.y),
            self.right().max(other.right()),
            self.bottom().max(other.bottom()),
        )
    }

    /// The same box in a picture scaled by `sx` and `sy`.
    #[must_use]
    pub fn scaled(&self, sx: f32, sy: f32) -> Self {
        Self { x: self.x * sx, y: self.y * sy, w: self.w * sx, h: self.h * sy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_and_union() {
        let a = BoxPx::from([0.0, 0.0, 10.0, 10.0]);
        let b = BoxPx::from([5.0, 0.0, 10.0, 10.0]);
        assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(a.around(&b), BoxPx::from([0.0, 0.0, 15.0, 10.0]));
        assert_eq!(a.iou(&BoxPx::from([20.0, 20.0, 5.0, 5.0])), 0.0);
        assert_eq!(a.foot(), PointPx { x: 5.0, y: 10.0 });
    }

    #[test]
    fn fits_keep_shape() {
        let room = SizePx { w: 640, h: 480 };
        assert_eq!(SizePx { w: 1280, h: 720 }.fit(room, false), SizePx { w: 640, h: 360 });
        assert_eq!(SizePx { w: 352, h: 288 }.fit(room, false), SizePx { w: 352, h: 288 });
        assert_eq!(SizePx { w: 352, h: 288 }.fit(room, true), SizePx { w: 587, h: 480 });
    }
}
