//! Fewer points for a trajectory that keeps its shape and its timing.

use stopline_types::TrackPoint;

/// Keeps at most `most` points (2 or more): the ends, and always next the point farthest from where straight and even
/// motion between its kept neighbours would put it (Ramer, Douglas and Peucker, with time taken into account). Stops
/// when nothing is off by more than `tolerance_px`.
pub(super) fn simplify(points: &[TrackPoint], most: usize, tolerance_px: f32) -> Vec<TrackPoint> {
    if points.len() <= 2 {
        return points.to_vec();
    }
    let mut kept = vec![0, points.len() - 1];
    while kept.len() < most {
        let gaps = kept.windows(2).enumerate();
        let worst = gaps
            .flat_map(|(gap, ends)| (ends[0] + 1..ends[1]).map(move |i| (gap, i, off(points, ends[0], ends[1], i))))
            .max_by(|a, b| a.2.total_cmp(&b.2));
        match worst {
            Some((gap, i, off)) if off > tolerance_px => kept.insert(gap + 1, i),
            _ => break,
        }
    }
    kept.into_iter().map(|i| points[i]).collect()
}

/// Distance of point `i` from where it would be on even motion from `a` to `b`.
fn off(points: &[TrackPoint], a: usize, b: usize, i: usize) -> f32 {
    let (a, b, p) = (points[a], points[b], points[i]);
    let span = b.dt_s - a.dt_s;
    let share = if span > 0.0 { (p.dt_s - a.dt_s) / span } else { 0.0 };
    (a.x + share * (b.x - a.x) - p.x).hypot(a.y + share * (b.y - a.y) - p.y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Never more points than asked for; ends kept; every dropped point is near the kept path.
        #[test]
        fn keeps_ends_and_shape(steps in prop::collection::vec((-9.0f32..9.0, -9.0f32..9.0), 2..120), most in 2usize..64) {
            let mut at = (100.0, 100.0);
            let points: Vec<TrackPoint> = steps.iter().enumerate().map(|(i, (dx, dy))| {
                at = (at.0 + dx, at.1 + dy);
                TrackPoint { dt_s: i as f32 * 0.1, x: at.0, y: at.1 }
            }).collect();
            let kept = simplify(&points, most, 1.0);
            prop_assert!(kept.len() <= most.max(2));
            prop_assert_eq!(kept.first(), points.first());
            prop_assert_eq!(kept.last(), points.last());
            if kept.len() < most {
                for p in &points {
                    let b = kept.iter().position(|k| k.dt_s >= p.dt_s).unwrap_or(kept.len() - 1).max(1);
                    let three = [kept[b - 1], kept[b], *p];
                    prop_assert!(off(&three, 0, 1, 2) <= 1.001);
                }
            }
        }
    }
}
