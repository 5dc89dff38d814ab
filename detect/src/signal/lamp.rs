//! The state of a signal head from its picture, by colour, place and brightness.
//!
//! A lit lamp is the brightest strongly coloured patch of the head; its hue must be that of a lamp, and it must stand
//! where that lamp stands. Digits of a countdown inside the box are told apart by place. When colour and place
//! disagree, or two lamps seem lit, the state is unknown: a wrong red costs a driver a fine.

use stopline_types::{BgrImage, SignalState};

use crate::scene::LampLayout;

/// A reading of one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// What the head shows.
    pub state: SignalState,
    /// Share of the lit colour's light that stands in its lamp's place, 0 to 1.
    pub certainty: f64,
}

/// Light below this, in fully coloured full-brightness pixels per pixel of a lamp's field, is no lit lamp.
const LEAST_LIGHT: f64 = 0.006;
/// Difference of the largest and smallest of red, green and blue up to which a pixel is grey (of 255): haze, white
/// balance and chroma noise.
const GREY: f64 = 12.0;
/// The brightest lamp must be this many times as strong as the next.
const CLEARLY: f64 = 1.5;

/// Reads a head of the given layout; `lamps` from the top or the left.
#[must_use]
pub fn read_head(image: &BgrImage, layout: LampLayout, lamps: &[SignalState]) -> Reading {
    let unknown = Reading { state: SignalState::Unknown, certainty: 0.0 };
    let (w, h) = (image.size.w as usize, image.size.h as usize);
    if w < 3 || h < 3 || image.data.len() != 3 * w * h || lamps.is_empty() {
        return unknown;
    }
    let pixels = || image.data.chunks_exact(3).map(|p| [f64::from(p[2]), f64::from(p[1]), f64::from(p[0])]);
    // Brightness is judged against the head itself: its housing is dark by day and by night.
    let brightest = pixels().map(|p| p[0].max(p[1]).max(p[2])).fold(0.0, f64::max);
    if brightest < 60.0 {
        return Reading { state: SignalState::Dark, certainty: 1.0 };
    }
    let n = lamps.len() as f64;
    let mut in_place = vec![0.0; lamps.len()];
    let mut anywhere = vec![0.0; lamps.len()];
    for (i, [r, g, b]) in pixels().enumerate() {
        let value = r.max(g).max(b);
        let chroma = value - r.min(g).min(b);
        if value < 0.4 * brightest || chroma < GREY {
            continue;
        }
        let light = (chroma - GREY) / 255.0 * (value / 255.0);
        let along = match layout {
            LampLayout::Vertical => ((i / w) as f64 + 0.5) / h as f64,
            LampLayout::Horizontal => ((i % w) as f64 + 0.5) / w as f64,
        };
        for (k, lamp) in lamps.iter().enumerate() {
            let fits = light * hue_fits(*lamp, hue_deg(r, g, b));
            anywhere[k] += fits;
            // The lamp's own third counts in full, up to half a third outside it less and less.
            let centre = (k as f64 + 0.5) / n;
            let off = (along - centre).abs() * n;
            in_place[k] += fits * (1.5 - off).clamp(0.0, 1.0).powi(2);
        }
    }
    let field = (w * h) as f64 / n.max(3.0);
    let (best, light) = in_place.iter().copied().enumerate().fold((0, 0.0), |b, c| if c.1 > b.1 { c } else { b });
    if light < LEAST_LIGHT * field {
        return Reading { state: SignalState::Dark, certainty: 1.0 - light / (LEAST_LIGHT * field) };
    }
    let next = in_place.iter().enumerate().filter(|(k, _)| *k != best).map(|(_, l)| *l).fold(0.0, f64::max);
    let certainty = light / anywhere[best].max(1e-9);
    if light < CLEARLY * next || certainty < 0.3 {
        return Reading { state: SignalState::Unknown, certainty };
    }
    Reading { state: lamps[best], certainty }
}

/// Hue in degrees, 0 red, 120 green.
fn hue_deg(r: f64, g: f64, b: f64) -> f64 {
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
        SignalState::Dark | SignalState::Unknown => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const LAMPS: [SignalState; 3] = [SignalState::Red, SignalState::Yellow, SignalState::Green];

    fn head(lit: Option<(usize, [u8; 3])>, horizontal: bool) -> BgrImage {
        let (w, h) = if horizontal { (51, 17) } else { (17, 51) };
        let mut data = vec![25; 3 * 17 * 51];
        if let Some((k, bgr)) = lit {
            for y in 0..h {
                for x in 0..w {
                    let (u, v) = if horizontal { (y, x) } else { (x, y) };
                    let (du, dv) = (u as f32 - 8.0, v as f32 - (8.5 + 17.0 * k as f32));
                    if du * du + dv * dv < 36.0 {
                        data[3 * (y * w + x)..][..3].copy_from_slice(&bgr);
                    }
                }
            }
        }
        BgrImage { size: [w as u32, h as u32].into(), data }
    }

    #[test]
    fn lamps_are_told_by_colour_and_place() {
        let read = |image: &BgrImage, layout| read_head(image, layout, &LAMPS).state;
        for (layout, horizontal) in [(LampLayout::Vertical, false), (LampLayout::Horizontal, true)] {
            let lit = [(0, [40, 40, 240]), (1, [40, 190, 250]), (2, [180, 230, 40])];
            for (lamp, state) in lit.into_iter().zip(LAMPS) {
                assert_eq!(read(&head(Some(lamp), horizontal), layout), state);
            }
            assert_eq!(read(&head(None, horizontal), layout), SignalState::Dark);
            // A green patch where red stands is no state of a head.
            let wrong = read(&head(Some((0, [120, 230, 40])), horizontal), layout);
            assert!(matches!(wrong, SignalState::Dark | SignalState::Unknown), "{wrong}");
        }
    }

    #[test]
    #[allow(clippy::print_stderr)] // says what was skipped, or how many were right
    fn real_heads() {
        // Beside the checkout, or where the variable says.
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
        let root = std::env::var_os("STOPLINE_SHARED").map_or_else(beside, Into::into).join("data/lights");
        if !root.is_dir() {
            eprintln!("skipped: {} is missing", root.display());
            return;
        }
        let (mut right, mut all, mut red_as_green, mut wrong) = (0, 0, 0, Vec::new());
        for state in LAMPS {
            for entry in std::fs::read_dir(root.join(state.as_str())).expect("a folder a state") {
                let path = entry.expect("entry").path();
                let rgb = image::open(&path).expect("an image").to_rgb8();
                let data = rgb.pixels().flat_map(|p| [p.0[2], p.0[1], p.0[0]]).collect();
                let image = BgrImage { size: [rgb.width(), rgb.height()].into(), data };
                let read = read_head(&image, LampLayout::Vertical, &LAMPS);
                all += 1;
                right += usize::from(read.state == state);
                red_as_green += usize::from(state == SignalState::Red && read.state == SignalState::Green);
                if read.state != state {
                    wrong.push(format!("{state} as {} {:.2}: {}", read.state, read.certainty, path.display()));
                }
            }
        }
        eprintln!("{right} of {all} heads right, {red_as_green} red as green\n{}", wrong.join("\n"));
        assert_eq!(red_as_green, 0);
        assert!(right * 100 >= all * 92, "{right} of {all}");
    }
}
