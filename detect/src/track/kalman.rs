//! A Kalman filter for a box: foot point with constant velocity, size nearly constant.
//!
//! Foot x, foot y, width and height are filtered apart from each other: with diagonal noise the full filter falls
//! apart into these four anyway. Noise is in units of the box's own height, so far and near objects behave alike.

use stopline_types::BoxPx;

/// Standard deviation of unmodelled acceleration, box heights a second squared. A motorcycle (1.6 m with rider)
/// that starts or brakes briskly does about 3 m/s².
const ACCELERATION: f64 = 2.0;
/// Standard deviation of a measured edge, box heights.
const MEASURE: f64 = 0.05;
/// Standard deviation of the change of size, box heights a second.
const GROWTH: f64 = 0.25;
/// Standard deviation of a new object's velocity, box heights a second.
const FIRST_VELOCITY: f64 = 3.0;

/// Position and velocity along one axis with their covariance.
#[derive(Debug, Clone, Copy)]
struct Axis {
    at: f64,
    velocity: f64,
    p: [f64; 3],
}

impl Axis {
    fn predict(&mut self, dt: f64, acceleration: f64) {
        self.at += self.velocity * dt;
        let [paa, pav, pvv] = self.p;
        let q = acceleration * acceleration;
        self.p = [
            paa + 2.0 * dt * pav + dt * dt * pvv + q * dt.powi(4) / 4.0,
            pav + dt * pvv + q * dt.powi(3) / 2.0,
            pvv + q * dt * dt,
        ];
    }

    fn update(&mut self, measured: f64, sigma: f64) {
        let [paa, pav, pvv] = self.p;
        let s = paa + sigma * sigma;
        let (ka, kv) = (paa / s, pav / s);
        let off = measured - self.at;
        self.at += ka * off;
        self.velocity += kv * off;
        self.p = [(1.0 - ka) * paa, (1.0 - ka) * pav, pvv - kv * pav];
    }
}

/// A length without velocity.
#[derive(Debug, Clone, Copy)]
struct Side {
    length: f64,
    p: f64,
}

impl Side {
    fn update(&mut self, measured: f64, sigma: f64) {
        let k = self.p / (self.p + sigma * sigma);
        self.length += k * (measured - self.length);
        self.p *= 1.0 - k;
    }
}

/// The filter of one track.
#[derive(Debug, Clone, Copy)]
pub struct BoxFilter {
    x: Axis,
    y: Axis,
    w: Side,
    h: Side,
}

impl BoxFilter {
    /// Starts at a first box.
    #[must_use]
    pub fn new(bbox: BoxPx) -> Self {
        let foot = bbox.foot();
        let h = f64::from(bbox.h).max(1.0);
        let axis = |at: f32| Axis {
            at: f64::from(at),
            velocity: 0.0,
            p: [(MEASURE * h).powi(2), 0.0, (FIRST_VELOCITY * h).powi(2)],
        };
        let side = |length: f32| Side { length: f64::from(length), p: (2.0 * MEASURE * h).powi(2) };
        Self { x: axis(foot.x), y: axis(foot.y), w: side(bbox.w), h: side(bbox.h) }
    }

    /// Moves on by `dt` seconds.
    pub fn predict(&mut self, dt: f64) {
        let h = self.h.length.max(1.0);
        self.x.predict(dt, ACCELERATION * h);
        self.y.predict(dt, ACCELERATION * h);
        self.w.p += (GROWTH * h * dt).powi(2);
        self.h.p += (GROWTH * h * dt).powi(2);
    }

    /// Takes a measured box in; `blur` above 1 for one whose edges are less certain.
    pub fn update(&mut self, bbox: BoxPx, blur: f64) {
        let foot = bbox.foot();
        let sigma = MEASURE * f64::from(bbox.h).max(1.0) * blur;
        self.x.update(f64::from(foot.x), sigma);
        self.y.update(f64::from(foot.y), sigma);
        self.w.update(f64::from(bbox.w), 2.0 * sigma);
        self.h.update(f64::from(bbox.h), 2.0 * sigma);
    }

    /// The box as it is believed to be.
    #[must_use]
    pub fn bbox(&self) -> BoxPx {
        let (w, h) = (self.w.length.max(1.0), self.h.length.max(1.0));
        BoxPx { x: (self.x.at - w / 2.0) as f32, y: (self.y.at - h) as f32, w: w as f32, h: h as f32 }
    }

    /// The foot point, pixels.
    #[must_use]
    pub fn foot(&self) -> [f64; 2] {
        [self.x.at, self.y.at]
    }

    /// Pixels a second.
    #[must_use]
    pub fn velocity(&self) -> [f64; 2] {
        [self.x.velocity, self.y.velocity]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learns_a_velocity_at_any_rate() {
        for fps in [6.0, 12.5, 25.0] {
            let at = |t: f64| BoxPx::from([100.0 + 60.0 * t as f32, 200.0 - 40.0 * t as f32, 40.0, 80.0]);
            let mut filter = BoxFilter::new(at(0.0));
            let frames = (2.0 * fps) as u32;
            for i in 1..=frames {
                filter.predict(1.0 / fps);
                filter.update(at(f64::from(i) / fps), 1.0);
            }
            let [vx, vy] = filter.velocity();
            assert!((vx - 60.0).abs() < 1.0 && (vy + 40.0).abs() < 1.0, "{fps} fps: {vx} {vy}");
        }
    }
}
