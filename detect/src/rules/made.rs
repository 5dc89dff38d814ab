//! Computed tracks for the rules' tests: a road seen from straight above behind the vehicles, 20 pixels a metre.
//! Metres: x to the right, y forward (up the picture); the stop line lies at y = 12, `beyond` at 16.

use proptest::prelude::*;
use stopline_types::{BoxPx, CaptureTime, RuleKind, SignalState, TimeSource, UtcUs, VehicleClass};

use super::{Context, History, Match, Point, ask};
use crate::scene::{Scene, SceneConfig};
use crate::signal::PhaseLog;

const PX_PER_M: f64 = 20.0;

fn scene() -> Scene {
    let text = r#"
        frame_px = [640, 480]
        signals = [{ name = "head", box = [600, 10, 20, 60] }]
        [[stop_lines]]
        name = "line"
        points = [[200, 240], [440, 240]]
        direction = [0, -1]
        signal = "head"
        beyond = [[200, 160], [440, 160]]
        [[lanes]]
        name = "up"
        polygon = [[200, 0], [400, 0], [400, 480], [200, 480]]
        direction = [0, -1]
        [[lanes]]
        name = "two wheels"
        polygon = [[401, 0], [440, 0], [440, 480], [401, 480]]
        direction = [0, -1]
        classes = ["motorcycle", "bicycle"]
        [[zones]]
        name = "kerb"
        kind = "no_stopping"
        polygon = [[200, 300], [440, 300], [440, 480], [200, 480]]
        dwell_s = 10
        [ground]
        points = [
          { px = [0, 480], m = [0, 0] }, { px = [640, 480], m = [32, 0] },
          { px = [0, 0], m = [0, 24] }, { px = [640, 0], m = [32, 24] },
        ]
        [rules.speed]
        limit_kmh = { default = 50, motorcycle = 40 }
    "#;
    let config: SceneConfig = toml::from_str(text).expect("valid TOML");
    Scene::resolve(&config).expect("a good scene")
}

/// All matches of a vehicle whose rear is at `path(t)` metres, seen from `from_s` to `to_s`, with the signal red in
/// `red` and green otherwise.
fn drive(
    class: VehicleClass,
    fps: f64,
    span: (f64, f64),
    red: (f64, f64),
    path: impl Fn(f64) -> [f64; 2],
) -> Vec<Match> {
    drive_in(&scene(), class, fps, span, red, path)
}

/// The same in a scene of one's own.
pub(super) fn drive_in(
    scene: &Scene,
    class: VehicleClass,
    fps: f64,
    (from_s, to_s): (f64, f64),
    red: (f64, f64),
    path: impl Fn(f64) -> [f64; 2],
) -> Vec<Match> {
    let mut history = History::new(1, class);
    let mut log = PhaseLog::default();
    let mut found: Vec<Match> = Vec::new();
    let frames = (to_s * fps + 1e-6).floor() as u32;
    for i in 0..=frames {
        let t_s = f64::from(i) / fps;
        let is_red = (red.0..red.1).contains(&t_s);
        let state = if is_red { SignalState::Red } else { SignalState::Green };
        log.read(t_s, UtcUs(0).plus_s(t_s), state);
        if t_s < from_s {
            continue;
        }
        history.push(seen_at(scene, t_s, path(t_s)));
        let done: Vec<(RuleKind, f64)> = found.iter().map(|m| (m.rule, m.act_s)).collect();
        let phases = std::slice::from_ref(&log);
        let context = Context { scene, phases, history: &history, now_s: t_s, ended: i == frames };
        found.extend(ask(context, |rule| done.iter().find(|d| d.0 == rule).map(|d| d.1)));
    }
    found
}

/// A point of a track with its rear at `x`, `y` metres.
pub(super) fn seen_at(scene: &Scene, t_s: f64, [x, y]: [f64; 2]) -> Point {
    let foot = [x * PX_PER_M, 480.0 - y * PX_PER_M];
    let ground = scene.to_ground(foot);
    Point {
        t_s,
        time: CaptureTime { utc: UtcUs(0).plus_s(t_s), error_ms: None, source: TimeSource::File },
        bbox: BoxPx::from([foot[0] as f32 - 10.0, foot[1] as f32 - 34.0, 20.0, 34.0]),
        foot,
        ground,
        ground_measured: ground,
        ground_m_per_px: Some(1.0 / PX_PER_M),
        lane: scene.lane_at(foot),
        cut_off: false,
    }
}

fn of(rule: RuleKind, found: &[Match]) -> Vec<&Match> {
    found.iter().filter(|m| m.rule == rule).collect()
}

const CAR: VehicleClass = VehicleClass::Car;
const MOTORCYCLE: VehicleClass = VehicleClass::Motorcycle;
/// The front wheel of a motorcycle ahead of its rear one, metres, as the rules take it.
const WHEELBASE_M: f64 = 1.25;

