//! The ground plane: pixels to metres and back, with what the fit is worth.

use super::geometry::{self, Point2, length, sub};
use super::homography::{Homography, HomographyError};
use super::lens::Lens;

/// An error of the fit, or of a left-out point, above this is worth a warning, metres. Above `max_error_m` of the scene it
/// is refused.
const WARN_M: f64 = 0.3;
const WARN_LEFT_OUT_M: f64 = 1.0;
/// A pixel that stands for more than this along the road makes no good reference, metres.
const WARN_M_PER_PX: f64 = 1.0;

/// The ground plane: pixels to metres.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Pixels of the scene's frame, straightened by the lens if there is one, to metres.
    to_m: Homography,
    to_px: Homography,
    lens: Option<Lens>,
    /// The given points: pixel and metres.
    pub points: Vec<(Point2, Point2)>,
    /// Root mean square distance between the given and the mapped points, metres.
    pub error_m: f64,
    /// The same in the picture, pixels.
    pub error_px: f64,
    /// For each point its distance from where the fit of all others puts it, metres. `None` for a point without which
    /// the others fix no plane; with four points that is every one, and nothing checks them.
    pub left_out_m: Vec<Option<f64>>,
    /// 1 where a right turn is clockwise in the ground's axes as in a picture's (y down), -1 where they are mirrored.
    pub right: f64,
}

