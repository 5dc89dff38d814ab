//! A plate's four corners pulled to a rectangle.

use stopline_types::{BgrImage, PointPx, SizePx};

/// Most samples along one axis of one pixel of the result.
const MOST_SAMPLES: usize = 8;

/// Corners of a whole picture.
#[must_use]
pub fn whole(size: SizePx) -> [PointPx; 4] {
    let (w, h) = (size.w as f32, size.h as f32);
    [[0.0, 0.0], [w, 0.0], [w, h], [0.0, h]].map(PointPx::from)
}

/// Length of the upper and lower edges and of the left and right ones, means, pixels.
#[must_use]
pub fn sides(corners: &[PointPx; 4]) -> (f32, f32) {
    let length = |a: PointPx, b: PointPx| (a.x - b.x).hypot(a.y - b.y);
    let [tl, tr, br, bl] = *corners;
    ((length(tl, tr) + length(bl, br)) / 2.0, (length(tl, bl) + length(tr, br)) / 2.0)
}

/// The patch of `picture` between four corners (top left, top right, bottom right, bottom left), grown by `margin` of its
/// width and height on each side, as brightness 0 to 255 (ITU-R BT.601) of `size`, row by row. Averaged where it becomes
/// smaller, interpolated linearly where it is enlarged; beyond the picture its edge goes on. `None`: the corners span no
/// area.
#[must_use]
pub fn grey(picture: &BgrImage, corners: &[PointPx; 4], margin: f32, size: SizePx) -> Option<Vec<f32>> {
    let luma = |[b, g, r]: [f32; 3]| 0.114 * b + 0.587 * g + 0.299 * r;
    sampled(picture, corners, margin, size, luma)
}

/// The same in colour, as blue, green, red.
#[must_use]
pub fn colour(picture: &BgrImage, corners: &[PointPx; 4], margin: f32, size: SizePx) -> Option<Vec<[f32; 3]>> {
    sampled(picture, corners, margin, size, |bgr| bgr)
}

fn sampled<T: Pixel>(
    picture: &BgrImage,
    corners: &[PointPx; 4],
    margin: f32,
    size: SizePx,
    of: impl Fn([f32; 3]) -> T,
) -> Option<Vec<T>> {
    if picture.data.len() != picture.size.w as usize * picture.size.h as usize * 3 || picture.data.is_empty() {
        return None;
    }
    let map = Perspective::onto(corners)?;
    let (width, height) = sides(corners);
    let samples = |side: f32, pixels: u32| ((side / pixels as f32).ceil() as usize).clamp(1, MOST_SAMPLES);
    let (across, down) = (samples(width, size.w), samples(height, size.h));
    let along = |pixel: u32, part: usize, parts: usize, pixels: u32| {
        let at = (pixel as f32 + (part as f32 + 0.5) / parts as f32) / pixels as f32;
        at * (1.0 + 2.0 * margin) - margin
    };
    let mut out = Vec::with_capacity(size.w as usize * size.h as usize);
    for y in 0..size.h {
        for x in 0..size.w {
            let mut sum = T::ZERO;
            for j in 0..down {
                let v = along(y, j, down, size.h);
                for i in 0..across {
                    let at = map.at(along(x, i, across, size.w), v);
                    sum = sum.plus(of(bilinear(picture, at)));
                }
            }
            out.push(sum.over((across * down) as f32));
        }
    }
    Some(out)
}

trait Pixel: Copy {
    const ZERO: Self;
    fn plus(self, other: Self) -> Self;
    fn over(self, count: f32) -> Self;
}

impl Pixel for f32 {
    const ZERO: Self = 0.0;
    fn plus(self, other: Self) -> Self {
        self + other
    }
    fn over(self, count: f32) -> Self {
        self / count
    }
}

impl Pixel for [f32; 3] {
    const ZERO: Self = [0.0; 3];
    fn plus(self, other: Self) -> Self {
        std::array::from_fn(|at| self[at] + other[at])
    }
    fn over(self, count: f32) -> Self {
        self.map(|sum| sum / count)
    }
}

/// Pixel centres lie at halves.
fn bilinear(picture: &BgrImage, at: PointPx) -> [f32; 3] {
    let (w, h) = (picture.size.w as usize, picture.size.h as usize);
    let x = (at.x - 0.5).clamp(0.0, (w - 1) as f32);
    let y = (at.y - 0.5).clamp(0.0, (h - 1) as f32);
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(w - 1), (y0 + 1).min(h - 1));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let pixel = |x: usize, y: usize, plane: usize| f32::from(picture.data[(y * w + x) * 3 + plane]);
    std::array::from_fn(|plane| {
        let top = pixel(x0, y0, plane) * (1.0 - fx) + pixel(x1, y0, plane) * fx;
        let bottom = pixel(x0, y1, plane) * (1.0 - fx) + pixel(x1, y1, plane) * fx;
        top * (1.0 - fy) + bottom * fy
    })
}

