//! What the analysis wants of a stream.

use stopline_types::SizePx;

/// A part of the picture that is wanted at the stream's own resolution. Fractions of the frame's width and height,
/// 0 to 1, from the top left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CropRequest {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub w: f32,
    /// Height.
    pub h: f32,
}

impl From<[f32; 4]> for CropRequest {
    fn from([x, y, w, h]: [f32; 4]) -> Self {
        Self { x, y, w, h }
    }
}

impl CropRequest {
    /// In pixels of a frame of `size`, as left, top, width, height; grown outwards to even numbers, because chroma
    /// has half the resolution, and cut at the frame's edges. `None` if nothing is left.
    pub(crate) fn in_pixels(self, size: SizePx) -> Option<(u32, u32, u32, u32)> {
        let span = |from: f32, length: f32, side: u32| {
            let side_px = f64::from(side);
            let edge = |fraction: f64| (fraction * side_px).clamp(0.0, side_px);
            let (from, length) = (f64::from(from), f64::from(length));
            // A thousandth of a pixel of rounding must not add a row.
            let first = (edge(from) + 1e-3).floor() as u32 & !1;
            let end = ((edge(from + length) - 1e-3).ceil() as u32).next_multiple_of(2).min(side);
            (end > first && length > 0.0).then(|| (first, end - first))
        };
        let (x, w) = span(self.x, self.w, size.w)?;
        let (y, h) = span(self.y, self.h, size.h)?;
        Some((x, y, w, h))
    }
}

/// A region that leaves out less than a twentieth of the frame is not worth a part.
const WORTHWHILE: f64 = 0.95;

/// How a stream is decoded for analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysePlan {
    /// The detector's input. Frames are scaled to the largest size of their shape that fits: a small stream is
    /// enlarged to it here, where it costs least, but never beyond. The width is rounded down to an even number, so
    /// the two axes may differ in scale by a pixel's worth: take each from `image.size` and `source`.
    pub fit: SizePx,
    /// Most frames a second handed on, by media time. Frames above are decoded (later ones need them) but neither
    /// converted nor handed on. Not finite or not above 0: every frame.
    pub max_fps: f64,
    /// Parts wanted at full resolution.
    pub crops: Vec<CropRequest>,
    /// The part of the picture to analyse; nothing outside it is scaled or looked at. It is grown to the shape of `fit`
    /// as far as the frame allows: that costs nothing, for the detector's input has that shape. `None`: all of it.
    pub region: Option<CropRequest>,
}

impl AnalysePlan {
    /// The part of a stream's frame that is analysed: left, top, width, height in pixels, even. `None`: all of it, also
    /// where the region would leave out next to nothing.
    pub(crate) fn part(&self, source: SizePx) -> Option<(u32, u32, u32, u32)> {
        let (x, y, w, h) = self.region?.in_pixels(source)?;
        // What fills the input's shape around the region, kept inside the frame.
        let shape = f64::from(self.fit.w) / f64::from(self.fit.h.max(1));
        let grown = |from: u32, length: u32, wanted: f64, side: u32| {
            let wider = (wanted as u32).clamp(length, side);
            let first = from.saturating_sub((wider - length) / 2).min(side - wider) & !1;
            (first, wider & !1)
        };
        let (x, w) = grown(x, w, f64::from(h) * shape, source.w);
        let (y, h) = grown(y, h, f64::from(w) / shape, source.h);
        let share = f64::from(w) * f64::from(h) / (f64::from(source.w) * f64::from(source.h));
        (share < WORTHWHILE && w > 0 && h > 0).then_some((x, y, w, h))
    }

    /// Size of the analysed picture of a stream.
    #[must_use]
    pub fn fitted(&self, source: SizePx) -> SizePx {
        let SizePx { w, h } = source.fit(self.fit, true);
        SizePx { w: if w > 1 { w & !1 } else { w }, h }
    }
}

/// Lets frames through at no more than a rate, judged by media time alone: the same frames every time.
#[derive(Debug)]
pub(crate) struct RateLimit {
    period_s: Option<f64>,
    due_s: f64,
}

impl RateLimit {
    pub(crate) fn new(max_fps: f64) -> Self {
        let limited = max_fps.is_finite() && max_fps > 0.0;
        Self { period_s: limited.then(|| 1.0 / max_fps), due_s: f64::NEG_INFINITY }
    }

