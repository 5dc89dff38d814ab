//! Mutations: for every threshold of every rule a computed track just over it and one just under it. The first matches
//! and the second does not; with the threshold made stricter the first no longer does, made looser the second does.
//! A rule that ignored its threshold, and a changed default, fail here. Metres as in [`super::made`].

use stopline_types::{RuleKind, RuleMode, VehicleClass};

use super::made::{drive_in, seen_at};
use super::{History, Match, incidents, min_fps_of, mode_of};
use crate::scene::{RulesConfig, Scene, SceneConfig};

const SCENE: &str = r#"
    frame_px = [640, 480]
    signals = [{ name = "head", box = [600, 10, 20, 60] }]
    [[stop_lines]]
    name = "line"
    points = [[200, 240], [440, 240]]
    direction = [0, -1]
    signal = "head"
    beyond = [[200, 160], [440, 160]]
    turns_on_red = [{ turn = "right", classes = ["bicycle"] }]
    [[lanes]]
    name = "up"
    polygon = [[200, 0], [400, 0], [400, 480], [200, 480]]
    direction = [0, -1]
    [[lanes]]
    name = "two wheels"
    polygon = [[401, 0], [440, 0], [440, 480], [401, 480]]
    direction = [0, -1]
    classes = ["motorcycle", "bicycle"]
    [[solid_lines]]
    name = "middle"
    points = [[300, 460], [300, 20]]
    crossing_allowed = ["bicycle"]
    [[turns]]
    name = "no left turn"
    turn = "left"
    from = ["up"]
    [[turns]]
    name = "no turning back"
    turn = "u_turn"
    from = ["up"]
    [[zones]]
    name = "kerb"
    kind = "no_stopping"
    polygon = [[200, 300], [440, 300], [440, 480], [200, 480]]
    dwell_s = 10
    [[zones]]
    name = "bay"
    kind = "no_parking"
    polygon = [[480, 300], [560, 300], [560, 480], [480, 480]]
    dwell_s = 20
    [[zones]]
    name = "pavement"
    kind = "pavement"
    polygon = [[40, 0], [120, 0], [120, 480], [40, 480]]
    [[zones]]
    name = "shoulder"
    kind = "emergency_lane"
    polygon = [[130, 0], [190, 0], [190, 480], [130, 480]]
    [[zones]]
    name = "closed to cars in the morning"
    kind = "no_entry"
    polygon = [[570, 0], [630, 0], [630, 480], [570, 480]]
    classes = ["car", "truck"]
    hours = ["06:00-09:00"]
    [ground]
    points = [
      { px = [0, 480], m = [0, 0] }, { px = [640, 480], m = [32, 0] },
      { px = [0, 0], m = [0, 24] }, { px = [640, 0], m = [32, 24] },
    ]
    [rules.speed]
    limit_kmh = { default = 50 }
"#;

const CAR: VehicleClass = VehicleClass::Car;
const MOTORCYCLE: VehicleClass = VehicleClass::Motorcycle;
const BICYCLE: VehicleClass = VehicleClass::Bicycle;
/// Green for as long as anything lasts.
const GREEN: (f64, f64) = (1e6, 2e6);
const FPS: f64 = 20.0;

fn scene(change: impl Fn(&mut SceneConfig)) -> Scene {
    let mut config: SceneConfig = toml::from_str(SCENE).expect("valid TOML");
    change(&mut config);
    Scene::resolve(&config).expect("a good scene")
}

fn any(rule: RuleKind, found: &[Match]) -> bool {
    found.iter().any(|m| m.rule == rule)
}

/// A threshold, set to a value, and whether a track matches that is over it (`true`) or under it.
fn check(
    name: &str,
    rule: RuleKind,
    [stricter, looser]: [f64; 2],
    set: impl Fn(&mut RulesConfig, f64),
    run: impl Fn(&Scene, bool) -> Vec<Match>,
) {
    let plain = scene(|_| ());
    let mutated = |value: f64| scene(|config| set(&mut config.rules, value));
    assert!(any(rule, &run(&plain, true)), "{name}: over it, no match");
    assert!(!any(rule, &run(&plain, false)), "{name}: under it, a match");
    assert!(!any(rule, &run(&mutated(stricter), true)), "{name}: stricter, still a match");
    assert!(any(rule, &run(&mutated(looser), false)), "{name}: looser, still no match");
}