/// The projective map of the unit square onto four corners (Heckbert, "Fundamentals of Texture Mapping and Image
/// Warping", 1989, section 2.2.3).
struct Perspective([f32; 8]);

impl Perspective {
    fn onto(corners: &[PointPx; 4]) -> Option<Self> {
        if !corners.iter().all(|c| c.x.is_finite() && c.y.is_finite()) || area(corners) < 1.0 {
            return None;
        }
        let [tl, tr, br, bl] = *corners;
        let (sx, sy) = (tl.x - tr.x + br.x - bl.x, tl.y - tr.y + br.y - bl.y);
        let (dx1, dy1) = (tr.x - br.x, tr.y - br.y);
        let (dx2, dy2) = (bl.x - br.x, bl.y - br.y);
        let scale = dx1 * dy2 - dx2 * dy1;
        if scale.abs() < 1e-6 {
            return None;
        }
        let (g, h) = ((sx * dy2 - dx2 * sy) / scale, (dx1 * sy - sx * dy1) / scale);
        Some(Self([
            tr.x - tl.x + g * tr.x,
            bl.x - tl.x + h * bl.x,
            tl.x,
            tr.y - tl.y + g * tr.y,
            bl.y - tl.y + h * bl.y,
            tl.y,
            g,
            h,
        ]))
    }

    fn at(&self, u: f32, v: f32) -> PointPx {
        let [a, b, c, d, e, f, g, h] = self.0;
        let w = g * u + h * v + 1.0;
        // Far outside of the square the map turns over; such points are at the picture's edge either way.
        let w = if w.abs() < 1e-3 { 1e-3_f32.copysign(w) } else { w };
        PointPx { x: (a * u + b * v + c) / w, y: (d * u + e * v + f) / w }
    }
}

/// Area between the corners, square pixels; less than 0 when they run the wrong way round.
fn area(corners: &[PointPx; 4]) -> f32 {
    let pairs = corners.iter().zip(corners.iter().cycle().skip(1));
    pairs.map(|(a, b)| a.x * b.y - b.x * a.y).sum::<f32>() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Brightness grows by 10 a pixel to the right and by 20 down.
    fn ramp() -> BgrImage {
        let size = SizePx { w: 8, h: 4 };
        let pixels = (0..4u8).flat_map(|y| (0..8u8).map(move |x| 10 * x + 20 * y));
        BgrImage { size, data: pixels.flat_map(|v| [v; 3]).collect() }
    }

    #[test]
    fn a_whole_picture_at_its_size_is_itself() {
        let picture = ramp();
        let patch = grey(&picture, &whole(picture.size), 0.0, picture.size).unwrap();
        let expected: Vec<f32> = picture.data.chunks(3).map(|p| f32::from(p[0])).collect();
        assert!(patch.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.01), "{patch:?}");
    }

    #[test]
    fn smaller_is_averaged() {
        let picture = ramp();
        let patch = grey(&picture, &whole(picture.size), 0.0, SizePx { w: 2, h: 1 }).unwrap();
        assert!((patch[0] - 45.0).abs() < 0.5 && (patch[1] - 85.0).abs() < 0.5, "{patch:?}");
    }

    #[test]
    fn corners_turn_the_picture() {
        let picture = ramp();
        let [tl, tr, br, bl] = whole(picture.size);
        let upside_down = grey(&picture, &[br, bl, tl, tr], 0.0, picture.size).unwrap();
        let mut expected: Vec<f32> = picture.data.chunks(3).map(|p| f32::from(p[0])).collect();
        expected.reverse();
        assert!(upside_down.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.01));
    }

    #[test]
    fn the_middle_of_a_trapezium_is_where_its_diagonals_meet() {
        let corners = [[2.0, 0.0], [4.0, 0.0], [6.0, 4.0], [0.0, 4.0]].map(PointPx::from);
        let map = Perspective::onto(&corners).unwrap();
        let middle = map.at(0.5, 0.5);
        assert!((middle.x - 3.0).abs() < 1e-4 && (middle.y - 1.0).abs() < 1e-4, "{middle:?}");
        for (corner, (u, v)) in corners.iter().zip([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]) {
            let at = map.at(u, v);
            assert!((at.x - corner.x).abs() < 1e-4 && (at.y - corner.y).abs() < 1e-4);
        }
    }

    #[test]
    fn corners_without_area_give_nothing() {
        let picture = ramp();
        let line = [[0.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 0.0]].map(PointPx::from);
        assert!(grey(&picture, &line, 0.0, picture.size).is_none());
        let mut gone = whole(picture.size);
        gone[1].x = f32::NAN;
        assert!(grey(&picture, &gone, 0.0, picture.size).is_none());
        let empty = BgrImage { size: SizePx { w: 0, h: 0 }, data: Vec::new() };
        assert!(grey(&empty, &whole(picture.size), 0.0, picture.size).is_none());
    }
}
