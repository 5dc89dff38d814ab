//! The part of the picture that the detector looks at.

use stopline_types::BoxPx;

use super::geometry::Point2;
use super::{RegionConfig, Scene};

/// Room around what is drawn, as shares of the frame's width and height: to the sides and below for boxes that stick out,
/// above for what stands on the far end of the road, lorries and their cabs.
const BESIDE: f32 = 0.04;
const BELOW: f32 = 0.04;
const ABOVE: f32 = 0.15;

/// Pixels of the scene; `None`: the whole frame.
pub(super) fn of(scene: &Scene, wanted: RegionConfig) -> Option<BoxPx> {
    match wanted {
        RegionConfig::Whole => None,
        RegionConfig::Box(region) => Some(region),
        RegionConfig::Road => road(scene),
    }
}

fn road(scene: &Scene) -> Option<BoxPx> {
    let lines = scene.stop_lines.iter().flat_map(|s| {
        let beyond = s.beyond.iter().flat_map(|b| b.line.points());
        s.line.points().iter().chain(beyond)
    });
    let lanes = scene.lanes.iter().flat_map(|lane| &lane.polygon);
    let points = lanes.chain(scene.zones.iter().flat_map(|zone| &zone.polygon)).chain(lines);
    let around = |bounds: Option<[f32; 4]>, p: &Point2| {
        let (x, y) = (p[0] as f32, p[1] as f32);
        let [left, top, right, bottom] = bounds.unwrap_or([x, y, x, y]);
        Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
    };
    let [left, top, right, bottom] = points.fold(None, around)?;
    let (w, h) = (scene.frame.w as f32, scene.frame.h as f32);
    Some(BoxPx::from_edges(
        (left - BESIDE * w).max(0.0),
        (top - ABOVE * h).max(0.0),
        (right + BESIDE * w).min(w),
        (bottom + BELOW * h).min(h),
    ))
}

#[cfg(test)]
mod tests {
    use crate::scene::{Scene, SceneConfig};

    fn scene(region: &str) -> Result<Scene, String> {
        let text = format!(
            "frame_px = [1000, 1000]\nregion = {region}\n[[lanes]]\nname = \"in\"\ndirection = [0, -1]\n\
             polygon = [[400, 500], [600, 500], [600, 900], [400, 900]]"
        );
        let config: SceneConfig = toml::from_str(&text).map_err(|e| e.to_string())?;
        Scene::resolve(&config).map_err(|errors| errors[0].to_string())
    }

    #[test]
    fn the_road_with_room_around_it() {
        let region = scene("\"road\"").expect("good").region.expect("a part");
        assert_eq!([region.x, region.y, region.right(), region.bottom()], [360.0, 350.0, 640.0, 940.0]);
        assert_eq!(scene("\"whole\"").expect("good").region, None);
        assert_eq!(scene("[10, 20, 300, 400]").expect("good").region_request(), Some([0.01, 0.02, 0.3, 0.4]));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(scene("\"sky\"").expect_err("no such word").contains("\"whole\", \"road\" or [x, y, w, h]"));
        let error = scene("[900, 0, 300, 400]").expect_err("outside");
        assert!(error.starts_with("scene.region: expected [x, y, w, h] inside 1000×1000"), "{error}");
        assert!(scene("[0, 0, 1, 1]").is_err());
    }
}
