//! Faster than the limit of the class, measured on the ground plane.
//!
//! A straight line through the foot points of the last second, by weighted least squares with Huber's weights
//! (iteratively reweighted): far points count less, because a pixel there is more metres, and single wrong boxes
//! count little. The error is the standard error of the slope, taken twice (about 95 %), plus the calibration's.

use stopline_types::{RuleKind, VehicleClass};

use super::{Context, History, Match, Point, quantities};
use crate::scene::Scene;
use crate::scene::geometry::{length, sub};

/// Boxes of lorries and buses are at least so wide on the road, metres: they are built 2.4 to 2.5 m wide, cars up to 2.0 m,
/// and of a car a little of the side is seen as well.
const WIDE_M: f64 = 2.35;
/// Share of the votes from which a class is sure enough to accuse by its own limit.
const CLASS_SURE: f64 = 0.8;
/// Standard deviation of a box's foot, box heights.
const FOOT_NOISE: f64 = 0.015;
/// Residuals above this many standard deviations count less (Huber).
const HUBER: f64 = 1.345;
/// A speed needs points over this share of its window and this many of them.
const FILLED: f64 = 0.75;
const LEAST_POINTS: usize = 5;
/// A speed must hold for this long to accuse, seconds: one window is not enough if the next denies it.
const HOLDS_S: f64 = 0.35;

/// A measured speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Kilometres an hour.
    pub kmh: f64,
    /// Half width of the interval that holds the true speed in about 95 of 100 cases, km/h.
    pub error_kmh: f64,
}

/// The speed over the window that ends at `t_s`; `None` without ground plane or with too few points.
#[must_use]
pub fn measure(scene: &Scene, history: &History, t_s: f64) -> Option<Speed> {
    let ground = scene.ground.as_ref()?;
    let window_s = scene.rules.speed.window_s;
    let points: Vec<&Point> =
        history.window(t_s, window_s).filter(|p| !p.cut_off && p.ground_measured.is_some()).collect();
    let (first, last) = (points.first()?, points.last()?);
    if points.len() < LEAST_POINTS || last.t_s - first.t_s < FILLED * window_s {
        return None;
    }
    let sigma: Vec<f64> = points
        .iter()
        .map(|p| (p.ground_m_per_px.unwrap_or(0.05) * (FOOT_NOISE * f64::from(p.bbox.h)).max(0.7)).max(0.02))
        .collect();
    let axis = |k: usize| {
        let samples: Vec<(f64, f64, f64)> = points
            .iter()
            .zip(&sigma)
            .filter_map(|(p, s)| Some((p.t_s - last.t_s, p.ground_measured?[k], *s)))
            .collect();
        slope(&samples)
    };
    let ((vx, ex), (vy, ey)) = (axis(0)?, axis(1)?);
    let v = vx.hypot(vy);
    if v < 1e-6 {
        return Some(Speed { kmh: 0.0, error_kmh: 2.0 * 3.6 * ex.hypot(ey) });
    }
    // Only the error along the way changes the speed.
    let along = ((vx * ex).powi(2) + (vy * ey).powi(2)).sqrt() / v;
    let path = length(sub(last.ground_measured?, first.ground_measured?));
    let calibration = v * ground.error_m / path.max(1.0);
    Some(Speed { kmh: 3.6 * v, error_kmh: 3.6 * (2.0 * along + calibration) })
}

/// Slope of a line through (t, value, sigma) and its standard error.
fn slope(samples: &[(f64, f64, f64)]) -> Option<(f64, f64)> {
    let mut weights: Vec<f64> = samples.iter().map(|s| 1.0 / (s.2 * s.2)).collect();
    let mut fit = (0.0, 0.0, 0.0);
    for _ in 0..5 {
        let sum: f64 = weights.iter().sum();
        let mean = |f: &dyn Fn(&(f64, f64, f64)) -> f64| {
            samples.iter().zip(&weights).map(|(s, w)| w * f(s)).sum::<f64>() / sum
        };
        let (t, y) = (mean(&|s| s.0), mean(&|s| s.1));
        let stt: f64 = samples.iter().zip(&weights).map(|(s, w)| w * (s.0 - t).powi(2)).sum();
        let sty: f64 = samples.iter().zip(&weights).map(|(s, w)| w * (s.0 - t) * (s.1 - y)).sum();
        if stt <= 1e-12 {
            return None;
        }
        let b = sty / stt;
        fit = (b, y - b * t, stt);
        for (s, w) in samples.iter().zip(&mut weights) {
            let off = ((s.1 - fit.1 - fit.0 * s.0) / s.2).abs();
            *w = (HUBER / off.max(1e-9)).min(1.0) / (s.2 * s.2);
        }
    }
    // The residuals may be worse than expected; never trust better ones.
    let scatter: f64 = samples.iter().zip(&weights).map(|(s, w)| w * (s.1 - fit.1 - fit.0 * s.0).powi(2)).sum::<f64>();
    let worse = (scatter / (samples.len() as f64 - 2.0).max(1.0)).max(1.0);
    Some((fit.0, (worse / fit.2).sqrt()))
}

/// How wide it is, metres: the median over its boxes that are whole. Seen from the side it is too much, never too little.
fn width_m(scene: &Scene, history: &History) -> Option<f64> {
    let width = |p: &Point| {
        let (left, right) = (f64::from(p.bbox.x), f64::from(p.bbox.right()));
        let bottom = f64::from(p.bbox.bottom());
        Some(length(sub(scene.to_ground([right, bottom])?, scene.to_ground([left, bottom])?)))
    };
    let mut widths: Vec<f64> = history.points().filter(|p| !p.cut_off).filter_map(width).collect();
    widths.sort_unstable_by(f64::total_cmp);
    widths.get(widths.len() / 2).copied()
}

