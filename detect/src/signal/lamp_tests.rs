use super::*;
use std::path::Path;

const LAMPS: [SignalState; 3] = [SignalState::Red, SignalState::Yellow, SignalState::Green];

/// A head of three 17-pixel fields, housing at `housing`, drawn by `paint` for each pixel's place from the middle of
/// each lamp.
fn head(horizontal: bool, housing: f32, paint: impl Fn(usize, f32) -> [f32; 3]) -> BgrImage {
    let (w, h) = if horizontal { (51, 17) } else { (17, 51) };
    let mut data = Vec::with_capacity(3 * w * h);
    for y in 0..h {
        for x in 0..w {
            let (u, v) = if horizontal { (y, x) } else { (x, y) };
            let mut bgr = [housing; 3];
            for k in 0..3 {
                let (du, dv) = (u as f32 - 8.0, v as f32 - (8.0 + 17.0 * k as f32));
                let add = paint(k, du.hypot(dv));
                (0..3).for_each(|c| bgr[c] += add[c]);
            }
            data.extend(bgr.map(|level| level.clamp(0.0, 255.0) as u8));
        }
    }
    BgrImage { size: [w as u32, h as u32].into(), data }
}

fn disc(lit: Option<(usize, [f32; 3])>) -> impl Fn(usize, f32) -> [f32; 3] {
    move |k, r| match lit {
        Some((at, bgr)) if at == k && r < 6.0 => bgr,
        _ => [0.0; 3],
    }
}

const COLOURS: [[f32; 3]; 3] = [[20.0, 20.0, 220.0], [20.0, 170.0, 225.0], [150.0, 210.0, 20.0]];

fn read(image: &BgrImage, horizontal: bool) -> Reading {
    let layout = if horizontal { LampLayout::Horizontal } else { LampLayout::Vertical };
    read_head(image, layout, &LAMPS)
}

#[test]
fn lamps_are_told_by_colour_and_place() {
    for horizontal in [false, true] {
        for (k, state) in LAMPS.into_iter().enumerate() {
            let image = head(horizontal, 25.0, disc(Some((k, COLOURS[k]))));
            assert_eq!(read(&image, horizontal).state, state);
        }
        assert_eq!(read(&head(horizontal, 25.0, disc(None)), horizontal).state, SignalState::Dark);
        // A green patch where red stands is no state of a head.
        let wrong = read(&head(horizontal, 25.0, disc(Some((0, COLOURS[2])))), horizontal).state;
        assert!(matches!(wrong, SignalState::Dark | SignalState::Unknown), "{wrong}");
    }
}

/// At night a lamp's middle is white and its colour stands in a glow that reaches over the others.
#[test]
fn bloom_at_night() {
    for glow_px in [4.0_f32, 7.0, 10.0] {
        for (k, state) in LAMPS.into_iter().enumerate() {
            let paint = |at: usize, r: f32| {
                let glow = 1.6 * (-(r / glow_px).powi(2)).exp();
                if at == k { COLOURS[k].map(|c| c * glow + 255.0 * (glow - 1.0).max(0.0)) } else { [0.0; 3] }
            };
            let reading = read(&head(false, 4.0, paint), false);
            assert_eq!(reading.state, state, "glow of {glow_px} px: {reading:?}");
        }
    }
}

#[test]
fn a_lamp_burnt_out_to_white_keeps_its_place() {
    for (k, state) in LAMPS.into_iter().enumerate() {
        let tint = COLOURS[k].map(|c| 80.0 + 0.06 * c);
        let image = head(false, 160.0, disc(Some((k, tint))));
        assert_eq!(read(&image, false).state, state);
    }
    // A white patch without any colour tells nothing.
    assert_eq!(read(&head(false, 120.0, disc(Some((1, [130.0; 3])))), false).state, SignalState::Dark);
}

/// Digits in the place of an unlit lamp, in the colour of the lit one, as some countdowns show them.
#[test]
fn countdown_digits_in_the_head() {
    for (k, digits) in [(0, 1), (0, 2), (2, 1), (2, 0)] {
        let paint = |at: usize, r: f32| {
            let stroke = at == digits && (3.0..4.6).contains(&r);
            if (at == k && r < 6.0) || stroke { COLOURS[k] } else { [0.0; 3] }
        };
        assert_eq!(read(&head(false, 25.0, paint), false).state, LAMPS[k]);
    }
}

#[test]
fn what_stands_before_the_head_is_no_lamp() {
    for colour in COLOURS {
        let lorry = head(false, 25.0, |k, _| if k == 0 { colour } else { [0.0; 3] });
        let reading = read(&lorry, false);
        assert_eq!(reading.unsure, Some(Unsure::Covered), "{reading:?}");
    }
    let tiny = BgrImage { size: [2, 9].into(), data: vec![0; 54] };
    assert_eq!(read(&tiny, false).unsure, Some(Unsure::TooSmall));
    let short = BgrImage { size: [9, 27].into(), data: vec![0; 9] };
    assert_eq!(read(&short, false).unsure, Some(Unsure::TooSmall));
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
    assert!(right * 100 >= all * 96, "{right} of {all}");
}