#[test]
fn red_light_thresholds() {
    let rule = RuleKind::RedLight;
    // A rear at 12 - 1.25 has its front at the line: that is at t = 4.
    check(
        "after_red_s",
        rule,
        [0.3, 0.0],
        |r, v| r.red_light.after_red_s = v,
        |scene, over| {
            let red = if over { 3.85 } else { 3.95 };
            drive_in(scene, MOTORCYCLE, FPS, (2.0, 6.0), (red, 60.0), |t| [15.0, 10.75 + 8.0 * (t - 4.0)])
        },
    );
    check(
        "go_on_within_s",
        rule,
        [5.0, 15.0],
        |r, v| r.red_light.go_on_within_s = v,
        |scene, over| {
            let pace = 3.9 / if over { 9.0 } else { 11.0 };
            drive_in(scene, MOTORCYCLE, FPS, (0.0, 18.0), (1.0, 60.0), |t| {
                [13.0, if t < 4.0 { 12.05 + 2.5 * (t - 4.0) } else { 12.05 + pace * (t - 4.0) }]
            })
        },
    );
}

#[test]
fn stop_line_thresholds() {
    let rule = RuleKind::StopLine;
    // Comes to a stand at t = 3; standing is told 0.64 s later.
    let stand = |over: f64| move |t: f64| [13.0, 12.0 - 1.25 + over - 4.0 * (3.0 - t).max(0.0)];
    check(
        "stand_s",
        rule,
        [4.0, 2.0],
        |r, v| r.stop_line.stand_s = v,
        |scene, over| {
            let end = if over { 7.0 } else { 6.3 };
            drive_in(scene, MOTORCYCLE, FPS, (1.0, 9.0), (0.5, end), stand(1.0))
        },
    );
    check(
        "over_m",
        rule,
        [0.6, 0.1],
        |r, v| r.stop_line.over_m = v,
        |scene, over| {
            let by = if over { 0.55 } else { 0.45 };
            drive_in(scene, MOTORCYCLE, FPS, (1.0, 14.0), (0.5, 12.0), stand(by))
        },
    );
}

#[test]
fn wrong_way_thresholds() {
    let rule = RuleKind::WrongWay;
    check(
        "distance_m",
        rule,
        [4.5, 2.5],
        |r, v| r.wrong_way.distance_m = v,
        |scene, over| {
            let way = if over { 3.7 } else { 3.3 };
            drive_in(scene, MOTORCYCLE, FPS, (0.0, 4.0), GREEN, |t| [13.0, 20.0 - (2.0 * t).min(way)])
        },
    );
    check(
        "time_s",
        rule,
        [0.6, 0.2],
        |r, v| r.wrong_way.time_s = v,
        |scene, over| {
            let seen = if over { 0.45 } else { 0.35 };
            drive_in(scene, MOTORCYCLE, FPS, (0.0, seen), GREEN, |t| [13.0, 20.0 - 10.0 * t])
        },
    );
}

#[test]
fn wrong_lane_thresholds() {
    let rule = RuleKind::WrongLane;
    check(
        "distance_m",
        rule,
        [8.0, 3.0],
        |r, v| r.wrong_lane.distance_m = v,
        |scene, over| {
            let way = if over { 5.3 } else { 4.7 };
            drive_in(scene, CAR, FPS, (0.0, 4.0), GREEN, |t| [21.0, 2.0 + (3.0 * t).min(way)])
        },
    );
    check(
        "time_s",
        rule,
        [1.5, 0.5],
        |r, v| r.wrong_lane.time_s = v,
        |scene, over| drive_in(scene, CAR, FPS, (0.0, if over { 1.1 } else { 0.9 }), GREEN, |t| [21.0, 2.0 + 8.0 * t]),
    );
    // Only in its hours.
    let with = |hours: &str| {
        let hours = crate::scene::Hours::try_from(vec![hours.to_owned()]).expect("hours");
        scene(|config| config.lanes[1].hours = Some(hours.clone()))
    };
    let run = |scene: &Scene| drive_in(scene, CAR, FPS, (0.0, 2.0), GREEN, |t| [21.0, 2.0 + 5.0 * t]);
    // Tracks begin at 1970-01-01T00:00Z, which is 07:00 in Vietnam.
    assert!(any(rule, &run(&with("06:00-09:00"))) && !any(rule, &run(&with("16:00-20:00"))));
}

