//! The colour class of a plate by its background.
//!
//! Characters are black on white and yellow, white on blue and red, and cover about a third of the plate: so the
//! background is told from the share of coloured pixels, and what is mixed is not told at all.

use stopline_types::{BgrImage, PlateColour, PointPx, SizePx};

use super::warp;

/// Pixels looked at: enough for shares, few enough to cost nothing.
const LOOKED_AT: SizePx = SizePx { w: 32, h: 16 };
/// Left out on each side: frames, screws, what lies behind.
const INSET: f32 = 0.08;
/// Saturation from which a pixel has a hue, and least brightness for it, 0 to 1.
const COLOURED: f32 = 0.4;
const PALE_YELLOW: f32 = 0.3;
const LEAST_VALUE: f32 = 0.15;
/// Share of the plate that must be of a hue; below the lower share it is of none.
const OF_HUE: f32 = 0.45;
const OF_NO_HUE: f32 = 0.15;
/// A plate darker than this on average shows no colour.
const TOO_DARK: f32 = 0.12;

/// The background between four corners; `None` where it cannot be told: dark, mixed, in a coloured light.
#[must_use]
pub fn of_plate(picture: &BgrImage, corners: &[PointPx; 4]) -> Option<PlateColour> {
    let pixels = warp::colour(picture, corners, -INSET, LOOKED_AT)?;
    let count = pixels.len() as f32;
    let (mut red, mut yellow, mut blue, mut brightness) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
    for bgr in pixels {
        let (hue_deg, saturation, value) = hue(bgr);
        brightness += value;
        if value < LEAST_VALUE {
            continue;
        }
        match hue_deg {
            h if (35.0..70.0).contains(&h) && saturation >= PALE_YELLOW => yellow += 1.0,
            h if (190.0..260.0).contains(&h) && saturation >= COLOURED => blue += 1.0,
            h if !(18.0..340.0).contains(&h) && saturation >= COLOURED => red += 1.0,
            _ => {}
        }
    }
    if brightness / count < TOO_DARK {
        return None;
    }
    let shares = [(PlateColour::Red, red), (PlateColour::Yellow, yellow), (PlateColour::Blue, blue)];
    let (colour, most) = shares.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    match most / count {
        share if share >= OF_HUE => Some(colour),
        share if share <= OF_NO_HUE => Some(PlateColour::White),
        _ => None,
    }
}

/// Hue in degrees, saturation and value 0 to 1.
fn hue([b, g, r]: [f32; 3]) -> (f32, f32, f32) {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let spread = most - least;
    if spread <= 0.0 {
        return (0.0, 0.0, most / 255.0);
    }
    let sector = if most == r {
        ((g - b) / spread).rem_euclid(6.0)
    } else if most == g {
        (b - r) / spread + 2.0
    } else {
        (r - g) / spread + 4.0
    };
    (60.0 * sector, spread / most, most / 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plate with dark or light strokes over a third of it.
    fn plate(background: [u8; 3], strokes: [u8; 3]) -> BgrImage {
        let size = SizePx { w: 90, h: 30 };
        let pixel = |at: usize| if (at % 90) / 6 % 3 == 1 { strokes } else { background };
        BgrImage { size, data: (0..90 * 30).flat_map(pixel).collect() }
    }

    fn of(background: [u8; 3], strokes: [u8; 3]) -> Option<PlateColour> {
        let picture = plate(background, strokes);
        of_plate(&picture, &warp::whole(picture.size))
    }

    #[test]
    fn the_four_classes() {
        const BLACK: [u8; 3] = [20, 20, 20];
        const WHITE: [u8; 3] = [230, 230, 230];
        assert_eq!(of([225, 228, 230], BLACK), Some(PlateColour::White));
        assert_eq!(of([30, 190, 230], BLACK), Some(PlateColour::Yellow));
        assert_eq!(of([160, 70, 20], WHITE), Some(PlateColour::Blue));
        assert_eq!(of([30, 25, 170], WHITE), Some(PlateColour::Red));
    }

    #[test]
    fn shade_and_warm_light_leave_white_white() {
        assert_eq!(of([70, 66, 60], [12, 12, 12]), Some(PlateColour::White), "in the shade");
        assert_eq!(of([150, 185, 200], [15, 20, 22]), Some(PlateColour::White), "under a sodium lamp");
    }

    #[test]
    fn darkness_has_no_colour() {
        assert_eq!(of([12, 10, 10], [2, 2, 2]), None);
    }
}
