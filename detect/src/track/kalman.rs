//! A Kalman filter for a box: foot point with constant velocity, size nearly constant.
//!
//! Foot x, foot y, width and height are filtered apart from each other: with diagonal noise the full filter falls
//! apart into these four anyway. Noise is in units of the box's own height, so far and near objects behave alike.

use stopline_types::BoxPx;

/// Spectral density of unmodelled acceleration, squared box heights a second cubed: of one with a standard deviation
/// of 2 heights a second squared that holds for a tenth of a second. A motorcycle (1.6 m with rider) that starts or
/// brakes briskly does about 3 m/s². A density, and not a deviation for each frame, so that the filter is the same at
/// any frame rate.
const ACCELERATION: f64 = 0.4;
/// Standard deviation of a measured edge, box heights.
const MEASURE: f64 = 0.05;
/// Spectral density of the change of size, squared box heights a second: a quarter of its height in a second.
const GROWTH: f64 = 0.0063;
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
    fn predict(&mut self, dt: f64, q: f64) {
        self.at += self.velocity * dt;
        let [paa, pav, pvv] = self.p;
        self.p = [
            paa + 2.0 * dt * pav + dt * dt * pvv + q * dt.powi(3) / 3.0,
            pav + dt * pvv + q * dt * dt / 2.0,
            pvv + q * dt,
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
        self.x.predict(dt, ACCELERATION * h * h);
        self.y.predict(dt, ACCELERATION * h * h);
        self.w.p += GROWTH * h * h * dt;
        self.h.p += GROWTH * h * h * dt;
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

    /// Standard deviation of the foot point, pixels: of the axis it is less sure of.
    #[must_use]
    pub fn spread(&self) -> f64 {
        self.x.p[0].max(self.y.p[0]).max(0.0).sqrt()
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