#[test]
fn standing_thresholds() {
    let creep = |x: f64, y: f64, pace: f64| move |t: f64| [x, y + pace * t];
    check(
        "still_m",
        RuleKind::NoStopping,
        [0.5, 2.0],
        |r, v| r.no_stopping.still_m = v,
        |scene, over| drive_in(scene, CAR, 5.0, (0.0, 14.0), GREEN, creep(13.0, 2.0, if over { 0.09 } else { 0.115 })),
    );
    check(
        "parking still_m",
        RuleKind::NoParking,
        [0.5, 2.0],
        |r, v| r.no_parking.still_m = v,
        |scene, over| {
            drive_in(scene, CAR, 5.0, (0.0, 24.0), GREEN, creep(26.0, 2.0, if over { 0.045 } else { 0.0575 }))
        },
    );
    for (rule, x, dwell) in [(RuleKind::NoStopping, 13.0, 10.0), (RuleKind::NoParking, 26.0, 20.0)] {
        let stand = |s: f64| any(rule, &drive_in(&scene(|_| ()), CAR, 5.0, (0.0, s), GREEN, |_| [x, 3.0]));
        assert!(stand(dwell + 0.4) && !stand(dwell - 0.4), "{rule}");
        let longer = scene(|config| config.zones.iter_mut().for_each(|z| z.dwell_s = z.dwell_s.map(|d| d + 5.0)));
        assert!(!any(rule, &drive_in(&longer, CAR, 5.0, (0.0, dwell + 0.4), GREEN, |_| [x, 3.0])), "{rule}");
    }
}

#[test]
fn driving_in_zones_thresholds() {
    type Set = fn(&mut RulesConfig) -> &mut crate::scene::DrivesInConfig;
    let kinds: [(RuleKind, f64, Set); 3] = [
        (RuleKind::Pavement, 4.0, |r| &mut r.pavement),
        (RuleKind::EmergencyLane, 8.0, |r| &mut r.emergency_lane),
        (RuleKind::NoEntry, 30.0, |r| &mut r.no_entry),
    ];
    for (rule, x, config) in kinds {
        check(
            "distance_m",
            rule,
            [9.0, 4.0],
            |r, v| config(r).distance_m = v,
            |scene, over| {
                let way = if over { 6.3 } else { 5.7 };
                drive_in(scene, CAR, FPS, (0.0, 4.0), GREEN, |t| [x, 2.0 + (3.0 * t).min(way)])
            },
        );
        check(
            "time_s",
            rule,
            [1.5, 0.5],
            |r, v| config(r).time_s = v,
            |scene, over| {
                drive_in(scene, CAR, FPS, (0.0, if over { 1.1 } else { 0.9 }), GREEN, |t| [x, 2.0 + 10.0 * t])
            },
        );
    }
    // Only the classes and the hours that the zone names.
    let run = |scene: &Scene, class| {
        any(RuleKind::NoEntry, &drive_in(scene, class, FPS, (0.0, 3.0), GREEN, |t| [30.0, 2.0 + 5.0 * t]))
    };
    assert!(run(&scene(|_| ()), CAR) && !run(&scene(|_| ()), MOTORCYCLE));
    let evening = crate::scene::Hours::try_from(vec!["17:00-20:00".to_owned()]).expect("hours");
    assert!(!run(&scene(|config| config.zones[4].hours = Some(evening.clone())), CAR));
}

