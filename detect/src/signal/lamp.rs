//! The state of a signal head from its picture, by colour, place and brightness.
//!
//! A lit lamp is the brightest strongly coloured patch of the head; its hue must be that of a lamp, and it must stand
//! where that lamp stands. Digits of a countdown inside the box are told apart by place. When colour and place
//! disagree, or two lamps seem lit, the state is unknown: a wrong red costs a driver a fine.
//!
//! Three cases need more than that: a lamp so bright that the camera shows it almost white is known by its place and
//! the trace of colour it keeps; an orange that fits red and yellow alike is decided by place; light spread over the
//! whole box is no lamp but something coloured that stands before it, a lorry for one.

use stopline_types::{BgrImage, SignalState};

use crate::scene::LampLayout;

/// Why a head's state could not be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsure {
    /// Less than 3 × 3 pixels of it are in the picture.
    TooSmall,
    /// Something stands before it.
    Covered,
    /// Two lamps seem lit, or a colour stands where its lamp does not.
    Contradictory,
    /// Yellow for longer than a yellow phase lasts: it may flash at a rate the frames hide.
    LastingYellow,
}

impl Unsure {
    /// The reason in words, as shown to people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooSmall => "less than 3 × 3 pixels of the head are in the picture",
            Self::Covered => "something stands before the head",
            Self::Contradictory => "the colours in the head contradict each other",
            Self::LastingYellow => "yellow for longer than a yellow phase: stuck, or flashing at the frames' own rate",
        }
    }
}

/// A reading of one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// What the head shows.
    pub state: SignalState,
    /// Share of the lit colour's light that stands in its lamp's place, 0 to 1.
    pub certainty: f64,
    /// Why the state is unknown, where it is.
    pub unsure: Option<Unsure>,
}

impl Reading {
    fn sure(state: SignalState, certainty: f64) -> Self {
        Self { state, certainty, unsure: None }
    }

    pub(super) fn unsure(why: Unsure, certainty: f64) -> Self {
        Self { state: SignalState::Unknown, certainty, unsure: Some(why) }
    }
}

/// Light below this, in fully coloured full-brightness pixels per pixel of a lamp's field, is no lit lamp.
const LEAST_LIGHT: f64 = 0.006;
/// Difference of the largest and smallest of red, green and blue up to which a pixel is grey (of 255): haze and
/// chroma noise, after the picture's colour cast was taken away.
const GREY: f64 = 10.0;
/// A picture's colour cast is believed up to this, levels of 255: above it is the light of a lamp.
const MOST_CAST: f64 = 12.0;
/// The brightest lamp must be this many times as strong as the next.
const CLEARLY: f64 = 1.5;
/// The head's length is cut into so many bins; light in more of them than this share is no lamp: one lamp fills a
/// third, a glow or a countdown's digits two thirds, a lorry all.
const BINS: usize = 15;
const COVERED: f64 = 0.85;
/// A bin is lit by this share of the brightest bin's light.
const LIT_BIN: f64 = 0.15;
/// Standard deviation along the head, as a share of its length, of one lamp's light.
const ONE_PATCH: f64 = 0.13;
/// A lamp shown white is at least this bright, and this much brighter than the other lamps' places (of 255).
const WHITE: f64 = 190.0;
const WHITER: f64 = 35.0;

