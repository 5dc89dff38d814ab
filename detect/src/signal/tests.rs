//! A head over time: pictures in, phases out.

use super::*;
use crate::scene::SceneConfig;
use stopline_types::{CameraId, CaptureTime, Crop, SizePx, StreamRole, TimeSource};

fn scene() -> Scene {
    let text = "frame_px = [640, 480]\n[[signals]]\nname = \"head\"\nbox = [300, 40, 16, 48]";
    let config: SceneConfig = toml::from_str(text).expect("valid TOML");
    Scene::resolve(&config).expect("a good scene")
}

fn start() -> UtcUs {
    UtcUs::parse("2026-11-21T07:30:00Z").expect("an instant")
}

#[derive(Clone, Copy)]
enum Shown {
    Lamp(usize),
    Off,
    Lorry([u8; 3]),
}

fn frame(t_s: f64, shown: Shown) -> Frame {
    let colours = [[40, 40, 240], [40, 190, 250], [180, 230, 40]];
    let pixel = |x: usize, y: usize| match shown {
        Shown::Lorry(colour) => colour,
        Shown::Lamp(k) if (y as f32 - (7.5 + 16.0 * k as f32)).hypot(x as f32 - 7.5) < 5.5 => colours[k],
        Shown::Lamp(_) | Shown::Off if (1..15).contains(&x) => [25, 25, 28],
        Shown::Lamp(_) | Shown::Off => [150, 140, 130],
    };
    let data = (0..48).flat_map(|y| (0..16).flat_map(move |x| pixel(x, y))).collect();
    let image = BgrImage { size: SizePx { w: 16, h: 48 }, data };
    Frame {
        camera: CameraId::new("cam").expect("plain"),
        role: StreamRole::Main,
        seq: 0,
        time: CaptureTime { utc: start().plus_s(t_s), error_ms: None, source: TimeSource::File },
        media_s: t_s,
        source: SizePx { w: 640, h: 480 },
        image: BgrImage { size: SizePx { w: 1, h: 1 }, data: vec![0; 3] },
        part: None,
        crops: vec![Crop { index: 0, x: 300, y: 40, image }],
        received: None,
    }
}

/// Plays `seconds` at `fps`; gives the signals and the phases as state and begin.
fn play(
    fps: f64,
    seconds: f64,
    controller: impl Fn(f64) -> Option<SignalState>,
    shown: impl Fn(f64) -> Shown,
) -> (Signals, Vec<(SignalState, f64)>) {
    let (scene, mut signals) = (scene(), Signals::new(1));
    for i in 0..(seconds * fps) as usize {
        let t_s = i as f64 / fps;
        if let Some(state) = controller(t_s) {
            let at = start().plus_s(t_s);
            signals.controller_says(0, ControllerReading { state, since: at, at, error_ms: 100.0 });
        }
        signals.observe(&scene, &frame(t_s, shown(t_s)), (1.0, 1.0));
    }
    let phases = signals.phases()[0].phases().map(|p| (p.state, (p.from_s * 10.0).round() / 10.0)).collect();
    (signals, phases)
}

const SILENT: fn(f64) -> Option<SignalState> = |_| None;

/// Red, green, yellow of 15, 12 and 3 seconds.
fn cycle(t_s: f64) -> Shown {
    match t_s % 30.0 {
        t if t < 15.0 => Shown::Lamp(0),
        t if t < 27.0 => Shown::Lamp(2),
        _ => Shown::Lamp(1),
    }
}

#[test]
fn a_cycle_is_read() {
    use SignalState::{Green, Red, Yellow};
    for fps in [6.0, 12.5, 25.0] {
        let (signals, phases) = play(fps, 44.0, SILENT, cycle);
        let states: Vec<_> = phases.iter().map(|(state, _)| *state).collect();
        assert_eq!(states, [Red, Green, Yellow, Red], "{fps}");
        for ((_, from), begin) in phases.iter().zip([0.0, 15.0, 27.0, 30.0]) {
            assert!((from - begin).abs() <= 1.0 / fps + 0.05, "{fps}: {phases:?}");
        }
        let error = |p: &Phase| p.start_error_s().expect("seen");
        assert!(signals.phases()[0].phases().skip(1).all(|p| (error(p) - 1.0 / fps).abs() < 1e-6));
    }
}

/// A lorry passes: held while it is short, unknown with its reason when it stays, whatever its colour.
#[test]
fn a_lorry_before_the_head() {
    use SignalState::{Red, Unknown};
    for colour in [[90, 90, 90], [20, 20, 200], [60, 160, 40], [220, 220, 215]] {
        for (stays_s, expected) in [(0.8, vec![(Red, 0.0)]), (4.0, vec![(Red, 0.0), (Unknown, 10.0)])] {
            let shown =
                |t: f64| if (10.0..10.0 + stays_s).contains(&t) { Shown::Lorry(colour) } else { Shown::Lamp(0) };
            let (signals, phases) = play(6.0, 10.0 + stays_s, SILENT, shown);
            assert_eq!(phases, expected, "{colour:?} for {stays_s} s");
            assert_eq!(signals.unsure(0), Some(Unsure::Covered), "{colour:?}");
        }
    }
}

#[test]
fn off_is_dark_and_flashing_is_a_state_of_its_own() {
    use SignalState::{Dark, FlashingYellow, Red};
    let (_, phases) = play(6.0, 20.0, SILENT, |t| if t < 10.0 { Shown::Lamp(0) } else { Shown::Off });
    assert_eq!(phases, [(Red, 0.0), (Dark, 10.0)]);
    for fps in [4.0, 6.0, 12.5] {
        let flash = |t: f64| if (t * 0.9).fract() < 0.5 { Shown::Lamp(1) } else { Shown::Off };
        let shown = |t: f64| if t < 10.0 { Shown::Lamp(0) } else { flash(t - 10.0) };
        let (_, phases) = play(fps, 25.0, SILENT, shown);
        let states: Vec<_> = phases.iter().map(|(state, _)| *state).collect();
        assert_eq!(states, [Red, FlashingYellow], "{fps}: {phases:?}");
        assert!((phases[1].1 - 10.0).abs() < 1.0, "{fps}: {phases:?}");
    }
}

#[test]
fn the_controller_fills_the_gap_and_is_heard_when_it_differs() {
    use SignalState::{Green, Red};
    // Covered for five seconds, in which it turns green.
    let shown = |t: f64| {
        if (10.0..15.0).contains(&t) { Shown::Lorry([90; 3]) } else { Shown::Lamp(if t < 12.0 { 0 } else { 2 }) }
    };
    let says = |t: f64| Some(if t < 12.0 { Red } else { Green });
    let (signals, phases) = play(6.0, 20.0, says, shown);
    assert_eq!(phases, [(Red, 0.0), (Green, 12.0)]);
    assert_eq!(signals.controller_at(0, start().plus_s(18.0)), Some(Green));
    assert_eq!(signals.doubt(0, 18.0, start().plus_s(18.0)), None);

    let (signals, phases) = play(6.0, 20.0, |_| Some(Green), |_| Shown::Lamp(0));
    assert_eq!(phases, [(Red, 0.0)], "the picture is what the evidence shows");
    let doubt = signals.doubt(0, 10.0, start().plus_s(10.0)).expect("red against green");
    assert_eq!(doubt, Doubt { picture: Red, controller: Green });
}