#[test]
fn solid_line_thresholds() {
    let rule = RuleKind::SolidLine;
    // From `a` metres left of the line at x = 15 to as many right of it, at `pace` across.
    let cross = |a: f64, pace: f64| move |t: f64| [15.0 + (pace * (t - 1.0) - a).clamp(-a, a), 2.0 + 2.0 * t];
    check(
        "clear_m",
        rule,
        [0.6, 0.2],
        |r, v| r.solid_line.clear_m = v,
        |scene, over| drive_in(scene, CAR, FPS, (0.0, 6.0), GREEN, cross(if over { 0.45 } else { 0.35 }, 1.0)),
    );
    check(
        "within_s",
        rule,
        [2.0, 4.0],
        |r, v| r.solid_line.within_s = v,
        |scene, over| drive_in(scene, CAR, FPS, (0.0, 9.0), GREEN, cross(0.6, if over { 0.3 } else { 0.25 })),
    );
    // Over the line, and back after a while: within the time that is waited it was no crossing.
    check(
        "settle_s",
        rule,
        [3.0, 1.0],
        |r, v| r.solid_line.settle_s = v,
        |scene, over| {
            let back = if over { 2.6 } else { 1.4 };
            drive_in(scene, CAR, FPS, (0.0, 7.0), GREEN, |t| {
                let side = if (1.0..1.0 + back).contains(&t) { 0.5 } else { -0.5 };
                [15.0 + side, 2.0 + 2.0 * t]
            })
        },
    );
    let run = |class, path: &dyn Fn(f64) -> [f64; 2]| {
        any(rule, &drive_in(&scene(|_| ()), class, FPS, (0.0, 6.0), GREEN, path))
    };
    assert!(!run(BICYCLE, &cross(0.6, 1.0)), "a class that may");
    assert!(!run(CAR, &|t| [14.7, 2.0 + 3.0 * t]), "along it");
    assert!(!run(CAR, &|t| [15.0 + t - 3.0, 23.4]), "beyond its end");
}

/// Straight up from `from`, then an arc of `radius` to the left by `deg`, then straight on for `rest` metres.
fn turning(from: [f64; 2], straight: f64, radius: f64, deg: f64) -> impl Fn(f64) -> [f64; 2] {
    move |way: f64| {
        if way <= straight {
            return [from[0], from[1] + way];
        }
        let arc = deg.to_radians() * radius;
        let angle = ((way - straight) / radius).min(deg.to_radians());
        let rest = (way - straight - arc).max(0.0);
        let centre = [from[0] - radius, from[1] + straight];
        [centre[0] + radius * angle.cos() - rest * angle.sin(), centre[1] + radius * angle.sin() + rest * angle.cos()]
    }
}

#[test]
fn turn_thresholds() {
    let v = 4.0;
    let left = |scene: &Scene, from, straight, radius: f64, deg: f64, rest: f64| {
        let path = turning(from, straight, radius, deg);
        let way = straight + deg.to_radians() * radius + rest;
        drive_in(scene, CAR, FPS, (0.0, way / v), GREEN, move |t| path(v * t))
    };
    check(
        "turn_deg",
        RuleKind::ForbiddenTurn,
        [65.0, 40.0],
        |r, v| r.forbidden_turn.turn_deg = v,
        |scene, over| left(scene, [12.0, 2.0], 8.0, 3.0, if over { 55.0 } else { 45.0 }, 7.0),
    );
    check(
        "heading_m",
        RuleKind::ForbiddenTurn,
        [5.0, 1.2],
        |r, v| r.forbidden_turn.heading_m = v,
        |scene, over| left(scene, [10.2, 2.0], 8.0, 0.05, 60.0, if over { 3.0 } else { 1.7 }),
    );
    check(
        "turn back_deg",
        RuleKind::UTurn,
        [170.0, 130.0],
        |r, v| r.u_turn.back_deg = v,
        |scene, over| left(scene, [15.0, 4.0], 8.0, 3.0, if over { 152.0 } else { 138.0 }, 4.0),
    );
    // A left turn that becomes a U-turn is one act; a turn to the allowed side and a change of lanes are none.
    let back = left(&scene(|_| ()), [15.0, 4.0], 8.0, 3.0, 180.0, 6.0);
    assert!(any(RuleKind::UTurn, &back) && !any(RuleKind::ForbiddenTurn, &back), "{back:?}");
    assert!(!any(RuleKind::WrongWay, &back) && !any(RuleKind::SolidLine, &back), "{back:?}");
    let turn = left(&scene(|_| ()), [12.0, 2.0], 8.0, 3.0, 90.0, 7.0);
    let turn: Vec<_> = turn.iter().filter(|m| m.rule == RuleKind::ForbiddenTurn).collect();
    assert_eq!(turn.iter().map(|m| m.variant).collect::<Vec<_>>(), [Some("left")]);
    assert!((turn[0].measured["turned_deg"] - 90.0).abs() < 2.0, "{turn:?}");
    let right = turning([18.0, 2.0], 8.0, 3.0, 90.0);
    let found = drive_in(&scene(|_| ()), CAR, FPS, (0.0, 5.0), GREEN, |t| {
        let [x, y] = right(v * t);
        [36.0 - x, y]
    });
    assert!(!any(RuleKind::ForbiddenTurn, &found), "{found:?}");
}

