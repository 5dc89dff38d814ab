//! From [`SceneConfig`] to [`Scene`]: every error of a scene at once, each with the key it stands under.

use std::collections::HashSet;
use std::fmt;

use sha2::{Digest, Sha256};
use stopline_types::{PointPx, RuleMode, SignalState, VehicleClass};

use super::config::{LimitsConfig, SceneConfig};
use super::geometry::{self, DirectedLine, Point2, point, sub, unit};
use super::{
    Beyond, ForbiddenTurn, Ground, Lane, Lens, RegionConfig, Scene, SignalHead, SolidLine, StopLine, Turn, TurnOnRed,
    Zone,
};

/// Longest side of a frame, pixels: more than any camera's.
const MOST_PX: u32 = 16_384;

/// One thing that is wrong with a scene.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("scene.{key}: {reason}")]
pub struct SceneError {
    /// Where, e.g. `stop_lines[0].signal`.
    pub key: String,
    /// What was expected and what was found.
    pub reason: String,
}

impl Scene {
    /// Checks a scene. Returns all that is wrong with it.
    pub fn resolve(config: &SceneConfig) -> Result<Self, Vec<SceneError>> {
        let mut check = Check { config, errors: Vec::new() };
        let sides = [config.frame_px.w, config.frame_px.h];
        if !sides.iter().all(|side| (16..=MOST_PX).contains(side)) {
            let found = config.frame_px;
            let reason = format!("expected the frame's [width, height], 16 to {MOST_PX} each, found {found}");
            check.fail("frame_px", reason);
            return Err(check.errors);
        }
        let ground = check.ground();
        check.region();
        let signals = check.signals();
        let stop_lines = check.stop_lines(ground.as_ref());
        let lanes = check.lanes(ground.as_ref());
        let zones = check.zones();
        let solid_lines = check.solid_lines(ground.as_ref());
        let turns = check.turns();
        check.rules();
        if !check.errors.is_empty() {
            return Err(check.errors);
        }
        let rules = config.rules.clone();
        let (version, calibration) = (version(config), calibration(config));
        let scene = Self {
            frame: config.frame_px,
            lanes,
            stop_lines,
            zones,
            solid_lines,
            turns,
            signals,
            ground,
            rules,
            region: None,
            version,
            calibration,
        };
        Ok(Self { region: super::region::of(&scene, config.region), ..scene })
    }
}