/// Reads a head of the given layout; `lamps` from the top or the left.
#[must_use]
pub fn read_head(image: &BgrImage, layout: LampLayout, lamps: &[SignalState]) -> Reading {
    let (w, h) = (image.size.w as usize, image.size.h as usize);
    if w < 3 || h < 3 || image.data.len() != 3 * w * h || lamps.is_empty() {
        return Reading::unsure(Unsure::TooSmall, 0.0);
    }
    let view = View::of(image, layout);
    // Brightness is judged against the head itself: its housing is dark by day and by night.
    let brightest = view.pixels.iter().filter(|p| p.off_axis < 0.4).map(|p| p.value).fold(0.0, f64::max);
    if brightest < 60.0 {
        return Reading::sure(SignalState::Dark, 1.0);
    }
    let lit = Lit::of(&view, lamps, brightest);
    let field = (w * h) as f64 / (lamps.len() as f64).max(3.0);
    let (best, light) = strongest(&lit.in_place, None);
    if light < LEAST_LIGHT * field {
        return white_lamp(&view, lamps)
            .unwrap_or(Reading::sure(SignalState::Dark, 1.0 - light / (LEAST_LIGHT * field)));
    }
    if lamps.len() > 1 && lit.reach > COVERED {
        return Reading::unsure(Unsure::Covered, 0.0);
    }
    let (second, next) = strongest(&lit.in_place, Some(best));
    let certainty = light / lit.anywhere[best].max(1e-9);
    if light < CLEARLY * next {
        // One patch of a hue that fits both: the lamp in whose place its middle stands.
        let place = ((lit.centre * lamps.len() as f64) as usize).min(lamps.len() - 1);
        let one = lit.spread < ONE_PATCH && (place == best || place == second) && best.abs_diff(second) == 1;
        return if one {
            Reading::sure(lamps[place], lit.in_place[place] / lit.anywhere[place].max(1e-9))
        } else {
            Reading::unsure(Unsure::Contradictory, certainty)
        };
    }
    if certainty < 0.3 {
        return Reading::unsure(Unsure::Contradictory, certainty);
    }
    Reading::sure(lamps[best], certainty)
}

fn strongest(light: &[f64], but: Option<usize>) -> (usize, f64) {
    let others = light.iter().copied().enumerate().filter(|(k, _)| Some(*k) != but);
    others.fold((0, 0.0), |best, other| if other.1 > best.1 { other } else { best })
}

/// A pixel of the head, freed of the picture's colour cast.
struct Pixel {
    rgb: [f64; 3],
    value: f64,
    /// Largest less smallest of red, green and blue.
    chroma: f64,
    /// Along the head, 0 at the first lamp's end to 1.
    along: f64,
    /// From the head's axis, 0 to 0.5 of its width.
    off_axis: f64,
}

struct View {
    pixels: Vec<Pixel>,
}

impl View {
    fn of(image: &BgrImage, layout: LampLayout) -> Self {
        let (w, h) = (image.size.w as usize, image.size.h as usize);
        let colours = || image.data.chunks_exact(3).map(|p| [f64::from(p[2]), f64::from(p[1]), f64::from(p[0])]);
        let cast = |channel: usize| {
            let mut off: Vec<f64> = colours().map(|c| c[channel] - c[1]).collect();
            let middle = off.len() / 2;
            let (_, median, _) = off.select_nth_unstable_by(middle, f64::total_cmp);
            median.clamp(-MOST_CAST, MOST_CAST)
        };
        let (red, blue) = (cast(0), cast(2));
        let pixel = |(i, [r, g, b]): (usize, [f64; 3])| {
            let rgb = [r - red, g, b - blue];
            let value = r.max(g).max(b);
            let chroma = rgb.iter().fold(0.0_f64, |a, c| a.max(*c)) - rgb.iter().fold(f64::MAX, |a, c| a.min(*c));
            let down = ((i / w) as f64 + 0.5) / h as f64;
            let across = ((i % w) as f64 + 0.5) / w as f64;
            let (along, side) = match layout {
                LampLayout::Vertical => (down, across),
                LampLayout::Horizontal => (across, down),
            };
            Pixel { rgb, value, chroma, along, off_axis: (side - 0.5).abs() }
        };
        Self { pixels: colours().enumerate().map(pixel).collect() }
    }
}

/// Coloured light, for each lamp: where the lamp stands, and in the whole head.
struct Lit {
    in_place: Vec<f64>,
    anywhere: Vec<f64>,
    /// Mean and standard deviation along the head of the light that fits the strongest lamp or one like it.
    centre: f64,
    spread: f64,
    /// Share of the head's length that it fills.
    reach: f64,
}

