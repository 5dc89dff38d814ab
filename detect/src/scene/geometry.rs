//! Plane geometry in `f64`. Works alike in pixels and in metres.

use stopline_types::PointPx;

/// A point or a vector.
pub type Point2 = [f64; 2];

/// From pixels.
#[must_use]
pub fn point(p: PointPx) -> Point2 {
    [f64::from(p.x), f64::from(p.y)]
}

/// `a - b`.
#[must_use]
pub fn sub(a: Point2, b: Point2) -> Point2 {
    [a[0] - b[0], a[1] - b[1]]
}

/// Scalar product.
#[must_use]
pub fn dot(a: Point2, b: Point2) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

/// Cross product: positive when `b` lies clockwise of `a` in a picture (y down).
#[must_use]
pub fn cross(a: Point2, b: Point2) -> f64 {
    a[0] * b[1] - a[1] * b[0]
}

/// Length.
#[must_use]
pub fn length(a: Point2) -> f64 {
    a[0].hypot(a[1])
}

/// The vector with length 1; `None` for one without direction.
#[must_use]
pub fn unit(a: Point2) -> Option<Point2> {
    let l = length(a);
    (l > 1e-9 && l.is_finite()).then(|| [a[0] / l, a[1] / l])
}

/// Mean of the corners.
#[must_use]
pub fn centroid(points: &[Point2]) -> Point2 {
    let n = points.len().max(1) as f64;
    let sum = points.iter().fold([0.0, 0.0], |s, p| [s[0] + p[0], s[1] + p[1]]);
    [sum[0] / n, sum[1] / n]
}

/// Signed area of a polygon.
#[must_use]
pub fn area(polygon: &[Point2]) -> f64 {
    let next = polygon.iter().cycle().skip(1);
    polygon.iter().zip(next).map(|(a, b)| cross(*a, *b)).sum::<f64>() / 2.0
}

/// Whether a polygon holds a point (even-odd rule).
#[must_use]
pub fn inside(polygon: &[Point2], at: Point2) -> bool {
    let next = polygon.iter().cycle().skip(1);
    polygon
        .iter()
        .zip(next)
        .filter(|(a, b)| {
            (a[1] > at[1]) != (b[1] > at[1]) && at[0] < (b[0] - a[0]) * (at[1] - a[1]) / (b[1] - a[1]) + a[0]
        })
        .count()
        % 2
        == 1
}

/// Whether two segments share a point.
#[must_use]
pub fn segments_meet(a: Point2, b: Point2, c: Point2, d: Point2) -> bool {
    let side = |p: Point2, q: Point2, r: Point2| cross(sub(q, p), sub(r, p));
    let within = |p: Point2, q: Point2, r: Point2| {
        (p[0].min(q[0])..=p[0].max(q[0])).contains(&r[0]) && (p[1].min(q[1])..=p[1].max(q[1])).contains(&r[1])
    };
    let (s1, s2, s3, s4) = (side(a, b, c), side(a, b, d), side(c, d, a), side(c, d, b));
    if s1 * s2 < 0.0 && s3 * s4 < 0.0 {
        return true;
    }
    (s1 == 0.0 && within(a, b, c))
        || (s2 == 0.0 && within(a, b, d))
        || (s3 == 0.0 && within(c, d, a))
        || (s4 == 0.0 && within(c, d, b))
}

/// The numbers of two edges of a polygon that meet though they are no neighbours; edge `i` begins at corner `i`.
#[must_use]
pub fn crossing_edges(polygon: &[Point2]) -> Option<(usize, usize)> {
    let n = polygon.len();
    let edge = |i: usize| (polygon[i], polygon[(i + 1) % n]);
    for i in 0..n {
        for j in i + 1..n {
            let neighbours = j == i + 1 || (i == 0 && j == n - 1);
            let ((a, b), (c, d)) = (edge(i), edge(j));
            if !neighbours && segments_meet(a, b, c, d) {
                return Some((i, j));
            }
        }
    }
    None
}

/// A polyline that traffic crosses in a known direction.
#[derive(Debug, Clone)]
pub struct DirectedLine {
    points: Vec<Point2>,
    /// Unit vector of the traffic.
    pub direction: Point2,
}

/// Where a point lies with respect to a [`DirectedLine`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Past {
    /// Distance past the line in the direction of travel; negative before it.
    pub distance: f64,
    /// How far the point lies outside the ends of the line, along it; 0 between the ends.
    pub outside: f64,
}