/// First 12 digits of SHA-256 over the configuration with its defaults, as JSON. The leading tag changes when the
/// meaning of a scene's fields does.
fn version(config: &SceneConfig) -> String {
    let json = serde_json::to_vec(config).unwrap_or_default();
    let hash = Sha256::new().chain_update(b"scene/1\n").chain_update(json).finalize();
    hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// The same of what is drawn on the picture.
fn calibration(config: &SceneConfig) -> String {
    let SceneConfig { frame_px, lanes, stop_lines, zones, signals, ground, lens, region, solid_lines, turns, rules: _ } =
        config;
    let lanes: Vec<_> = lanes.iter().map(|l| (&l.polygon, l.direction)).collect();
    let stop_lines: Vec<_> = stop_lines.iter().map(|l| (&l.points, &l.beyond)).collect();
    let edges: Vec<_> = solid_lines.iter().map(|l| &l.points).collect();
    let exits: Vec<_> = turns.iter().map(|t| &t.exit).collect();
    let zones: Vec<_> = zones.iter().map(|z| &z.polygon).collect();
    let signals: Vec<_> = signals.iter().map(|s| s.bbox).collect();
    let drawn = (lanes, stop_lines, edges, exits, zones, signals);
    let json = serde_json::to_vec(&(frame_px, drawn, ground, lens, region)).unwrap_or_default();
    let hash = Sha256::new().chain_update(b"calibration/1\n").chain_update(json).finalize();
    hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

struct Check<'a> {
    config: &'a SceneConfig,
    errors: Vec<SceneError>,
}

impl Check<'_> {
    fn fail(&mut self, key: impl fmt::Display, reason: impl fmt::Display) {
        self.errors.push(SceneError { key: key.to_string(), reason: reason.to_string() });
    }

    fn names<'n>(&mut self, list: &str, names: impl Iterator<Item = &'n str>) {
        let mut seen = HashSet::new();
        for (i, name) in names.enumerate() {
            if name.trim().is_empty() {
                self.fail(format_args!("{list}[{i}].name"), "is empty");
            } else if !seen.insert(name) {
                self.fail(format_args!("{list}[{i}].name"), format_args!("{name:?} is used twice"));
            }
        }
    }

    /// Points inside the frame, its border included.
    fn points(&mut self, key: &str, points: &[PointPx], least: usize) -> Option<Vec<Point2>> {
        let (w, h) = (self.config.frame_px.w as f32, self.config.frame_px.h as f32);
        let before = self.errors.len();
        if points.len() < least {
            self.fail(key, format_args!("expected {least} or more points, found {}", points.len()));
        }
        for (i, p) in points.iter().enumerate() {
            if !(0.0..=w).contains(&p.x) || !(0.0..=h).contains(&p.y) {
                let frame = self.config.frame_px;
                self.fail(
                    format_args!("{key}[{i}]"),
                    format_args!("[{}, {}] is outside the frame of {frame}", p.x, p.y),
                );
            }
        }
        (self.errors.len() == before).then(|| points.iter().map(|p| point(*p)).collect())
    }

    fn polygon(&mut self, key: &str, points: &[PointPx]) -> Option<Vec<Point2>> {
        let polygon = self.points(key, points, 3)?;
        if let Some((i, j)) = geometry::crossing_edges(&polygon) {
            self.fail(key, format_args!("the side after point {i} crosses the side after point {j}"));
            return None;
        }
        if geometry::area(&polygon).abs() < 4.0 {
            self.fail(key, "has no area");
            return None;
        }
        Some(polygon)
    }

    fn direction(&mut self, key: &str, vector: PointPx) -> Option<Point2> {
        let direction = unit(point(vector));
        if direction.is_none() {
            self.fail(key, format_args!("expected a direction, found [{}, {}]", vector.x, vector.y));
        }
        direction
    }

    fn positive(&mut self, key: &str, value: f64) {
        if !(value.is_finite() && value > 0.0) {
            self.fail(key, format_args!("expected a number above 0, found {value}"));
        }
    }

    fn not_negative(&mut self, key: &str, value: f64) {
        if !(value.is_finite() && value >= 0.0) {
            self.fail(key, format_args!("expected 0 or more, found {value}"));
        }
    }

    fn limits(&mut self, key: &str, limits: &LimitsConfig) {
        for (class, limit) in limits.entries() {
            if let Some(limit) = limit {
                self.positive(&format!("{key}.{class}"), limit);
            }
        }
    }

    fn ground(&mut self) -> Option<Ground> {
        let config = self.config.ground.as_ref()?;
        self.positive("ground.max_error_m", config.max_error_m);
        for (i, p) in config.points.iter().enumerate() {
            if !p.px.x.is_finite() || !p.px.y.is_finite() || p.m.iter().any(|m| !m.is_finite()) {
                self.fail(format_args!("ground.points[{i}]"), "expected finite numbers");
                return None;
            }
        }
        let pairs: Vec<_> = config.points.iter().map(|p| (point(p.px), p.m)).collect();
        let lens = match self.config.lens.map(|lens| Lens::new(&lens, self.config.frame_px)).transpose() {
            Ok(lens) => lens,
            Err(reason) => {
                self.fail("lens", reason);
                return None;
            }
        };
        let ground = match Ground::fit(pairs, lens) {
            Ok(ground) => ground,
            Err(error) => {
                self.fail("ground.points", error);
                return None;
            }
        };
        let error_m = ground.error_m;
        if error_m > config.max_error_m {
            let most = config.max_error_m;
            self.fail("ground.points", format_args!("fit them only to {error_m:.2} m, expected {most} m or less"));
            return None;
        }
        Some(ground)
    }

    fn region(&mut self) {
        let RegionConfig::Box(b) = self.config.region else { return };
        let frame = self.config.frame_px;
        let fits = b.x >= 0.0 && b.y >= 0.0 && b.right() <= frame.w as f32 && b.bottom() <= frame.h as f32;
        if !(fits && b.w >= 0.1 * frame.w as f32 && b.h >= 0.1 * frame.h as f32) {
            let found = format!("[{}, {}, {}, {}]", b.x, b.y, b.w, b.h);
            self.fail(
                "region",
                format!("expected [x, y, w, h] inside {frame} and a tenth of it each way, found {found}"),
            );
        }
    }

    fn signals(&mut self) -> Vec<SignalHead> {
        let config = self.config;
        self.names("signals", config.signals.iter().map(|s| s.name.as_str()));
        let (w, h) = (config.frame_px.w as f32, config.frame_px.h as f32);
        for (i, s) in config.signals.iter().enumerate() {
            let b = s.bbox;
            let fits = b.x >= 0.0 && b.y >= 0.0 && b.right() <= w && b.bottom() <= h;
            if !(fits && b.w >= 3.0 && b.h >= 3.0) {
                let found = format!("[{}, {}, {}, {}]", b.x, b.y, b.w, b.h);
                let frame = config.frame_px;
                let reason = format!("expected [x, y, w, h] inside {frame} and 3 px or more each way, found {found}");
                self.fail(format_args!("signals[{i}].box"), reason);
            }
            let colours = [SignalState::Red, SignalState::Yellow, SignalState::Green];
            let once: HashSet<_> = s.lamps.iter().collect();
            if s.lamps.is_empty() || once.len() != s.lamps.len() || s.lamps.iter().any(|l| !colours.contains(l)) {
                self.fail(format_args!("signals[{i}].lamps"), "expected each of red, yellow, green at most once");
            }
        }
        let head = |s: &super::SignalConfig| SignalHead {
            name: s.name.clone(),
            bbox: s.bbox,
            layout: s.layout,
            lamps: s.lamps.clone(),
        };
        config.signals.iter().map(head).collect()
    }

    fn stop_lines(&mut self, ground: Option<&Ground>) -> Vec<StopLine> {
        let config = self.config;
        self.names("stop_lines", config.stop_lines.iter().map(|s| s.name.as_str()));
        let mut lines = Vec::new();
        for (i, s) in config.stop_lines.iter().enumerate() {
            let key = |field: &str| format!("stop_lines[{i}].{field}");
            let signal = config.signals.iter().position(|head| head.name == s.signal);
            if signal.is_none() {
                let known: Vec<_> = config.signals.iter().map(|head| head.name.as_str()).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                self.fail(key("signal"), format_args!("no signal named {:?}; known: {known}", s.signal));
            }
            let direction = self.direction(&key("direction"), s.direction);
            let line = self.line(&key("points"), &s.points, direction, ground);
            let beyond = match &s.beyond {
                None => Some(None),
                Some(points) => self.line(&key("beyond"), points, direction, ground).map(Some),
            };
            let (Some(signal), Some((line, line_ground)), Some(beyond)) = (signal, line, beyond) else { continue };
            if let Some((far, _)) = &beyond
                && far.points().iter().any(|p| line.past(*p).distance <= 0.0)
            {
                self.fail(key("beyond"), "expected a line behind the stop line in the direction of travel");
                continue;
            }
            let beyond = beyond.map(|(line, line_ground)| Beyond { line, line_ground });
            let turns_on_red = self.turns_on_red(&key("turns_on_red"), &s.turns_on_red);
            lines.push(StopLine { name: s.name.clone(), line, line_ground, beyond, signal, turns_on_red });
        }
        lines
    }

    fn turns_on_red(&mut self, key: &str, config: &[super::TurnOnRedConfig]) -> Vec<TurnOnRed> {
        let mut turns = Vec::new();
        for (i, t) in config.iter().enumerate() {
            if t.turn == Turn::UTurn {
                self.fail(format_args!("{key}[{i}].turn"), "expected left or right: nobody may turn back on red");
            }
            self.classes(&format!("{key}[{i}].classes"), t.classes.as_deref());
            let Some(exit) = self.exit(&format!("{key}[{i}].exit"), t.exit.as_deref()) else { continue };
            turns.push(TurnOnRed { turn: t.turn, classes: t.classes.clone(), exit });
        }
        turns
    }

    /// A polygon that need not be given; `None` if it is and is wrong.
    fn exit(&mut self, key: &str, points: Option<&[PointPx]>) -> Option<Option<Vec<Point2>>> {
        points.map_or(Some(None), |points| self.polygon(key, points).map(Some))
    }

    fn classes(&mut self, key: &str, classes: Option<&[VehicleClass]>) {
        if classes.is_some_and(<[_]>::is_empty) {
            self.fail(key, "is empty: leave it out for all classes");
        }
    }

    fn solid_lines(&mut self, ground: Option<&Ground>) -> Vec<SolidLine> {
        let config = self.config;
        self.names("solid_lines", config.solid_lines.iter().map(|l| l.name.as_str()));
        let mut lines = Vec::new();
        for (i, l) in config.solid_lines.iter().enumerate() {
            let key = format!("solid_lines[{i}].points");
            // It has no direction of its own: any across it tells its two sides apart.
            let along = l.points.first().zip(l.points.last()).and_then(|(a, b)| unit(sub(point(*b), point(*a))));
            let across = along.map(|along| [along[1], -along[0]]);
            let Some((line, line_ground)) = self.line(&key, &l.points, across, ground) else {
                if across.is_none() {
                    self.fail(&key, "expected two or more points apart from each other");
                }
                continue;
            };
            let crossing_allowed = l.crossing_allowed.clone();
            lines.push(SolidLine { name: l.name.clone(), line, line_ground, crossing_allowed });
        }
        lines
    }

    fn turns(&mut self) -> Vec<ForbiddenTurn> {
        let config = self.config;
        self.names("turns", config.turns.iter().map(|t| t.name.as_str()));
        let mut turns = Vec::new();
        for (i, t) in config.turns.iter().enumerate() {
            let mut from = Vec::new();
            for name in &t.from {
                match config.lanes.iter().position(|lane| lane.name == *name) {
                    Some(lane) => from.push(lane),
                    None => {
                        let known: Vec<_> = config.lanes.iter().map(|lane| lane.name.as_str()).collect();
                        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                        self.fail(
                            format_args!("turns[{i}].from"),
                            format_args!("no lane named {name:?}; known: {known}"),
                        );
                    }
                }
            }
            if t.from.is_empty() {
                self.fail(format_args!("turns[{i}].from"), "expected the names of one or more lanes");
            }
            self.classes(&format!("turns[{i}].classes"), t.classes.as_deref());
            let Some(exit) = self.exit(&format!("turns[{i}].exit"), t.exit.as_deref()) else { continue };
            let (classes, hours) = (t.classes.clone(), t.hours.clone());
            turns.push(ForbiddenTurn { name: t.name.clone(), turn: t.turn, from, exit, classes, hours });
        }
        turns
    }

    fn line(
        &mut self,
        key: &str,
        points: &[PointPx],
        direction: Option<Point2>,
        ground: Option<&Ground>,
    ) -> Option<(DirectedLine, Option<DirectedLine>)> {
        let points = self.points(key, points, 2)?;
        let direction = direction?;
        let Some(line) = DirectedLine::new(points.clone(), direction) else {
            self.fail(key, "expected points apart from each other on a line across the direction of travel");
            return None;
        };
        let Some(ground) = ground else { return Some((line, None)) };
        let on_road: Option<Vec<_>> = points.iter().map(|p| ground.apply(*p)).collect();
        let toward = direction_on_ground(ground, geometry::centroid(&points), direction);
        let on_road = on_road.zip(toward).and_then(|(points, toward)| DirectedLine::new(points, toward));
        if on_road.is_none() {
            self.fail(key, "lies on or above the horizon of ground.points");
            return None;
        }
        Some((line, on_road))
    }

    fn lanes(&mut self, ground: Option<&Ground>) -> Vec<Lane> {
        let config = self.config;
        self.names("lanes", config.lanes.iter().map(|l| l.name.as_str()));
        let mut lanes = Vec::new();
        for (i, l) in config.lanes.iter().enumerate() {
            let direction = self.direction(&format!("lanes[{i}].direction"), l.direction);
            let polygon = self.polygon(&format!("lanes[{i}].polygon"), &l.polygon);
            self.limits(&format!("lanes[{i}].limit_kmh"), &l.limit_kmh);
            self.classes(&format!("lanes[{i}].classes"), l.classes.as_deref());
            if l.hours.is_some() && l.classes.is_none() {
                self.fail(format_args!("lanes[{i}].hours"), "expected `classes` beside it: whom they concern");
            }
            let (Some(direction), Some(polygon)) = (direction, polygon) else { continue };
            let centre = geometry::centroid(&polygon);
            let direction_ground = ground.and_then(|ground| direction_on_ground(ground, centre, direction));
            lanes.push(Lane {
                name: l.name.clone(),
                polygon,
                direction,
                direction_ground,
                classes: l.classes.clone(),
                hours: l.hours.clone(),
                limits: l.limit_kmh,
            });
        }
        lanes
    }

    fn zones(&mut self) -> Vec<Zone> {
        let config = self.config;
        self.names("zones", config.zones.iter().map(|z| z.name.as_str()));
        let mut zones = Vec::new();
        for (i, z) in config.zones.iter().enumerate() {
            let dwell = format!("zones[{i}].dwell_s");
            match (z.kind.stands(), z.dwell_s) {
                (true, Some(dwell_s)) => self.positive(&dwell, dwell_s),
                (true, None) => self.fail(dwell, "is missing: after how many seconds of standing it is an offence"),
                (false, Some(_)) => self.fail(dwell, "belongs to no_stopping and no_parking only"),
                (false, None) => {}
            }
            self.classes(&format!("zones[{i}].classes"), z.classes.as_deref());
            let Some(polygon) = self.polygon(&format!("zones[{i}].polygon"), &z.polygon) else { continue };
            let (classes, hours) = (z.classes.clone(), z.hours.clone());
            let dwell_s = z.dwell_s.unwrap_or(f64::INFINITY);
            zones.push(Zone { name: z.name.clone(), kind: z.kind, polygon, dwell_s, classes, hours });
        }
        zones
    }

    fn rules(&mut self) {
        let rules = &self.config.rules;
        for (key, value) in [
            ("rules.red_light.min_fps", rules.red_light.min_fps),
            ("rules.red_light.after_red_s", rules.red_light.after_red_s),
            ("rules.stop_line.min_fps", rules.stop_line.min_fps),
            ("rules.stop_line.over_m", rules.stop_line.over_m),
            ("rules.wrong_way.min_fps", rules.wrong_way.min_fps),
            ("rules.wrong_lane.min_fps", rules.wrong_lane.min_fps),
            ("rules.no_stopping.min_fps", rules.no_stopping.min_fps),
            ("rules.speed.min_fps", rules.speed.min_fps),
            ("rules.speed.over_kmh", rules.speed.over_kmh),
            ("rules.solid_line.min_fps", rules.solid_line.min_fps),
            ("rules.solid_line.settle_s", rules.solid_line.settle_s),
            ("rules.forbidden_turn.min_fps", rules.forbidden_turn.min_fps),
            ("rules.u_turn.min_fps", rules.u_turn.min_fps),
            ("rules.no_entry.min_fps", rules.no_entry.min_fps),
            ("rules.no_parking.min_fps", rules.no_parking.min_fps),
            ("rules.emergency_lane.min_fps", rules.emergency_lane.min_fps),
            ("rules.pavement.min_fps", rules.pavement.min_fps),
        ] {
            self.not_negative(key, value);
        }
        for (key, value) in [
            ("rules.red_light.go_on_within_s", rules.red_light.go_on_within_s),
            ("rules.stop_line.stand_s", rules.stop_line.stand_s),
            ("rules.wrong_way.distance_m", rules.wrong_way.distance_m),
            ("rules.wrong_way.time_s", rules.wrong_way.time_s),
            ("rules.wrong_lane.distance_m", rules.wrong_lane.distance_m),
            ("rules.wrong_lane.time_s", rules.wrong_lane.time_s),
            ("rules.no_stopping.still_m", rules.no_stopping.still_m),
            ("rules.speed.window_s", rules.speed.window_s),
            ("rules.speed.max_error_kmh", rules.speed.max_error_kmh),
            ("rules.solid_line.clear_m", rules.solid_line.clear_m),
            ("rules.solid_line.within_s", rules.solid_line.within_s),
            ("rules.forbidden_turn.heading_m", rules.forbidden_turn.heading_m),
            ("rules.u_turn.heading_m", rules.u_turn.heading_m),
            ("rules.no_entry.distance_m", rules.no_entry.distance_m),
            ("rules.no_entry.time_s", rules.no_entry.time_s),
            ("rules.no_parking.still_m", rules.no_parking.still_m),
            ("rules.emergency_lane.distance_m", rules.emergency_lane.distance_m),
            ("rules.emergency_lane.time_s", rules.emergency_lane.time_s),
            ("rules.pavement.distance_m", rules.pavement.distance_m),
            ("rules.pavement.time_s", rules.pavement.time_s),
            ("rules.incidents.stopped_s", rules.incidents.stopped_s),
            ("rules.incidents.queue_s", rules.incidents.queue_s),
            ("rules.incidents.queue_vehicles", f64::from(rules.incidents.queue_vehicles)),
        ] {
            self.positive(key, value);
        }
        for (key, turn) in [("rules.forbidden_turn", rules.forbidden_turn), ("rules.u_turn", rules.u_turn)] {
            if !(turn.turn_deg > 0.0 && turn.turn_deg < turn.back_deg && turn.back_deg <= 180.0) {
                let found = format!("found turn_deg {} and back_deg {}", turn.turn_deg, turn.back_deg);
                self.fail(key, format_args!("expected 0 < turn_deg < back_deg <= 180, {found}"));
            }
        }
        for (key, mode) in [("rules.over_riders", rules.over_riders.mode), ("rules.no_helmet", rules.no_helmet.mode)] {
            if mode != RuleMode::Off {
                self.fail(
                    format_args!("{key}.mode"),
                    "expected \"off\": this rule needs a model of riders and helmets, and none is installed",
                );
            }
        }
        if let Some(certificate) = &rules.speed.certificate {
            for (key, text) in [("number", &certificate.number), ("body", &certificate.body)] {
                if text.trim().is_empty() {
                    self.fail(format_args!("rules.speed.certificate.{key}"), "is empty");
                }
            }
            if certificate.last_day().is_none() {
                let found = format!("expected a day like 2027-03-31, found {:?}", certificate.expires);
                self.fail("rules.speed.certificate.expires", found);
            }
        }
        let limits = rules.speed.limit_kmh;
        self.limits("rules.speed.limit_kmh", &limits);
        let limited = self.config.lanes.iter().map(|l| l.limit_kmh).chain([limits]);
        let any_limit = limited.flat_map(|l| l.entries()).any(|(_, limit)| limit.is_some());
        if any_limit && self.config.ground.is_none() && rules.speed.mode != RuleMode::Off {
            self.fail(
                "ground",
                "speed limits are given but no ground points: add them, or set rules.speed.mode = \"off\"",
            );
        }
    }
}

