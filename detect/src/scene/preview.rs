//! A scene drawn on a frame, for whoever draws scenes: lanes with names and directions, stop lines, zones, signal heads, the
//! ground grid in metres with the errors of its points, the analysed region.

mod canvas;

use stopline_types::{BgrImage, BoxPx};

use super::geometry::{Point2, centroid, unit};
use super::{Ground, Scene, ZoneKind};
use canvas::{Canvas, Colour};

const LANES: [Colour; 6] =
    [[80, 200, 80], [230, 160, 40], [60, 190, 230], [200, 100, 220], [220, 220, 80], [100, 140, 255]];
const STOP_LINE: Colour = [50, 50, 255];
const BEYOND: Colour = [0, 140, 255];
const ZONE: Colour = [220, 60, 220];
const SOLID: Colour = [40, 90, 255];
const SIGNAL: Colour = [255, 230, 60];
const GRID: Colour = [255, 255, 255];
const POINT: Colour = [0, 255, 255];
const REGION: Colour = [190, 190, 190];
const WARNING: Colour = [60, 120, 255];

/// Lines of the metre grid at most, each way: a horizon must not fill the picture.
const MOST_LINES: usize = 240;

/// Draws the scene on a picture of its stream. Says why not when the shapes differ.
pub fn draw(scene: &Scene, picture: &mut BgrImage) -> Result<(), String> {
    let (sx, sy) = scene.scale_from(picture.size)?;
    let mut canvas = Canvas::new(picture, [1.0 / sx, 1.0 / sy]);
    if let Some(ground) = &scene.ground {
        grid(&mut canvas, ground);
    }
    for (lane, colour) in scene.lanes.iter().zip(LANES.into_iter().cycle()) {
        canvas.polygon(&lane.polygon, colour, 0.22);
    }
    for zone in &scene.zones {
        canvas.polygon(&zone.polygon, ZONE, 0.25);
        let kind = match zone.kind {
            ZoneKind::NoStopping => format!("no stopping, {} s", zone.dwell_s),
            ZoneKind::NoParking => format!("no parking, {} s", zone.dwell_s),
            ZoneKind::NoEntry => "no entry".to_owned(),
            ZoneKind::EmergencyLane => "emergency lane".to_owned(),
            ZoneKind::Pavement => "pavement".to_owned(),
        };
        canvas.label(centroid(&zone.polygon), &format!("{}: {kind}", zone.name), ZONE);
    }
    let step = f64::from(scene.frame.w) / 14.0;
    for stop in &scene.stop_lines {
        canvas.line(stop.line.points(), STOP_LINE, 3);
        if let Some(beyond) = &stop.beyond {
            canvas.line(beyond.line.points(), BEYOND, 2);
            canvas.label(beyond.line.points()[0], &format!("{}: gone on", stop.name), BEYOND);
        }
        let middle = centroid(stop.line.points());
        canvas.arrow(middle, stop.line.direction, step * 0.6, STOP_LINE);
        let head = scene.signals.get(stop.signal).map_or("", |head| head.name.as_str());
        canvas.label(stop.line.points()[0], &format!("stop line {}, signal {head}", stop.name), STOP_LINE);
    }
    for edge in &scene.solid_lines {
        canvas.line(edge.line.points(), SOLID, 3);
        canvas.label(centroid(edge.line.points()), &format!("solid line {}", edge.name), SOLID);
    }
    for turn in &scene.turns {
        if let Some(exit) = &turn.exit {
            canvas.polygon(exit, ZONE, 0.15);
            canvas.label(centroid(exit), &format!("{}: forbidden", turn.name), ZONE);
        }
    }
    for (lane, colour) in scene.lanes.iter().zip(LANES.into_iter().cycle()) {
        let middle = centroid(&lane.polygon);
        canvas.arrow(middle, lane.direction, step, colour);
        let classes = lane.classes.as_ref().map(|classes| {
            let words: Vec<_> = classes.iter().map(ToString::to_string).collect();
            format!(" ({})", words.join(", "))
        });
        canvas.label(middle, &format!("{}{}", lane.name, classes.unwrap_or_default()), colour);
    }
    for head in &scene.signals {
        canvas.rectangle(&head.bbox, SIGNAL, 2);
        let lamps: String = head.lamps.iter().filter_map(|lamp| lamp.as_str().chars().next()).collect();
        let b = head.bbox;
        canvas.label([f64::from(b.x), f64::from(b.bottom()) + 4.0 * sy], &format!("{} ({lamps})", head.name), SIGNAL);
    }
    if let Some(region) = &scene.region {
        canvas.rectangle(region, REGION, 1);
        canvas.label([f64::from(region.x), f64::from(region.y)], "analysed region", REGION);
    }
    notes(&mut canvas, scene);
    Ok(())
}

