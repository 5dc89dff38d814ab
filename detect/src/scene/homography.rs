//! The map between a picture and the road, both planes: a homography from point pairs by the direct linear transform
//! with normalised coordinates (Hartley and Zisserman, Multiple View Geometry, 2nd ed., section 4.1 and 4.4.4),
//! least squares when there are more than four pairs.

use super::geometry::{Point2, cross, length, sub};

/// A 3 × 3 matrix, row by row, that maps points of one plane to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Homography {
    h: [[f64; 3]; 3],
    /// Sign of the third coordinate on the visible side of the horizon.
    side: f64,
}

/// Why points give no homography.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HomographyError {
    /// Fewer than four pairs.
    #[error("expected 4 or more points, found {0}")]
    TooFew(usize),
    /// No four points with no three on one line.
    #[error("expected 4 points of which no 3 lie on one line, found none ({0})")]
    OnOneLine(&'static str),
    /// A point in a part of the picture that the lens cannot show.
    #[error("a px lies where the lens of [scene.lens] shows nothing: check k1, k2 and focal_px")]
    OutsideLens,
    /// The points lie on both sides of the horizon the fit implies.
    #[error("the points do not describe one plane seen from one place: check that each px belongs to its m")]
    Folded,
}

impl Homography {
    /// The homography that takes each first point to its second, as nearly as can be.
    pub fn fit(pairs: &[(Point2, Point2)]) -> Result<Self, HomographyError> {
        if pairs.len() < 4 {
            return Err(HomographyError::TooFew(pairs.len()));
        }
        let from: Vec<_> = pairs.iter().map(|p| p.0).collect();
        let to: Vec<_> = pairs.iter().map(|p| p.1).collect();
        if !spread(&from) {
            return Err(HomographyError::OnOneLine("px"));
        }
        if !spread(&to) {
            return Err(HomographyError::OnOneLine("m"));
        }
        let (a, b) = (Normal::of(&from), Normal::of(&to));
        // Normal matrix of the 2n × 9 system; its eigenvector of the smallest eigenvalue is the solution.
        let mut ata = [[0.0; 9]; 9];
        for (p, q) in pairs {
            let ([x, y], [u, v]) = (a.apply(*p), b.apply(*q));
            let rows = [[-x, -y, -1.0, 0.0, 0.0, 0.0, u * x, u * y, u], [0.0, 0.0, 0.0, -x, -y, -1.0, v * x, v * y, v]];
            for row in rows {
                for (i, left) in row.iter().enumerate() {
                    for (j, right) in row.iter().enumerate() {
                        ata[i][j] += left * right;
                    }
                }
            }
        }
        let h = smallest_eigenvector(ata);
        let h = [[h[0], h[1], h[2]], [h[3], h[4], h[5]], [h[6], h[7], h[8]]];
        let h = multiply(b.inverse(), multiply(h, a.matrix()));
        let third = |p: Point2| h[2][0] * p[0] + h[2][1] * p[1] + h[2][2];
        let side = third(from[0]).signum();
        if from.iter().any(|p| third(*p) * side <= 0.0) {
            return Err(HomographyError::Folded);
        }
        Ok(Self { h, side })
    }

    /// The way back.
    #[must_use]
    pub fn inverse(&self) -> Option<Self> {
        let h = &self.h;
        let minor = |r: [usize; 2], c: [usize; 2]| h[r[0]][c[0]] * h[r[1]][c[1]] - h[r[0]][c[1]] * h[r[1]][c[0]];
        let others = |i: usize| match i {
            0 => [1, 2],
            1 => [0, 2],
            _ => [0, 1],
        };
        let mut inverse = [[0.0; 3]; 3];
        for (i, row) in inverse.iter_mut().enumerate() {
            for (j, cell) in row.iter_mut().enumerate() {
                let sign = if (i + j) % 2 == 0 { 1.0 } else { -1.0 };
                *cell = sign * minor(others(j), others(i));
            }
        }
        let determinant: f64 = (0..3).map(|j| h[0][j] * inverse[j][0]).sum();
        // Of a point on the visible side, third coordinate w, the image has determinant / w: its sign tells the side.
        let side = (determinant * self.side).signum();
        (determinant != 0.0 && determinant.is_finite()).then_some(Self { h: inverse, side })
    }

    /// Where a point goes; `None` on or above the horizon.
    #[must_use]
    pub fn apply(&self, [x, y]: Point2) -> Option<Point2> {
        let row = |i: usize| self.h[i][0] * x + self.h[i][1] * y + self.h[i][2];
        let w = row(2);
        let at = [row(0) / w, row(1) / w];
        (w * self.side > 0.0 && at[0].is_finite() && at[1].is_finite()).then_some(at)
    }

    /// Root mean square distance between where the first points go and the second ones.
    #[must_use]
    pub fn rms(&self, pairs: &[(Point2, Point2)]) -> f64 {
        let square = |(p, q): &(Point2, Point2)| self.apply(*p).map_or(f64::INFINITY, |at| length(sub(at, *q)).powi(2));
        (pairs.iter().map(square).sum::<f64>() / pairs.len() as f64).sqrt()
    }
}