/// A direction in the picture as a direction on the road, at a place.
fn direction_on_ground(ground: &Ground, at: Point2, direction: Point2) -> Option<Point2> {
    let ahead = [at[0] + direction[0], at[1] + direction[1]];
    unit(sub(ground.apply(ahead)?, ground.apply(at)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        frame_px = [640, 480]
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
        [[signals]]
        name = "head"
        box = [500, 50, 20, 60]
    "#;

    fn errors(text: &str) -> Vec<String> {
        let config: SceneConfig = toml::from_str(text).expect("valid TOML");
        Scene::resolve(&config).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_good_scene_resolves_and_its_version_follows_it() {
        let config: SceneConfig = toml::from_str(GOOD).expect("valid TOML");
        let scene = Scene::resolve(&config).expect("good");
        assert_eq!(scene.version().len(), 12);
        assert_eq!(scene.crop_requests(), vec![[0.78125, 50.0 / 480.0, 0.03125, 0.125]]);
        let mut other = config.clone();
        other.rules.red_light.after_red_s = 0.5;
        assert_ne!(Scene::resolve(&other).expect("good").version(), scene.version());
        assert_eq!(scene.scale_from([1280, 960].into()), Ok((0.5, 0.5)));
        assert!(scene.scale_from([1280, 720].into()).is_err());
    }

    #[test]
    fn every_error_is_named_at_once() {
        let bad = GOOD
            .replace("signal = \"head\"", "signal = \"x\"")
            .replace("[300, 400], [100, 400]", "[100, 400], [300, 400]")
            .replace("points = [[100, 200], [300, 200]]", "points = [[100, 200], [700, 200]]");
        let found = errors(&bad);
        assert_eq!(
            found,
            [
                "scene.stop_lines[0].signal: no signal named \"x\"; known: head",
                "scene.stop_lines[0].points[1]: [700, 200] is outside the frame of 640×480",
                "scene.lanes[0].polygon: the side after point 1 crosses the side after point 3",
            ]
        );
    }

    #[test]
    fn ground_limits_and_names_are_checked() {
        let line =
            "[ground]\npoints = [{px=[0,0],m=[0,0]},{px=[10,10],m=[1,1]},{px=[20,20],m=[2,2]},{px=[30,30],m=[3,3]}]";
        let found = errors(&format!("{GOOD}{line}"));
        assert!(
            found[0].starts_with("scene.ground.points: expected 4 points of which no 3 lie on one line"),
            "{found:?}"
        );
        let found = errors(&format!("{GOOD}\n[rules.speed]\nlimit_kmh = {{ car = 50 }}"));
        assert!(found[0].starts_with("scene.ground: speed limits are given"), "{found:?}");
        let found = errors(&format!("{GOOD}\n[[signals]]\nname = \"head\"\nbox = [0, 0, 10, 30]"));
        assert_eq!(found, ["scene.signals[1].name: \"head\" is used twice"]);
        assert!(toml::from_str::<SceneConfig>("frame_px = [640, 480]\nlane = []").is_err());
    }
}