proptest! {
    /// Rides through on red: one red-light match, at the first frame with the rear past the line.
    #[test]
    fn red_light_run(fps in 6.0f64..25.0, v in 2.0f64..15.0, late in 0.25f64..3.0, x in 10.5f64..21.5) {
        // The front is at the line at t = 4, red begins `late` before.
        let found = drive(MOTORCYCLE, fps, (4.0 - 10.0 / v, 4.0 + 8.0 / v), (4.0 - late - 0.2, 60.0), |t| {
            [x, 12.0 - WHEELBASE_M + v * (t - 4.0)]
        });
        let red = of(RuleKind::RedLight, &found);
        prop_assert_eq!(red.len(), 1, "{:?}", found);
        let rear_s = 4.0 + WHEELBASE_M / v;
        prop_assert!(red[0].act_s >= rear_s - 1e-6 && red[0].act_s <= rear_s + 1.0 / fps + 1e-6);
        prop_assert!(red[0].before_s < red[0].act_s && red[0].act_s <= red[0].after_s);
        prop_assert!(of(RuleKind::StopLine, &found).is_empty() && of(RuleKind::WrongWay, &found).is_empty());
        prop_assert!((red[0].measured["front_red_for_s"] - late - 0.2).abs() < 1.0 / fps + 0.01);
    }

    /// The front was over the line when red began: no offence, however long the rear takes.
    #[test]
    fn over_the_line_when_red_began(fps in 6.0f64..25.0, v in 1.0f64..15.0, early in 0.02f64..1.0) {
        let found = drive(MOTORCYCLE, fps, (4.0 - 10.0 / v, 4.0 + 8.0 / v), (4.0 + early, 60.0), |t| {
            [15.0, 12.0 - WHEELBASE_M + v * (t - 4.0)]
        });
        prop_assert!(of(RuleKind::RedLight, &found).is_empty(), "{:?}", found);
    }

    /// On green, or coming the other way, or stopping before the line, or short of the junction: nothing.
    #[test]
    fn red_light_near_misses(fps in 6.0f64..25.0, v in 2.0f64..15.0, stop in 6.0f64..10.4) {
        let green = drive(MOTORCYCLE, fps, (0.0, 8.0), (50.0, 60.0), |t| [15.0, 2.0 + v * t]);
        prop_assert!(of(RuleKind::RedLight, &green).is_empty());
        let oncoming = drive(MOTORCYCLE, fps, (0.0, 20.0 / v), (0.0, 60.0), |t| [15.0, 22.0 - v * t]);
        prop_assert!(of(RuleKind::RedLight, &oncoming).is_empty());
        let stops = drive(CAR, fps, (0.0, 9.0), (0.0, 60.0), |t| [15.0, (2.0 + v * t).min(stop - 4.3)]);
        prop_assert!(of(RuleKind::RedLight, &stops).is_empty() && of(RuleKind::StopLine, &stops).is_empty());
        let beside = drive(MOTORCYCLE, fps, (0.0, 18.0 / v), (0.0, 60.0), |t| [24.0, 2.0 + v * t]);
        prop_assert!(of(RuleKind::RedLight, &beside).is_empty());
    }

    /// Stands over the line on red without going on: a stop-line match when red ends, and no red light.
    #[test]
    fn stands_over_the_line(fps in 3.0f64..25.0, over in 0.65f64..1.2, go in 0.0f64..1.0) {
        let found = drive(MOTORCYCLE, fps, (1.0, 20.0), (0.0, 14.0), |t| {
            let rest = 12.0 - WHEELBASE_M + over;
            // Starts after red.
            [15.0, (2.0 + 4.0 * (t - 1.0)).min(rest) + 3.0 * (t - 14.2 - go).max(0.0)]
        });
        let stop = of(RuleKind::StopLine, &found);
        prop_assert_eq!(stop.len(), 1, "{:?}", found);
        prop_assert!((stop[0].measured["over_line_m"] - over).abs() < 0.05);
        prop_assert!(stop[0].measured["stood_s"] >= 3.0);
        prop_assert!(of(RuleKind::RedLight, &found).is_empty());
    }

    /// Not far enough over, not long enough, or there when red began: nothing.
    #[test]
    fn stop_line_near_misses(fps in 3.0f64..25.0, over in -1.0f64..0.35) {
        let stand = |from: f64, over: f64| move |t: f64| {
            [15.0, (2.0 + 4.0 * (t - from)).min(12.0 - WHEELBASE_M + over)]
        };
        let before = drive(MOTORCYCLE, fps, (1.0, 16.0), (0.0, 14.0), stand(1.0, over));
        prop_assert!(of(RuleKind::StopLine, &before).is_empty(), "{:?}", before);
        let short = drive(MOTORCYCLE, fps, (1.0, 6.0), (0.0, 5.0), stand(1.0, 1.0));
        prop_assert!(of(RuleKind::StopLine, &short).is_empty(), "{:?}", short);
        let already = drive(MOTORCYCLE, fps, (1.0, 20.0), (8.0, 18.0), stand(1.0, 1.0));
        prop_assert!(of(RuleKind::StopLine, &already).is_empty(), "{:?}", already);
    }

    /// Started on red from over the line: the red light, not the stop line.
    #[test]
    fn one_act_one_violation(fps in 6.0f64..25.0) {
        let found = drive(MOTORCYCLE, fps, (1.0, 18.0), (0.0, 14.0), |t| {
            [15.0, (2.0 + 4.0 * (t - 1.0)).min(11.7) + 3.0 * (t - 10.0).max(0.0)]
        });
        prop_assert_eq!(found.iter().map(|m| m.rule).collect::<Vec<_>>(), vec![RuleKind::RedLight]);
    }

    /// Against the lane; and along it, across it, or a little back: nothing.
    #[test]
    fn wrong_way(fps in 5.0f64..25.0, v in 1.5f64..9.0) {
        let found = drive(MOTORCYCLE, fps, (0.0, 2.0), (50.0, 60.0), |t| [15.0, 20.0 - v * t]);
        let expected = usize::from(v * 1.9 > 3.6 + v / fps);
        prop_assert!(of(RuleKind::WrongWay, &found).len() >= expected, "{:?}", found);
        for m in of(RuleKind::WrongWay, &found) {
            prop_assert!(m.measured["against_m"] >= 3.5 && m.measured["time_s"] >= 0.4 - 1e-6);
        }
        let along = drive(MOTORCYCLE, fps, (0.0, 2.0), (50.0, 60.0), |t| [15.0, 2.0 + v * t]);
        prop_assert!(of(RuleKind::WrongWay, &along).is_empty());
        let across = drive(MOTORCYCLE, fps, (0.0, 1.0), (50.0, 60.0), |t| [10.2 + v * t, 10.0 - 0.5 * v * t]);
        prop_assert!(of(RuleKind::WrongWay, &across).is_empty());
        let back = drive(CAR, fps, (0.0, 4.0), (50.0, 60.0), |t| [15.0, 10.0 - (0.8 * t).min(3.2)]);
        prop_assert!(of(RuleKind::WrongWay, &back).is_empty());
    }

    /// A car in the lane for two wheels; and a motorcycle, or a car that only cuts its corner: nothing.
    #[test]
    fn wrong_lane(fps in 2.0f64..25.0, v in 3.0f64..9.0) {
        let found = drive(CAR, fps, (0.0, 2.5), (50.0, 60.0), |t| [21.0, v * t]);
        prop_assert_eq!(of(RuleKind::WrongLane, &found).len(), 1);
        let allowed = drive(MOTORCYCLE, fps, (0.0, 2.5), (50.0, 60.0), |t| [21.0, v * t]);
        prop_assert!(of(RuleKind::WrongLane, &allowed).is_empty());
        let cuts = drive(CAR, fps, (0.0, 2.5), (50.0, 60.0), |t| [if v * t < 4.5 { 21.0 } else { 15.0 }, v * t]);
        prop_assert!(of(RuleKind::WrongLane, &cuts).is_empty());
    }

    /// Stands longer than the zone allows; and shorter, or creeping through: nothing.
    #[test]
    fn no_stopping(fps in 1.0f64..12.0, wait in 11.5f64..40.0) {
        let found = drive(CAR, fps, (0.0, wait + 1.0), (50.0, 60.0), |t| [15.0, (3.0 * t).min(3.0)]);
        prop_assert_eq!(of(RuleKind::NoStopping, &found).len(), 1);
        let short = drive(CAR, fps, (0.0, 10.5), (50.0, 60.0), |t| [15.0, (3.0 * t).min(3.0)]);
        prop_assert!(of(RuleKind::NoStopping, &short).is_empty());
        let creeps = drive(CAR, fps, (0.0, 20.0), (50.0, 60.0), |t| [15.0, 0.35 * t]);
        prop_assert!(of(RuleKind::NoStopping, &creeps).is_empty());
    }

    /// Speeds 7 km/h and more over the limit of the class are found and right to 2 km/h; 4 over never.
    #[test]
    fn speed(fps in 8.0f64..25.0, excess in 7.0f64..20.0, jitter in prop::collection::vec(-0.05f64..0.05, 64)) {
        let run = |class, kmh: f64| drive(class, fps, (0.0, 36.0 / (kmh / 3.6)), (50.0, 60.0), |t| {
            [15.0, -14.0 + kmh / 3.6 * t + jitter[(t * fps).round() as usize % 64]]
        });
        for (class, limit) in [(CAR, 50.0), (MOTORCYCLE, 40.0)] {
            let found = run(class, limit + excess);
            let fast = of(RuleKind::Speed, &found);
            prop_assert_eq!(fast.len(), 1, "{:?}", found);
            prop_assert!((fast[0].measured["speed_kmh"] - limit - excess).abs() < 2.0, "{:?}", fast);
            prop_assert_eq!(fast[0].limit["speed_kmh"], limit);
            prop_assert!(of(RuleKind::Speed, &run(class, limit + 4.0)).is_empty());
        }
    }
}
