//! Scenes that make no sense: each is refused with the key, what was expected and what was found; none panics.

use proptest::prelude::*;
use stopline_detect::scene::{Scene, SceneConfig};

const GOOD: &str = r#"
frame_px = [640, 480]
region = "whole"
[[lanes]]
name = "in"
polygon = [[100, 200], [300, 200], [300, 400], [100, 400]]
direction = [0, -1]
[[stop_lines]]
name = "north"
points = [[100, 200], [300, 200]]
direction = [0, -1]
signal = "head"
beyond = [[100, 150], [300, 150]]
[[zones]]
name = "gate"
kind = "no_stopping"
polygon = [[400, 200], [500, 200], [500, 300], [400, 300]]
dwell_s = 30
[[signals]]
name = "head"
box = [500, 50, 20, 60]
[ground]
points = [{ px = [100, 400], m = [0, 0] }, { px = [300, 400], m = [4, 0] }, { px = [290, 210], m = [4, 8] }, { px = [110, 210], m = [0, 8] }]
"#;

fn said(text: &str) -> String {
    let config: SceneConfig = match toml::from_str(text) {
        Ok(config) => config,
        Err(error) => return error.to_string(),
    };
    match Scene::resolve(&config) {
        Ok(_) => "accepted".to_owned(),
        Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }
}

#[test]
fn each_is_refused_with_its_key() {
    assert_eq!(said(GOOD), "accepted");
    let cases: [(&str, &str, &[&str]); 26] = [
        ("frame_px = [640, 480]", "frame_px = [0, 480]", &["scene.frame_px", "[width, height]", "0×480"]),
        ("frame_px = [640, 480]", "frame_px = [-640, 480]", &["frame_px", "-640"]),
        ("frame_px = [640, 480]", "frame_px = [640]", &["frame_px"]),
        ("frame_px = [640, 480]", "frame_px = [4000000000, 4000000000]", &["scene.frame_px", "4000000000"]),
        ("region = \"whole\"", "regoin = \"whole\"", &["unknown field `regoin`"]),
        ("region = \"whole\"", "region = [0, 0, 1e30, 10]", &["scene.region", "inside 640×480"]),
        ("[300, 400], [100, 400]]", "[100, 400], [300, 400]]", &["scene.lanes[0].polygon", "crosses"]),
        ("[300, 400], [100, 400]]", "[300, 200]]", &["scene.lanes[0].polygon"]),
        ("[[100, 200], [300, 200], [300, 400], [100, 400]]", "[]", &["expected 3 or more points, found 0"]),
        ("[300, 400], [100, 400]]", "[300, 1e30], [100, 400]]", &["scene.lanes[0].polygon[2]", "outside the frame"]),
        ("[300, 400], [100, 400]]", "[300, nan], [100, 400]]", &["scene.lanes[0].polygon[2]", "NaN"]),
        ("[300, 400], [100, 400]]", "[inf, 400], [100, 400]]", &["scene.lanes[0].polygon[2]", "inf"]),
        ("direction = [0, -1]\n[[stop", "direction = [0, 0]\n[[stop", &["scene.lanes[0].direction", "[0, 0]"]),
        ("direction = [0, -1]\n[[stop", "direction = [nan, 1]\n[[stop", &["scene.lanes[0].direction", "NaN"]),
        ("points = [[100, 200], [300, 200]]", "points = [[100, 200], [100, 200]]", &["scene.stop_lines[0].points"]),
        ("points = [[100, 200], [300, 200]]", "points = [[100, 200]]", &["2 or more points, found 1"]),
        ("points = [[100, 200], [300, 200]]", "points = [[100, 200], [100, 400]]", &["stop_lines[0].points", "across"]),
        ("beyond = [[100, 150], [300, 150]]", "beyond = [[100, 250], [300, 250]]", &["beyond", "behind the stop line"]),
        ("signal = \"head\"", "signal = \"tail\"", &["no signal named \"tail\"", "known: head"]),
        ("dwell_s = 30", "dwell_s = -3", &["scene.zones[0].dwell_s", "above 0, found -3"]),
        ("dwell_s = 30", "dwell_s = inf", &["scene.zones[0].dwell_s", "inf"]),
        ("kind = \"no_stopping\"", "kind = \"no_dancing\"", &["no_dancing", "no_stopping"]),
        ("box = [500, 50, 20, 60]", "box = [630, 50, 20, 60]", &["scene.signals[0].box", "inside 640×480"]),
        ("box = [500, 50, 20, 60]", "box = [500, 50, 1, nan]", &["scene.signals[0].box", "NaN"]),
        ("m = [4, 8]", "m = [nan, 8]", &["scene.ground.points[2]", "finite"]),
        ("{ px = [290, 210], m = [4, 8] }, ", "", &["scene.ground.points", "4 or more points, found 3"]),
    ];
    for (from, to, words) in cases {
        assert!(GOOD.contains(from), "{from}");
        let said = said(&GOOD.replace(from, to));
        for word in words {
            assert!(said.contains(word), "{to}: expected {word:?} in: {said}");
        }
    }
    let twice = |list: &str, rest: &str| said(&format!("{GOOD}\n[[{list}]]\n{rest}"));
    let lane = "polygon = [[100, 200], [300, 200], [300, 400]]\ndirection = [0, -1]";
    assert!(twice("lanes", &format!("name = \"in\"\n{lane}")).contains("scene.lanes[1].name: \"in\" is used twice"));
    assert!(twice("lanes", &format!("name = \" \"\n{lane}")).contains("scene.lanes[1].name: is empty"));
    assert!(said(&format!("{GOOD}\n[lens]\nk1 = -3\nfocal_px = 300")).contains("scene.lens: k1 = -3"));
    assert!(said(&format!("{GOOD}\n[rules.speed]\nlimit_kmh = {{ car = nan }}")).contains("limit_kmh.car"));
}