impl DirectedLine {
    /// A line of two or more points. `None` if it has no length or runs along the direction (within about 10 degrees).
    #[must_use]
    pub fn new(points: Vec<Point2>, direction: Point2) -> Option<Self> {
        let direction = unit(direction)?;
        let whole = unit(sub(*points.last()?, *points.first()?))?;
        if points.windows(2).any(|w| unit(sub(w[1], w[0])).is_none()) || cross(whole, direction).abs() < 0.17 {
            return None;
        }
        Some(Self { points, direction })
    }

    /// The points.
    #[must_use]
    pub fn points(&self) -> &[Point2] {
        &self.points
    }

    /// Where `at` lies: measured at right angles to the nearest piece of the line.
    #[must_use]
    pub fn past(&self, at: Point2) -> Past {
        let mut best = Past { distance: f64::NEG_INFINITY, outside: f64::INFINITY };
        let last = self.points.len() - 2;
        for (i, piece) in self.points.windows(2).enumerate() {
            let along = sub(piece[1], piece[0]);
            let len = length(along);
            let along = [along[0] / len, along[1] / len];
            let mut normal = [along[1], -along[0]];
            if dot(normal, self.direction) < 0.0 {
                normal = [-normal[0], -normal[1]];
            }
            let from = sub(at, piece[0]);
            let u = dot(from, along);
            let outside = (-u).max(u - len).max(0.0);
            if outside < best.outside {
                // Inner joints are no ends of the line.
                let beyond_end = (i == 0 && u < 0.0) || (i == last && u > len);
                best = Past { distance: dot(from, normal), outside };
                if outside > 0.0 && !beyond_end {
                    best.outside = outside.min(1e-6);
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn simple_and_crossed_polygons() {
        let square = [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]];
        assert_eq!(crossing_edges(&square), None);
        assert!((area(&square).abs() - 100.0).abs() < 1e-9);
        assert!(inside(&square, [5.0, 5.0]) && !inside(&square, [15.0, 5.0]));
        let bow = [[0.0, 0.0], [10.0, 10.0], [10.0, 0.0], [0.0, 10.0]];
        assert_eq!(crossing_edges(&bow), Some((0, 2)));
    }

    #[test]
    fn a_line_along_the_traffic_is_refused() {
        assert!(DirectedLine::new(vec![[0.0, 0.0], [0.0, 10.0]], [0.0, -1.0]).is_none());
        assert!(DirectedLine::new(vec![[0.0, 0.0], [0.0, 0.0]], [0.0, -1.0]).is_none());
    }

    proptest! {
        /// The distance past a straight line is that along its normal, whichever way its points are listed.
        #[test]
        fn past_is_signed_distance(angle in 0.0f64..std::f64::consts::TAU, d in -50.0f64..50.0, u in 0.05f64..0.95) {
            let along = [angle.cos(), angle.sin()];
            let travel = [along[1], -along[0]];
            let ends = [[3.0, 4.0], [3.0 + 80.0 * along[0], 4.0 + 80.0 * along[1]]];
            let at = [
                ends[0][0] + 80.0 * u * along[0] + d * travel[0],
                ends[0][1] + 80.0 * u * along[1] + d * travel[1],
            ];
            for points in [vec![ends[0], ends[1]], vec![ends[1], ends[0]]] {
                let line = DirectedLine::new(points, travel).expect("a line across the traffic");
                let past = line.past(at);
                prop_assert!((past.distance - d).abs() < 1e-6 && past.outside < 1e-9);
            }
        }

        /// A convex polygon around a circle holds the circle's points and nothing outside its corners.
        #[test]
        fn regular_polygons_hold_their_inner_circle(n in 3usize..12, angle in 0.0f64..std::f64::consts::TAU) {
            let corner = |i: usize| {
                let a = i as f64 / n as f64 * std::f64::consts::TAU;
                [10.0 * a.cos(), 10.0 * a.sin()]
            };
            let polygon: Vec<_> = (0..n).map(corner).collect();
            let inner = 10.0 * (std::f64::consts::PI / n as f64).cos() * 0.99;
            prop_assert!(inside(&polygon, [inner * angle.cos(), inner * angle.sin()]));
            prop_assert!(!inside(&polygon, [10.01 * angle.cos(), 10.01 * angle.sin()]));
            prop_assert_eq!(crossing_edges(&polygon), None);
        }
    }
}