impl Lit {
    fn of(view: &View, lamps: &[SignalState], brightest: f64) -> Self {
        let n = lamps.len() as f64;
        let (mut in_place, mut anywhere) = (vec![0.0; lamps.len()], vec![0.0; lamps.len()]);
        let mut bins = vec![[0.0_f64; BINS]; lamps.len()];
        for p in view.pixels.iter().filter(|p| p.value >= 0.4 * brightest && p.chroma >= GREY) {
            let light = (p.chroma - GREY) / 255.0 * (p.value / 255.0);
            let hue = hue_deg(p.rgb);
            for (k, lamp) in lamps.iter().enumerate() {
                let fits = light * hue_fits(*lamp, hue);
                anywhere[k] += fits;
                // The lamp's own third counts in full, up to half a third outside it less and less.
                let centre = (k as f64 + 0.5) / n;
                let off = (p.along - centre).abs() * n;
                in_place[k] += fits * (1.5 - off).clamp(0.0, 1.0).powi(2);
                bins[k][((p.along * BINS as f64) as usize).min(BINS - 1)] += fits;
            }
        }
        let bins = bins[strongest(&in_place, None).0];
        let sum = bins.iter().sum::<f64>().max(1e-9);
        let at = |bin: usize| (bin as f64 + 0.5) / BINS as f64;
        let mean = |f: &dyn Fn(f64) -> f64| bins.iter().enumerate().map(|(i, l)| l * f(at(i))).sum::<f64>() / sum;
        let centre = mean(&|at| at);
        let spread = mean(&|at| (at - centre).powi(2)).sqrt();
        let most = bins.iter().copied().fold(0.0, f64::max);
        let reach = bins.iter().filter(|l| **l >= LIT_BIN * most).count() as f64 / BINS as f64;
        Self { in_place, anywhere, centre, spread, reach }
    }
}

/// A lamp that the camera shows almost white: one place clearly brighter than the others, with a trace of its colour.
fn white_lamp(view: &View, lamps: &[SignalState]) -> Option<Reading> {
    let n = lamps.len() as f64;
    let places: Vec<(f64, [f64; 3])> = (0..lamps.len())
        .map(|k| {
            let mine = |p: &&Pixel| (p.along * n) as usize == k && p.off_axis < 0.35;
            let mut pixels: Vec<&Pixel> = view.pixels.iter().filter(mine).collect();
            // The middle half by brightness: neither the rim nor the sky beside the housing.
            pixels.sort_by(|a, b| a.value.total_cmp(&b.value));
            let quarter = pixels.len() / 4;
            let pixels = &pixels[quarter..pixels.len() - quarter];
            let count = pixels.len().max(1) as f64;
            let mean = |f: &dyn Fn(&Pixel) -> f64| pixels.iter().map(|p| f(p)).sum::<f64>() / count;
            (mean(&|p| p.value), [mean(&|p| p.rgb[0]), mean(&|p| p.rgb[1]), mean(&|p| p.rgb[2])])
        })
        .collect();
    let values: Vec<f64> = places.iter().map(|p| p.0).collect();
    let (best, value) = strongest(&values, None);
    let (_, next) = strongest(&values, Some(best));
    let rgb = places.get(best)?.1;
    let chroma = rgb.iter().fold(0.0_f64, |a, c| a.max(*c)) - rgb.iter().fold(f64::MAX, |a, c| a.min(*c));
    let fits = hue_fits(lamps[best], hue_deg(rgb));
    (lamps.len() > 1 && value >= WHITE && value - next >= WHITER && chroma >= 3.0 && fits >= 0.5)
        .then(|| Reading::sure(lamps[best], 0.4))
}

/// Hue in degrees, 0 red, 120 green.
fn hue_deg([r, g, b]: [f64; 3]) -> f64 {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let d = (most - least).max(1e-9);
    let hue = if most == r {
        (g - b) / d
    } else if most == g {
        2.0 + (b - r) / d
    } else {
        4.0 + (r - g) / d
    };
    (hue * 60.0).rem_euclid(360.0)
}

/// How well a hue fits a lamp, 0 to 1. Cameras show red lamps as pink to orange, yellow ones as orange to
/// yellow, green ones as green to cyan (EN 12368 greens are bluish); the ranges of red and yellow meet at orange,
/// where place decides.
fn hue_fits(lamp: SignalState, hue: f64) -> f64 {
    let ramp = |from: f64, to: f64| ((hue - from) / (to - from)).clamp(0.0, 1.0);
    match lamp {
        SignalState::Red => {
            if hue > 180.0 {
                ramp(315.0, 335.0)
            } else {
                1.0 - ramp(22.0, 42.0)
            }
        }
        SignalState::Yellow => ramp(12.0, 28.0).min(1.0 - ramp(65.0, 80.0)),
        SignalState::Green => ramp(80.0, 110.0).min(1.0 - ramp(190.0, 206.0)),
        SignalState::FlashingYellow | SignalState::Dark | SignalState::Unknown => 0.0,
    }
}

#[cfg(test)]
#[path = "lamp_tests.rs"]
mod tests;
