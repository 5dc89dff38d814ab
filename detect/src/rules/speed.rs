//! Faster than the limit of the class, measured on the ground plane.
//!
//! A straight line through the foot points of the last second, by weighted least squares with Huber's weights
//! (iteratively reweighted): far points count less, because a pixel there is more metres, and single wrong boxes
//! count little. The error is the standard error of the slope, taken twice (about 95 %), plus the calibration's.

use stopline_types::{RuleKind, VehicleClass};

use super::{Context, History, Match, Point, quantities};
use crate::scene::Scene;
use crate::scene::geometry::{length, sub};

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

/// The limit of its class. Detectors take one four-wheeled class for another; below [`CLASS_SURE`] it is judged by the
/// highest limit among them, so that nobody is accused for having been called a lorry.
fn limit_of(scene: &Scene, history: &History, lane: Option<usize>) -> Option<f64> {
    let own = scene.limit_kmh(lane, history.class)?;
    let four = [VehicleClass::Car, VehicleClass::Bus, VehicleClass::Truck];
    if history.class_share >= CLASS_SURE || !four.contains(&history.class) {
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