    /// Whether the frame of that media time goes on. A quarter of a period of jitter is forgiven; the mean stays.
    pub(crate) fn admit(&mut self, media_s: f64) -> bool {
        let Some(period_s) = self.period_s else { return true };
        let restarted = media_s < self.due_s - 4.0 * period_s;
        if media_s < self.due_s - period_s / 4.0 && !restarted {
            return false;
        }
        let late = restarted || media_s > self.due_s + period_s;
        self.due_s = if late { media_s } else { self.due_s } + period_s;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(source_fps: f64, max_fps: f64, jitter_s: f64) -> usize {
        let mut limit = RateLimit::new(max_fps);
        let at = |i: usize| i as f64 / source_fps + if i.is_multiple_of(2) { jitter_s } else { -jitter_s };
        (0..(source_fps * 10.0) as usize).filter(|i| limit.admit(at(*i))).count()
    }

    #[test]
    fn the_rate_is_kept_whatever_the_source() {
        assert!((50..=51).contains(&admitted(25.0, 5.0, 0.0)), "{}", admitted(25.0, 5.0, 0.0));
        assert!((98..=102).contains(&admitted(12.5, 10.0, 0.0)), "{}", admitted(12.5, 10.0, 0.0));
        assert_eq!(admitted(25.0, 25.0, 0.004), 250);
        assert_eq!(admitted(12.5, 25.0, 0.0), 125);
        assert_eq!(admitted(25.0, 0.0, 0.0), 250);
        assert_eq!(admitted(25.0, f64::INFINITY, 0.0), 250);
    }

    #[test]
    fn a_new_session_starts_at_once() {
        let mut limit = RateLimit::new(5.0);
        assert!(limit.admit(100.0));
        assert!(!limit.admit(100.1));
        assert!(limit.admit(0.0));
        assert!(!limit.admit(0.1));
    }

    #[test]
    fn pictures_fit_and_are_of_even_width() {
        let plan = AnalysePlan { fit: SizePx { w: 640, h: 480 }, max_fps: 0.0, crops: Vec::new(), region: None };
        let fitted = |w, h| (plan.fitted(SizePx { w, h }).w, plan.fitted(SizePx { w, h }).h);
        assert_eq!(fitted(1920, 1080), (640, 360));
        assert_eq!(fitted(352, 288), (586, 480));
        assert_eq!(fitted(480, 640), (360, 480));
        assert_eq!(fitted(1, 4000), (1, 480));
    }

    #[test]
    fn a_region_fills_the_inputs_shape() {
        let region = |x, y, w, h| Some(CropRequest { x, y, w, h });
        let part = |region, w, h| {
            AnalysePlan { fit: SizePx { w: 640, h: 480 }, max_fps: 0.0, crops: Vec::new(), region }
                .part(SizePx { w, h })
        };
        assert_eq!(part(None, 1920, 1080), None);
        // The lower middle: as high as the input's shape lets it be.
        assert_eq!(part(region(0.25, 0.5, 0.5, 0.5), 1920, 1080), Some((480, 360, 960, 720)));
        // Across the whole width there is no room to grow, and little is gained: all of it.
        assert_eq!(part(region(0.0, 0.2, 1.0, 0.6), 1920, 1080), None);
        assert_eq!(part(region(0.0, 0.0, 1.0, 1.0), 1920, 1080), None);
        // Narrow and high: grown across, not over the edge.
        assert_eq!(part(region(0.9, 0.0, 0.1, 1.0), 1920, 1080), Some((480, 0, 1440, 1080)));
        assert_eq!(part(region(2.0, 0.0, 0.1, 1.0), 1920, 1080), None);
    }

    #[test]
    fn crops_are_even_and_inside() {
        let size = SizePx { w: 1280, h: 720 };
        let crop = |x, y, w, h| CropRequest { x, y, w, h }.in_pixels(size);
        assert_eq!(crop(0.1, 0.1, 0.05, 0.1), Some((128, 72, 64, 72)));
        assert_eq!(crop(0.9, 0.9, 0.5, 0.5), Some((1152, 648, 128, 72)));
        assert_eq!(crop(-0.1, 0.0, 0.2, 1.0), Some((0, 0, 128, 720)));
        assert_eq!(crop(1.5, 0.0, 0.2, 1.0), None);
        assert_eq!(crop(0.5, 0.5, 0.0, 0.1), None);
    }
}