#[test]
fn a_turn_on_red_where_a_board_allows_it() {
    let v = 5.0;
    let run = |class, deg: f64| {
        let path = turning([15.0, 2.0], 9.0, 4.0, deg);
        // To the right: mirrored about x = 15.
        any(
            RuleKind::RedLight,
            &drive_in(&scene(|_| ()), class, FPS, (0.0, 4.6), (0.0, 60.0), |t| {
                let [x, y] = path(v * t);
                [30.0 - x, y]
            }),
        )
    };
    assert!(!run(BICYCLE, 80.0), "the class may turn");
    assert!(run(MOTORCYCLE, 30.0), "the class may not, and goes on past the line");
    assert!(run(BICYCLE, 5.0), "straight on is no turn");
    assert!(!run(BICYCLE, 30.0), "lost in the turn: nobody is accused");
}

#[test]
fn speed_thresholds() {
    let rule = RuleKind::Speed;
    let run = |scene: &Scene, kmh: f64, seen_s: f64, jitter: f64| {
        drive_in(scene, CAR, FPS, (0.0, seen_s), GREEN, |t| {
            let side = if ((t * FPS).round() as u32).is_multiple_of(2) { jitter } else { -jitter };
            [13.0, -8.0 + kmh / 3.6 * t + side]
        })
    };
    check(
        "over_kmh",
        rule,
        [8.0, 3.0],
        |r, v| r.speed.over_kmh = v,
        |scene, over| run(scene, if over { 55.6 } else { 54.4 }, 2.0, 0.0),
    );
    check(
        "max_error_kmh",
        rule,
        [1.0, 60.0],
        |r, v| r.speed.max_error_kmh = v,
        |scene, over| run(scene, 90.0, 1.6, if over { 0.4 } else { 2.0 }),
    );
    check(
        "window_s",
        rule,
        [3.0, 0.3],
        |r, v| r.speed.window_s = v,
        |scene, over| run(scene, 80.0, if over { 1.5 } else { 0.6 }, 0.0),
    );
}

#[test]
fn an_expired_certificate_is_said() {
    let run = |expires: &str| {
        let certificate = crate::scene::CertificateConfig {
            number: "V07.CN5.0123.25".into(),
            body: "Viện Đo lường Việt Nam".into(),
            expires: expires.into(),
        };
        let scene = scene(|config| config.rules.speed.certificate = Some(certificate.clone()));
        let found = drive_in(&scene, CAR, FPS, (0.0, 1.6), GREEN, |t| [13.0, -8.0 + 20.0 * t]);
        found.iter().find(|m| m.rule == RuleKind::Speed).expect("a match").measured["certificate_expired"]
    };
    assert_eq!((run("1970-01-01"), run("1969-12-31")), (0.0, 1.0));
}