/// Whether four of the points have no three (nearly) on one line.
fn spread(points: &[Point2]) -> bool {
    let size = points.iter().flat_map(|a| points.iter().map(|b| length(sub(*a, *b)))).fold(0.0, f64::max);
    let flat = |a: usize, b: usize, c: usize| {
        cross(sub(points[b], points[a]), sub(points[c], points[a])).abs() < 1e-3 * size * size
    };
    let n = points.len();
    for a in 0..n {
        for b in a + 1..n {
            for c in b + 1..n {
                if flat(a, b, c) {
                    continue;
                }
                if (c + 1..n).any(|d| !flat(a, b, d) && !flat(a, c, d) && !flat(b, c, d)) {
                    return true;
                }
            }
        }
    }
    false
}

/// Moves points to mean 0 and mean distance √2, so that the system is well conditioned.
struct Normal {
    centre: Point2,
    scale: f64,
}

impl Normal {
    fn of(points: &[Point2]) -> Self {
        let centre = super::geometry::centroid(points);
        let mean = points.iter().map(|p| length(sub(*p, centre))).sum::<f64>() / points.len() as f64;
        Self { centre, scale: std::f64::consts::SQRT_2 / mean }
    }

    fn apply(&self, p: Point2) -> Point2 {
        [(p[0] - self.centre[0]) * self.scale, (p[1] - self.centre[1]) * self.scale]
    }

    fn matrix(&self) -> [[f64; 3]; 3] {
        let (s, [x, y]) = (self.scale, self.centre);
        [[s, 0.0, -s * x], [0.0, s, -s * y], [0.0, 0.0, 1.0]]
    }

    fn inverse(&self) -> [[f64; 3]; 3] {
        let (s, [x, y]) = (self.scale, self.centre);
        [[1.0 / s, 0.0, x], [0.0, 1.0 / s, y], [0.0, 0.0, 1.0]]
    }
}

fn multiply(a: [[f64; 3]; 3], b: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let mut c = [[0.0; 3]; 3];
    for (i, row) in c.iter_mut().enumerate() {
        for (j, cell) in row.iter_mut().enumerate() {
            *cell = (0..3).map(|k| a[i][k] * b[k][j]).sum();
        }
    }
    c
}

/// Eigenvector of the smallest eigenvalue of a symmetric matrix, by Jacobi rotations.
fn smallest_eigenvector(mut a: [[f64; 9]; 9]) -> [f64; 9] {
    let mut v = [[0.0; 9]; 9];
    for (i, row) in v.iter_mut().enumerate() {
        row[i] = 1.0;
    }
    for _ in 0..100 {
        let off: f64 = (0..9).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j] * a[i][j]).sum();
        if off < 1e-24 {
            break;
        }
        for p in 0..9 {
            for q in p + 1..9 {
                if a[p][q].abs() < 1e-300 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let t = if theta == 0.0 { 1.0 } else { t };
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for row in &mut a {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (upper, lower) = a.split_at_mut(q);
                for (x, y) in upper[p].iter_mut().zip(&mut lower[0]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
                for row in &mut v {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
            }
        }
    }
    let smallest = (0..9).min_by(|i, j| a[*i][*i].total_cmp(&a[*j][*j])).unwrap_or(0);
    v.map(|row| row[smallest])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A camera `height` metres up, pitched down by `pitch`, that looks along +y of the road.
    fn camera(height: f64, pitch: f64, focal: f64) -> impl Fn(Point2) -> Point2 {
        move |[x, y]| {
            let (s, c) = pitch.sin_cos();
            let depth = y * c + height * s;
            let down = height * c - y * s;
            [640.0 + focal * x / depth, 360.0 + focal * down / depth]
        }
    }

    proptest! {
        /// Exact point pairs of any sensible camera come back exactly, and so do points between them.
        #[test]
        fn recovers_a_camera(height in 4.0f64..12.0, pitch in 0.15f64..0.7, focal in 600.0f64..2500.0, n in 4usize..10) {
            let see = camera(height, pitch, focal);
            let road: Vec<Point2> =
                (0..n).map(|i| [(i % 2) as f64 * 7.0 - 3.0 + 0.1 * i as f64, 12.0 + 6.0 * (i / 2) as f64]).collect();
            let pairs: Vec<_> = road.iter().map(|m| (see(*m), *m)).collect();
            let h = Homography::fit(&pairs).expect("spread points");
            prop_assert!(h.rms(&pairs) < 1e-6, "rms {}", h.rms(&pairs));
            let at = h.apply(see([1.3, 15.7])).expect("below the horizon");
            prop_assert!(length(sub(at, [1.3, 15.7])) < 1e-5);
        }
    }

    #[test]
    fn refuses_points_that_fix_nothing() {
        let line: Vec<(Point2, Point2)> = (0..5).map(|i| ([f64::from(i), 0.0], [f64::from(i), 1.0])).collect();
        assert_eq!(Homography::fit(&line), Err(HomographyError::OnOneLine("px")));
        assert_eq!(Homography::fit(&line[..3]), Err(HomographyError::TooFew(3)));
        let square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        let swapped = [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]];
        let pairs: Vec<_> = square.into_iter().zip(swapped).collect();
        assert_eq!(Homography::fit(&pairs), Err(HomographyError::Folded));
    }

    #[test]
    fn above_the_horizon_is_nowhere() {
        let see = camera(6.0, 0.27, 1850.0);
        let pairs: Vec<_> = [[-3.0, 12.0], [4.0, 12.0], [4.0, 40.0], [-3.0, 40.0]].map(|m| (see(m), m)).to_vec();
        let h = Homography::fit(&pairs).expect("spread points");
        assert_eq!(h.apply([640.0, 360.0 - 1850.0 * 0.27f64.tan() - 5.0]), None);
    }
}