/// A number that people or programs may write.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => -50.0f32..700.0,
        1 => Just(f32::NAN),
        1 => Just(f32::INFINITY),
        1 => Just(f32::MAX),
        1 => Just(-f32::MAX),
        1 => Just(f32::MIN_POSITIVE),
        2 => Just(0.0),
    ]
}

proptest! {
    /// Whatever the numbers are, a scene is accepted or refused, and what is accepted can be used.
    #[test]
    fn no_numbers_panic(n in proptest::collection::vec(number(), 40), k in -3.0f64..3.0, focal in 0.0f64..5000.0) {
        let text = |i: usize| match n[i % n.len()] {
            v if v.is_nan() => "nan".to_owned(),
            v if v.is_infinite() => "inf".to_owned(),
            v => format!("{v:e}"),
        };
        let pair = |i: usize| format!("[{}, {}]", text(i), text(i + 1));
        let scene = format!(
            "frame_px = [640, 480]\n[[lanes]]\nname = \"a\"\npolygon = [{}, {}, {}, {}]\ndirection = {}\n\
             [[stop_lines]]\nname = \"s\"\npoints = [{}, {}]\ndirection = {}\nsignal = \"h\"\n\
             [[signals]]\nname = \"h\"\nbox = [{}, {}, {}, {}]\n[lens]\nk1 = {k:e}\nfocal_px = {focal:e}\n\
             [ground]\nmax_error_m = 1e9\npoints = [{{px = {}, m = {}}}, {{px = {}, m = {}}}, {{px = {}, m = {}}}, {{px = {}, m = {}}}]",
            pair(0), pair(2), pair(4), pair(6), pair(8), pair(10), pair(12), pair(14),
            text(16), text(17), text(18), text(19),
            pair(20), pair(22), pair(24), pair(26), pair(28), pair(30), pair(32), pair(34),
        );
        let config: SceneConfig = toml::from_str(&scene).expect("valid TOML");
        if let Ok(scene) = Scene::resolve(&config) {
            prop_assert!(scene.to_ground([320.0, 400.0]).is_none_or(|m| m.iter().all(|m| m.is_finite())));
            prop_assert!(scene.warnings().iter().all(|warning| !warning.is_empty()));
        }
    }
}