#[test]
fn modes_and_frame_rates_belong_to_their_rules() {
    type Fields = fn(&mut RulesConfig) -> (&mut RuleMode, &mut f64);
    let fields: [(RuleKind, Fields); 13] = [
        (RuleKind::RedLight, |r| (&mut r.red_light.mode, &mut r.red_light.min_fps)),
        (RuleKind::StopLine, |r| (&mut r.stop_line.mode, &mut r.stop_line.min_fps)),
        (RuleKind::WrongWay, |r| (&mut r.wrong_way.mode, &mut r.wrong_way.min_fps)),
        (RuleKind::WrongLane, |r| (&mut r.wrong_lane.mode, &mut r.wrong_lane.min_fps)),
        (RuleKind::SolidLine, |r| (&mut r.solid_line.mode, &mut r.solid_line.min_fps)),
        (RuleKind::ForbiddenTurn, |r| (&mut r.forbidden_turn.mode, &mut r.forbidden_turn.min_fps)),
        (RuleKind::UTurn, |r| (&mut r.u_turn.mode, &mut r.u_turn.min_fps)),
        (RuleKind::NoEntry, |r| (&mut r.no_entry.mode, &mut r.no_entry.min_fps)),
        (RuleKind::NoStopping, |r| (&mut r.no_stopping.mode, &mut r.no_stopping.min_fps)),
        (RuleKind::NoParking, |r| (&mut r.no_parking.mode, &mut r.no_parking.min_fps)),
        (RuleKind::EmergencyLane, |r| (&mut r.emergency_lane.mode, &mut r.emergency_lane.min_fps)),
        (RuleKind::Pavement, |r| (&mut r.pavement.mode, &mut r.pavement.min_fps)),
        (RuleKind::Speed, |r| (&mut r.speed.mode, &mut r.speed.min_fps)),
    ];
    for (rule, field) in fields {
        let changed = scene(|config| {
            let (mode, fps) = field(&mut config.rules);
            (*mode, *fps) = (RuleMode::Shadow, 17.5);
        });
        for other in RuleKind::ALL {
            assert_eq!(mode_of(&changed, other) == RuleMode::Shadow, other == rule, "{rule} {other}");
            assert_eq!(min_fps_of(&changed, other) == 17.5, other == rule, "{rule} {other}");
        }
    }
}

#[test]
fn rules_without_a_model_are_refused() {
    for key in ["over_riders", "no_helmet"] {
        let text = format!("{SCENE}\n[rules.{key}]\nmode = \"live\"");
        let config: SceneConfig = toml::from_str(&text).expect("valid TOML");
        let errors = Scene::resolve(&config).expect_err("refused");
        let said = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        assert!(said.contains(&format!("scene.rules.{key}.mode")) && said.contains("none is installed"), "{said}");
    }
}

/// Vehicles that stand one behind the other in the lane `up` for `stood` seconds, and one that drives past.
fn queue(scene: &Scene, count: u32, stood: f64, passing: bool) -> Vec<History> {
    let track = |id: u32, path: &dyn Fn(f64) -> [f64; 2]| {
        let mut history = History::new(u64::from(id), CAR);
        for i in 0..=(stood * 4.0).round() as u32 {
            let t_s = f64::from(i) / 4.0;
            history.push(seen_at(scene, t_s, path(t_s)));
        }
        history
    };
    let mut all: Vec<History> = (0..count).map(|i| track(i, &|_| [13.0, 1.0 + 4.0 * f64::from(i)])).collect();
    if passing {
        all.push(track(99, &|t| [17.0, (5.0 * t) % 22.0]));
    }
    all
}

#[test]
fn incident_thresholds() {
    let kinds = |scene: &Scene, count, stood: f64, passing| {
        let tracks = queue(scene, count, stood, passing);
        incidents::check(scene, tracks.iter(), stood).iter().map(|f| f.kind).collect::<Vec<_>>()
    };
    let plain = scene(|_| ());
    assert_eq!(kinds(&plain, 1, 61.0, true), ["stopped_vehicle"]);
    assert!(kinds(&plain, 1, 59.0, true).is_empty() && kinds(&plain, 1, 61.0, false).is_empty());
    assert_eq!(kinds(&plain, 5, 61.0, false), ["queue"]);
    assert!(kinds(&plain, 4, 61.0, false).is_empty() && kinds(&plain, 5, 59.0, false).is_empty());
    let changed = scene(|config| {
        let rule = &mut config.rules.incidents;
        (rule.stopped_s, rule.queue_s, rule.queue_vehicles) = (70.0, 50.0, 4);
    });
    assert!(kinds(&changed, 1, 61.0, true).is_empty());
    assert_eq!(kinds(&changed, 4, 51.0, false), ["queue"]);
    assert!(kinds(&changed, 4, 49.0, false).is_empty());
}