/// Every metre, every fifth stronger, over the part of the road that the given points span and a little around.
fn grid(canvas: &mut Canvas<'_>, ground: &Ground) {
    let metres = ground.points.iter().map(|(_, m)| *m);
    let around = |b: [f64; 4], [x, y]: Point2| [b[0].min(x), b[1].min(y), b[2].max(x), b[3].max(y)];
    let [left, near, right, far] = metres.fold([f64::MAX, f64::MAX, f64::MIN, f64::MIN], around);
    let (left, near, right, far) = (left.floor() - 2.0, near.floor() - 5.0, right.ceil() + 2.0, far.ceil() + 5.0);
    let lines = |from: f64, to: f64| {
        let step = if to - from > MOST_LINES as f64 { 5 } else { 1 };
        (from as i64..=to as i64).step_by(step).take(MOST_LINES)
    };
    let along = |canvas: &mut Canvas<'_>, from: Point2, to: Point2, strong: bool| {
        // In pieces: a straight line of the road is bent by a lens, and part of it may lie behind the camera.
        let at = |i: i32| {
            let u = f64::from(i) / 48.0;
            ground.to_px([from[0] + u * (to[0] - from[0]), from[1] + u * (to[1] - from[1])])
        };
        for i in 0..48 {
            if let (Some(a), Some(b)) = (at(i), at(i + 1)) {
                canvas.faint(a, b, GRID, if strong { 0.55 } else { 0.22 });
            }
        }
    };
    for x in lines(left, right) {
        along(canvas, [x as f64, near], [x as f64, far], x % 5 == 0);
    }
    for y in lines(near, far) {
        along(canvas, [left, y as f64], [right, y as f64], y % 5 == 0);
        if y % 5 == 0
            && let Some(at) = ground.to_px([right, y as f64])
        {
            canvas.label(at, &format!("{y} m"), GRID);
        }
    }
    for (i, (px, _)) in ground.points.iter().enumerate() {
        canvas.cross(*px, POINT);
        let off = ground.left_out_m[i].map_or_else(|| "unchecked".to_owned(), |off| format!("{off:.2} m"));
        canvas.label([px[0], px[1]], &format!("{i}: {off}"), POINT);
    }
}

/// What the scene is worth, in words, in the lower left corner.
fn notes(canvas: &mut Canvas<'_>, scene: &Scene) {
    let mut said = vec![(format!("scene {}, drawn on {}", scene.version(), scene.frame), GRID)];
    match &scene.ground {
        Some(ground) => {
            let left_out = ground.left_out_rms_m().map_or_else(|| "unknown".to_owned(), |m| format!("{m:.2} m"));
            said.push((
                format!(
                    "ground: {} points, error {:.2} m = {:.1} px, each left out {left_out}",
                    ground.points.len(),
                    ground.error_m,
                    ground.error_px
                ),
                GRID,
            ));
        }
        None => said.push(("no ground points: no speeds, distances guessed".to_owned(), GRID)),
    }
    said.extend(scene.warnings().into_iter().map(|warning| (warning, WARNING)));
    canvas.notes(&said);
}

/// A box as its corners.
fn corners(b: &BoxPx) -> [Point2; 5] {
    let (left, top, right, bottom) = (f64::from(b.x), f64::from(b.y), f64::from(b.right()), f64::from(b.bottom()));
    [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
}

/// The head of an arrow that ends at `tip` and points along `direction`: its two other corners.
fn arrow_head(tip: Point2, direction: Point2, size: f64) -> Option<[Point2; 2]> {
    let [dx, dy] = unit(direction)?;
    let back = [tip[0] - size * dx, tip[1] - size * dy];
    let half = size * 0.5;
    Some([[back[0] - half * dy, back[1] + half * dx], [back[0] + half * dy, back[1] - half * dx]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::SceneConfig;
    use stopline_types::SizePx;

    fn scene() -> Scene {
        let text = r#"
            frame_px = [640, 360]
            region = "road"
            [[lanes]]
            name = "in"
            polygon = [[100, 150], [300, 150], [300, 350], [100, 350]]
            direction = [0, -1]
            [[stop_lines]]
            name = "north"
            points = [[100, 150], [300, 150]]
            direction = [0, -1]
            signal = "head"
            [[signals]]
            name = "head"
            box = [500, 50, 20, 60]
            [[zones]]
            name = "gate"
            kind = "no_stopping"
            polygon = [[400, 200], [500, 200], [500, 300], [400, 300]]
            dwell_s = 30
            [ground]
            points = [
              { px = [100, 350], m = [0, 0] }, { px = [300, 350], m = [4, 0] },
              { px = [290, 200], m = [4, 8] }, { px = [110, 200], m = [0, 8] },
            ]
        "#;
        let config: SceneConfig = toml::from_str(text).expect("valid TOML");
        Scene::resolve(&config).expect("a good scene")
    }

    fn grey(w: u32, h: u32) -> BgrImage {
        BgrImage { size: SizePx { w, h }, data: vec![90; 3 * w as usize * h as usize] }
    }

    #[test]
    fn everything_is_drawn_where_it_stands() {
        for factor in [1_u32, 3] {
            let mut picture = grey(640 * factor, 360 * factor);
            draw(&scene(), &mut picture).expect("the same shape");
            let at = |x: u32, y: u32| {
                let i = 3 * ((y * factor) * picture.size.w + x * factor) as usize;
                [picture.data[i], picture.data[i + 1], picture.data[i + 2]]
            };
            assert_eq!(at(150, 150), STOP_LINE, "the stop line");
            assert_eq!(at(520, 100), SIGNAL, "the head's box");
            assert!(at(480, 230)[1] < 90 && at(480, 230)[0] > 90, "the zone: {:?}", at(480, 230));
            assert_eq!(at(620, 20), [90; 3], "nothing stands there");
        }
    }

    #[test]
    fn a_picture_of_another_shape_is_refused() {
        let error = draw(&scene(), &mut grey(640, 480)).expect_err("4:3");
        assert!(error.contains("640×360") && error.contains("640×480"), "{error}");
    }
}
