//! Tells a head that something stands before from one whose lamps are off, by what its housing looks like.
//!
//! A small grey picture of the head is learned while a lamp is read: mean and spread of each cell over the last minute
//! or so. Cells that do not change with the lamps are the housing and its surroundings; when they look different while
//! no lamp is seen, something covers the head.

use stopline_types::{BgrImage, SignalState};

const ACROSS: usize = 6;
const DOWN: usize = 12;
/// Time over which the picture is learned, seconds: slow enough for a lorry, quick enough for clouds and dusk.
const LEARN_S: f64 = 40.0;
/// Readings of a lit lamp before it is believed.
const READINGS: u32 = 30;
/// Cells whose standard deviation is below this are the housing, grey levels.
const STILL: f64 = 14.0;
/// A covered head's cells differ by this much in the middle, grey levels, after a change of brightness of the whole
/// head was taken out as far as [`EXPOSURE`] allows.
const DIFFERS: f64 = 22.0;
/// A camera's exposure changes the housing by this factor at most from one reading to the next.
const EXPOSURE: f64 = 1.35;

/// What a head looks like.
#[derive(Debug, Clone, Default)]
pub(super) struct Cover {
    cells: Vec<(f64, f64)>,
    readings: u32,
    last_s: f64,
}

impl Cover {
    /// Takes a picture in; true when something stands before the head.
    pub(super) fn look(&mut self, t_s: f64, image: &BgrImage, state: SignalState) -> bool {
        let Some(now) = cells_of(image) else { return false };
        let lit = matches!(state, SignalState::Red | SignalState::Yellow | SignalState::Green);
        let covered = !lit && self.readings >= READINGS && self.differs(&now) > DIFFERS;
        if lit {
            let dt = (t_s - self.last_s).clamp(0.0, 1.0);
            let weight = if self.readings == 0 { 1.0 } else { (dt / LEARN_S).max(1.0 / f64::from(self.readings + 1)) };
            self.cells.resize(now.len(), (0.0, 0.0));
            for ((mean, variance), level) in self.cells.iter_mut().zip(&now) {
                let off = level - *mean;
                *mean += weight * off;
                *variance = (1.0 - weight) * (*variance + weight * off * off);
            }
            self.readings = self.readings.saturating_add(1).min(1_000_000);
            self.last_s = t_s;
        }
        covered
    }

    /// Median difference of the cells that the lamps do not change.
    fn differs(&self, now: &[f64]) -> f64 {
        let still: Vec<(f64, f64)> = self
            .cells
            .iter()
            .zip(now)
            .filter(|((_, variance), _)| variance.sqrt() < STILL)
            .map(|((mean, _), level)| (*mean, *level))
            .collect();
        if still.len() < 12 {
            return 0.0;
        }
        let factor = median(still.iter().map(|(mean, level)| level / mean.max(8.0)).collect());
        let factor = factor.clamp(1.0 / EXPOSURE, EXPOSURE);
        median(still.iter().map(|(mean, level)| (level / factor - mean).abs()).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// The head as [`ACROSS`] × [`DOWN`] mean grey levels; the nearest pixel where it is smaller than that.
fn cells_of(image: &BgrImage) -> Option<Vec<f64>> {
    let (w, h) = (image.size.w as usize, image.size.h as usize);
    if w == 0 || h == 0 || image.data.len() != 3 * w * h {
        return None;
    }
    let grey = |x: usize, y: usize| {
        let p = &image.data[3 * (y * w + x)..][..3];
        (f64::from(p[0]) + 2.0 * f64::from(p[1]) + f64::from(p[2])) / 4.0
    };
    let span = |i: usize, cells: usize, side: usize| {
        let from = i * side / cells;
        from..((i + 1) * side / cells).max(from + 1)
    };
    let cell = |i: usize| {
        let (xs, ys) = (span(i % ACROSS, ACROSS, w), span(i / ACROSS, DOWN, h));
        let count = (xs.len() * ys.len()) as f64;
        ys.flat_map(|y| xs.clone().map(move |x| (x, y))).map(|(x, y)| grey(x, y)).sum::<f64>() / count
    };
    Some((0..ACROSS * DOWN).map(cell).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dark housing before a bright sky, one lamp lit or none.
    fn head(lit: Option<usize>, gain: f32) -> BgrImage {
        let (w, h) = (18, 48);
        let level = |x: usize, y: usize| {
            let lamp = lit.is_some_and(|k| (y as f32 - (8.0 + 16.0 * k as f32)).hypot(x as f32 - 9.0) < 5.5);
            let base = if lamp {
                210.0
            } else if (2..16).contains(&x) {
                35.0
            } else {
                150.0
            };
            (base * gain).min(255.0) as u8
        };
        let data = (0..h).flat_map(|y| (0..w).flat_map(move |x| [level(x, y); 3])).collect();
        BgrImage { size: [w as u32, h as u32].into(), data }
    }

    fn grey(level: u8) -> BgrImage {
        BgrImage { size: [18, 48].into(), data: vec![level; 3 * 18 * 48] }
    }

    #[test]
    fn off_and_covered_are_told_apart() {
        let mut cover = Cover::default();
        for i in 0..120 {
            let t_s = f64::from(i) / 6.0;
            let (lit, state) = if i < 70 { (0, SignalState::Red) } else { (2, SignalState::Green) };
            assert!(!cover.look(t_s, &head(Some(lit), 1.0), state));
        }
        for gain in [0.8, 1.0, 1.2] {
            assert!(!cover.look(20.0, &head(None, gain), SignalState::Dark), "off, exposure {gain}");
        }
        for level in [20, 60, 110, 200] {
            assert!(cover.look(21.0, &grey(level), SignalState::Dark), "a lorry of grey {level}");
        }
    }

    #[test]
    fn nothing_is_said_before_it_was_learned() {
        let mut cover = Cover::default();
        assert!(!cover.look(0.0, &grey(90), SignalState::Dark));
    }
}