impl Ground {
    /// Fits the plane to pairs of pixel and metres.
    pub fn fit(points: Vec<(Point2, Point2)>, lens: Option<Lens>) -> Result<Self, HomographyError> {
        let straighten = |px: Point2| lens.map_or(Some(px), |lens| lens.straighten(px));
        let pairs: Option<Vec<_>> = points.iter().map(|(px, m)| Some((straighten(*px)?, *m))).collect();
        let pairs = pairs.ok_or(HomographyError::OutsideLens)?;
        let to_m = Homography::fit(&pairs)?;
        let back: Vec<_> = pairs.iter().map(|(px, m)| (*m, *px)).collect();
        let to_px = to_m.inverse().ok_or(HomographyError::Folded)?;
        let left_out = |i: usize| {
            let others: Vec<_> = pairs.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, pair)| *pair).collect();
            let at = Homography::fit(&others).ok()?.apply(pairs[i].0);
            Some(at.map_or(f64::INFINITY, |at| length(sub(at, pairs[i].1))))
        };
        let at = geometry::centroid(&pairs.iter().map(|(px, _)| *px).collect::<Vec<_>>());
        let step = |by: Point2| Some(sub(to_m.apply([at[0] + by[0], at[1] + by[1]])?, to_m.apply(at)?));
        let right = step([1.0, 0.0]).zip(step([0.0, 1.0])).map_or(1.0, |(x, y)| geometry::cross(x, y).signum());
        Ok(Self {
            right,
            error_m: to_m.rms(&pairs),
            error_px: to_px.rms(&back),
            left_out_m: (0..pairs.len()).map(left_out).collect(),
            points,
            to_m,
            to_px,
            lens,
        })
    }

    /// The place on the road of a pixel, metres; `None` on or above the horizon.
    #[must_use]
    pub fn apply(&self, px: Point2) -> Option<Point2> {
        self.to_m.apply(self.lens.map_or(Some(px), |lens| lens.straighten(px))?)
    }

    /// The pixel of a place on the road, wherever it lies; `None` behind the camera.
    #[must_use]
    pub fn to_px(&self, m: Point2) -> Option<Point2> {
        let px = self.to_px.apply(m)?;
        Some(self.lens.map_or(px, |lens| lens.bend(px)))
    }

    /// Root mean square of [`Self::left_out_m`], over the points that have one.
    #[must_use]
    pub fn left_out_rms_m(&self) -> Option<f64> {
        let known: Vec<f64> = self.left_out_m.iter().flatten().copied().collect();
        (!known.is_empty()).then(|| (known.iter().map(|m| m * m).sum::<f64>() / known.len() as f64).sqrt())
    }

    /// Metres along the road that one pixel up or down stands for.
    #[must_use]
    pub fn m_per_px(&self, px: Point2) -> Option<f64> {
        let (below, above) = (self.apply([px[0], px[1] + 0.5])?, self.apply([px[0], px[1] - 0.5])?);
        Some(length(sub(below, above)))
    }

    /// What a person should look at again, in words.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.error_m > WARN_M {
            said.push(format!("the ground points fit to {:.2} m ({:.1} px) only", self.error_m, self.error_px));
        }
        if self.points.len() == 4 {
            said.push("four ground points fit always: nothing checks them; give two more".to_owned());
        }
        for (i, off) in self.left_out_m.iter().enumerate() {
            if let Some(off) = off.filter(|off| *off > WARN_LEFT_OUT_M) {
                said.push(format!("ground.points[{i}] lies {off:.2} m from where the other points put it"));
            }
        }
        for (i, (px, _)) in self.points.iter().enumerate() {
            if let Some(scale) = self.m_per_px(*px).filter(|scale| *scale > WARN_M_PER_PX) {
                said.push(format!("ground.points[{i}]: one pixel is {scale:.1} m of road there"));
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::lens::LensConfig;
    use stopline_types::SizePx;

    /// A camera 6 m up, pitched down, of 1850 px focal length.
    fn see([x, y]: Point2) -> Point2 {
        let (s, c) = 0.27_f64.sin_cos();
        let depth = y * c + 6.0 * s;
        [640.0 + 1850.0 * x / depth, 360.0 + 1850.0 * (6.0 * c - y * s) / depth]
    }

    fn road() -> Vec<Point2> {
        (0..15).map(|i| [f64::from(i % 3) * 3.5 - 3.0, 12.0 + 6.0 * f64::from(i / 3)]).collect()
    }

    #[test]
    fn a_wrong_point_stands_out_when_it_is_left_out() {
        let mut pairs: Vec<_> = road().into_iter().map(|m| (see(m), m)).collect();
        let good = Ground::fit(pairs.clone(), None).expect("spread");
        assert!(good.error_m < 1e-6 && good.error_px < 1e-6 && good.left_out_rms_m().expect("fifteen") < 1e-5);
        assert!(good.warnings().is_empty(), "{:?}", good.warnings());
        let at = good.to_px([1.0, 20.0]).expect("in front");
        assert!(length(sub(at, see([1.0, 20.0]))) < 1e-5);

        pairs[7].1[1] += 2.5;
        let bad = Ground::fit(pairs, None).expect("still a plane");
        let off = |i: usize| bad.left_out_m[i].expect("fifteen points");
        assert!((0..15).all(|i| i == 7 || off(i) < off(7)), "{:?}", bad.left_out_m);
        assert!((off(7) - 2.5).abs() < 0.01 && bad.error_px > 2.0, "{} {}", off(7), bad.error_px);
        assert!(bad.warnings().iter().any(|w| w.contains("ground.points[7] lies 2.50 m")), "{:?}", bad.warnings());
    }

    #[test]
    fn four_points_check_nothing() {
        let pairs: Vec<_> = [0, 2, 6, 8].map(|i| road()[i]).map(|m| (see(m), m)).to_vec();
        let ground = Ground::fit(pairs, None).expect("spread");
        assert_eq!(ground.left_out_rms_m(), None);
        assert!(ground.warnings()[0].contains("nothing checks them"));
    }

    /// Through a bending lens a plane fits only with its distortion known.
    #[test]
    fn the_lens_is_taken_out() {
        let config = LensConfig { k1: -0.25, k2: 0.05, focal_px: 1850.0, centre_px: None };
        let lens = Lens::new(&config, SizePx { w: 1280, h: 720 }).expect("a lens");
        let pairs: Vec<_> = road().into_iter().map(|m| (lens.bend(see(m)), m)).collect();
        let with = Ground::fit(pairs.clone(), Some(lens)).expect("spread");
        let without = Ground::fit(pairs, None).expect("spread");
        assert!(with.error_m < 1e-6, "{}", with.error_m);
        assert!(without.error_m > 10.0 * with.error_m.max(1e-6));
        let m = [2.0, 21.0];
        let there = with.apply(lens.bend(see(m))).expect("below the horizon");
        assert!(length(sub(there, m)) < 1e-5);
        assert!(length(sub(with.to_px(m).expect("in front"), lens.bend(see(m)))) < 1e-5);
    }
}