/// The limit of its class. Detectors take one four-wheeled class for another, vans and high cars for lorries above all.
/// Below [`CLASS_SURE`], or when it is not as wide as lorries and buses are, it is judged by the highest limit among them, so
/// that nobody is accused for having been called a lorry.
fn limit_of(scene: &Scene, history: &History, lane: Option<usize>) -> Option<f64> {
    let own = scene.limit_kmh(lane, history.class)?;
    let four = [VehicleClass::Car, VehicleClass::Bus, VehicleClass::Truck];
    if !four.contains(&history.class) {
        return Some(own);
    }
    let wide = || width_m(scene, history).is_some_and(|width| width >= WIDE_M);
    if history.class_share >= CLASS_SURE && (history.class == VehicleClass::Car || wide()) {
        return Some(own);
    }
    four.into_iter().filter_map(|class| scene.limit_kmh(lane, class)).reduce(f64::max)
}

pub(super) fn check(context: Context<'_>) -> Option<Match> {
    let Context { scene, history, .. } = context;
    let rule = &scene.rules.speed;
    let last = history.last()?;
    let limit = limit_of(scene, history, last.lane)?;
    // Judged by the lower end of the interval, against the limit; the tolerance is the law's.
    let too_fast = |t_s: f64| {
        let speed = measure(scene, history, t_s)?;
        (speed.kmh - limit >= rule.over_kmh
            && speed.kmh - speed.error_kmh > limit
            && speed.error_kmh <= rule.max_error_kmh)
            .then_some(speed)
    };
    let now = too_fast(last.t_s)?;
    let measured_at = |p: &Point| too_fast(p.t_s).map(|speed| (p.t_s, speed));
    let held: Vec<(f64, Speed)> = history.window(last.t_s, HOLDS_S).map(measured_at).collect::<Option<_>>()?;
    let held_from = history.window(last.t_s, HOLDS_S).next()?;
    if held.len() < 2 || last.t_s - held_from.t_s < HOLDS_S * 0.5 {
        return None;
    }
    // The surest of the speeds that accuse, not the highest.
    let surer = |best: (f64, Speed), s: (f64, Speed)| if s.1.error_kmh < best.1.error_kmh { s } else { best };
    let (end_s, speed) = held.into_iter().fold((last.t_s, now), surer);
    let excess = speed.kmh - limit;
    let act_s = end_s - rule.window_s / 2.0;
    let mut measured = quantities([
        ("speed_kmh", speed.kmh),
        ("speed_error_kmh", speed.error_kmh),
        ("excess_kmh", excess),
        ("window_s", rule.window_s),
    ]);
    // A speed case needs a verified device (QCVN 05:2024/BCA); whether it was is said, the officer decides.
    if let (Some(certificate), Some(at)) = (&rule.certificate, history.nearest(act_s)) {
        let expired = !certificate.holds(at.time.utc);
        measured.extend(quantities([("certificate_expired", f64::from(u8::from(expired)))]));
    }
    Some(Match {
        rule: RuleKind::Speed,
        // A measured speed belongs to the middle of its window.
        act_s,
        before_s: end_s - rule.window_s,
        after_s: end_s,
        measured,
        limit: quantities([("speed_kmh", limit), ("tolerance_kmh", rule.over_kmh)]),
        signal: None,
        lane: last.lane,
        certainty: if history.guessed { 0.8 } else { 1.0 },
        shown_s: None,
        excess_kmh: Some(excess),
        variant: None,
    })
}

#[cfg(test)]
mod tests {
    use stopline_types::{BoxPx, CaptureTime, TimeSource, UtcUs};

    use super::*;
    use crate::scene::SceneConfig;

    /// 20 pixels are a metre; 80 km/h, lorries 60.
    fn scene() -> Scene {
        let text = r#"
            frame_px = [640, 480]
            [[lanes]]
            name = "lane"
            polygon = [[200, 0], [440, 0], [440, 480], [200, 480]]
            direction = [0, 1]
            limit_kmh = { default = 80, truck = 60 }
            [ground]
            points = [{ px = [0, 0], m = [0, 0] }, { px = [640, 0], m = [32, 0] },
                      { px = [640, 480], m = [32, 24] }, { px = [0, 480], m = [0, 24] }]
        "#;
        let config: SceneConfig = toml::from_str(text).expect("valid TOML");
        Scene::resolve(&config).expect("a good scene")
    }

    /// The limit for a lorry of that width, called so by that share of the votes.
    fn limit(width_m: f32, share: f64) -> Option<f64> {
        let mut history = History::new(1, VehicleClass::Truck);
        history.class_share = share;
        for i in 0..9 {
            let time = CaptureTime { utc: UtcUs(0), error_ms: None, source: TimeSource::File };
            // Cut off at first, where the box says nothing of the width.
            let w = if i < 4 { 10.0 } else { 20.0 * width_m };
            let foot = [320.0, 100.0 + f64::from(i)];
            let bbox = BoxPx::from([320.0 - w / 2.0, 20.0, w, 80.0 + i as f32]);
            history.push(Point {
                t_s: f64::from(i),
                time,
                bbox,
                foot,
                ground: None,
                ground_measured: None,
                ground_m_per_px: None,
                lane: Some(0),
                cut_off: i < 4,
            });
        }
        limit_of(&scene(), &history, Some(0))
    }

    #[test]
    fn only_what_is_as_wide_as_a_lorry_is_judged_as_one() {
        assert_eq!(limit(2.4, 0.85), Some(60.0));
        assert_eq!(limit(2.3, 1.0), Some(80.0), "a van");
        assert_eq!(limit(2.5, 0.75), Some(80.0), "not sure enough");
    }
}
