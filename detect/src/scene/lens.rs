//! Radial lens distortion, applied to points only: the picture itself is never resampled.
//!
//! Brown's model (D. C. Brown, "Close-Range Camera Calibration", Photogrammetric Engineering 37(8), 1971, pp. 855–866)
//! with its two radial terms, as camera calibration tools print them: a point that a lens without distortion would show
//! at `u` (from the centre, in focal lengths) stands at `u · (1 + k1·r² + k2·r⁴)`, `r = |u|`. Negative `k1` is the
//! barrel of a wide lens.

use serde::{Deserialize, Serialize};
use stopline_types::SizePx;

use super::geometry::{Point2, length, sub};

/// `[scene.lens]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LensConfig {
    /// First radial coefficient.
    pub k1: f64,
    /// Second radial coefficient.
    #[serde(default)]
    pub k2: f64,
    /// Focal length, pixels of the scene's frame.
    pub focal_px: f64,
    /// Where the optical axis meets the picture, pixels; absent: the frame's middle.
    pub centre_px: Option<[f64; 2]>,
}

/// A lens that bends straight lines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lens {
    k1: f64,
    k2: f64,
    focal_px: f64,
    centre: Point2,
}

/// Steps of the inverse; Newton's method needs four or five.
const STEPS: usize = 20;

impl Lens {
    /// The lens of a frame, or why the numbers describe none.
    pub fn new(config: &LensConfig, frame: SizePx) -> Result<Self, String> {
        let LensConfig { k1, k2, focal_px, .. } = *config;
        let middle = [f64::from(frame.w) / 2.0, f64::from(frame.h) / 2.0];
        let centre = config.centre_px.unwrap_or(middle);
        if !(k1.is_finite() && k2.is_finite() && centre.iter().all(|c| c.is_finite())) {
            return Err(format!("expected finite numbers, found k1 = {k1}, k2 = {k2}, centre_px = {centre:?}"));
        }
        if !(focal_px.is_finite() && focal_px > 0.0) {
            return Err(format!("expected a focal_px above 0, found {focal_px}"));
        }
        let lens = Self { k1, k2, focal_px, centre };
        // Beyond the radius where the model turns back, one pixel would stand for two directions.
        let corners = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
        let reach = corners.map(|[x, y]| length(sub([x * 2.0 * middle[0], y * 2.0 * middle[1]], centre)) / focal_px);
        let reach = reach.into_iter().fold(0.0, f64::max);
        if lens.straight_radius(reach).is_none() {
            return Err(format!("k1 = {k1} and k2 = {k2} fold the picture's corners at focal_px = {focal_px}"));
        }
        Ok(lens)
    }

    /// Where a lens without distortion would show what this one shows at `px`; `None` where the model has no answer.
    #[must_use]
    pub fn straighten(&self, px: Point2) -> Option<Point2> {
        let from = sub(px, self.centre);
        let bent = length(from) / self.focal_px;
        if bent < 1e-12 {
            return Some(px);
        }
        let factor = self.straight_radius(bent)? / bent;
        Some([self.centre[0] + from[0] * factor, self.centre[1] + from[1] * factor])
    }

    /// Where this lens shows what one without distortion would show at `px`.
    #[must_use]
    pub fn bend(&self, px: Point2) -> Point2 {
        let from = sub(px, self.centre);
        let r2 = (length(from) / self.focal_px).powi(2);
        let factor = 1.0 + r2 * (self.k1 + r2 * self.k2);
        [self.centre[0] + from[0] * factor, self.centre[1] + from[1] * factor]
    }

    /// Solves `bent = r (1 + k1 r² + k2 r⁴)` on the branch that begins at 0.
    fn straight_radius(&self, bent: f64) -> Option<f64> {
        let at = |r: f64| r * (1.0 + r * r * (self.k1 + r * r * self.k2));
        let slope = |r: f64| 1.0 + r * r * (3.0 * self.k1 + 5.0 * r * r * self.k2);
        let mut r = bent;
        for _ in 0..STEPS {
            let s = slope(r);
            if s < 1e-3 {
                r *= 0.5;
                continue;
            }
            r = (r - (at(r) - bent) / s).clamp(0.0, 4.0 * bent);
        }
        let rises = (0..=64).all(|i| slope(r * f64::from(i) / 64.0) > 1e-3);
        (rises && (at(r) - bent).abs() < 1e-9 * (1.0 + bent)).then_some(r)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME: SizePx = SizePx { w: 1920, h: 1080 };

    fn lens(k1: f64, k2: f64) -> Result<Lens, String> {
        Lens::new(&LensConfig { k1, k2, focal_px: 1400.0, centre_px: None }, FRAME)
    }

    proptest! {
        /// Straightened and bent again, every pixel is where it was.
        #[test]
        fn there_and_back(k1 in -0.2f64..0.3, k2 in 0.0f64..0.1, x in 0.0f64..1920.0, y in 0.0f64..1080.0) {
            let lens = lens(k1, k2).expect("a usual lens");
            let there = lens.straighten([x, y]).expect("inside the picture");
            prop_assert!(length(sub(lens.bend(there), [x, y])) < 1e-6);
        }
    }

    #[test]
    fn a_barrel_pulls_the_corners_in() {
        let lens = lens(-0.2, 0.0).expect("a usual lens");
        assert_eq!(lens.straighten([960.0, 540.0]), Some([960.0, 540.0]));
        let corner = lens.straighten([0.0, 0.0]).expect("inside");
        assert!(corner[0] < -50.0 && corner[1] < -30.0, "{corner:?}");
        // By hand: a point at 0.5 focal lengths is shown at 0.5 (1 - 0.2 · 0.25) = 0.475.
        let shown = lens.bend([960.0 + 700.0, 540.0]);
        assert!((shown[0] - (960.0 + 0.475 * 1400.0)).abs() < 1e-9, "{shown:?}");
    }

    #[test]
    fn impossible_lenses_are_refused() {
        assert!(lens(-0.9, 0.0).expect_err("folds").contains("fold the picture's corners"));
        assert!(lens(f64::NAN, 0.0).expect_err("no number").contains("finite"));
        let flat = LensConfig { k1: 0.0, k2: 0.0, focal_px: 0.0, centre_px: None };
        assert!(Lens::new(&flat, FRAME).expect_err("no focal length").contains("focal_px above 0, found 0"));
    }
}
