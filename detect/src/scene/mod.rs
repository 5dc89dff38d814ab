//! A camera's scene: what is drawn once by a person (lanes, stop lines, zones, signal heads, ground points, rules)
//! and what follows from it.
//!
//! [`SceneConfig`] is the raw form as it stands under `[scene]` in a camera file; [`Scene`] is the checked one.
//! All coordinates are pixels of a frame of `frame_px`; a stream of another size but the same shape is scaled to it.

mod config;
pub mod geometry;
mod ground;
mod guard;
mod homography;
mod hours;
mod lens;
pub mod preview;
mod region;
mod resolve;
mod rule_config;

pub use config::{
    GroundConfig, GroundPointConfig, LampLayout, LaneConfig, LimitsConfig, RegionConfig, SceneConfig, SignalConfig,
    SolidLineConfig, StopLineConfig, Turn, TurnConfig, TurnOnRedConfig, ZoneConfig, ZoneKind,
};
pub use ground::Ground;
pub use guard::{Guard, GuardMemory, ViewFault};
pub use homography::{Homography, HomographyError};
pub use hours::Hours;
pub use lens::{Lens, LensConfig};
pub use resolve::SceneError;
pub use rule_config::{
    CertificateConfig, DrivesInConfig, IncidentsConfig, NoStoppingConfig, RedLightConfig, RulesConfig,
    SolidLineConfig as SolidLineRuleConfig, SpeedConfig, StopLineRuleConfig, TurnRuleConfig, UnbuiltConfig,
    WrongLaneConfig, WrongWayConfig,
};

use geometry::{DirectedLine, Point2};
use stopline_types::{BoxPx, SizePx, UtcUs, VehicleClass};

/// How far the shape of a stream may differ from `frame_px` before its scene no longer fits.
pub const ASPECT_TOLERANCE: f64 = 0.02;

/// A checked scene. Made by [`Scene::resolve`]; plain data after that.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The frame in which all coordinates are given.
    pub frame: SizePx,
    /// Lanes in the order of the file.
    pub lanes: Vec<Lane>,
    /// Stop lines in the order of the file.
    pub stop_lines: Vec<StopLine>,
    /// Zones in the order of the file.
    pub zones: Vec<Zone>,
    /// Solid lines in the order of the file.
    pub solid_lines: Vec<SolidLine>,
    /// Forbidden turns in the order of the file.
    pub turns: Vec<ForbiddenTurn>,
    /// Signal heads in the order of the file, which is also the order of [`Scene::crop_requests`].
    pub signals: Vec<SignalHead>,
    /// The ground plane, if the camera is calibrated.
    pub ground: Option<Ground>,
    /// The rules with their parameters.
    pub rules: RulesConfig,
    /// The part of the frame to analyse, pixels; `None`: all of it.
    pub region: Option<BoxPx>,
    version: String,
    calibration: String,
}

/// A part of the road with one direction.
#[derive(Debug, Clone)]
pub struct Lane {
    /// Its name.
    pub name: String,
    /// Its border, pixels.
    pub polygon: Vec<Point2>,
    /// Direction of travel, a unit vector in pixels.
    pub direction: Point2,
    /// Direction of travel on the ground, a unit vector in metres, if calibrated.
    pub direction_ground: Option<Point2>,
    /// Classes that may use it; `None`: all.
    pub classes: Option<Vec<VehicleClass>>,
    /// When `classes` holds; `None`: always.
    pub hours: Option<Hours>,
    /// Speed limits by class.
    pub limits: LimitsConfig,
}

/// A stop line with its signal.
#[derive(Debug, Clone)]
pub struct StopLine {
    /// Its name.
    pub name: String,
    /// In pixels.
    pub line: DirectedLine,
    /// On the ground, metres, if calibrated.
    pub line_ground: Option<DirectedLine>,
    /// Where a vehicle has gone on into the junction.
    pub beyond: Option<Beyond>,
    /// The head that governs it: an index into [`Scene::signals`].
    pub signal: usize,
    /// Turns allowed on red.
    pub turns_on_red: Vec<TurnOnRed>,
}

/// A turn allowed on red.
#[derive(Debug, Clone)]
pub struct TurnOnRed {
    /// Which.
    pub turn: Turn,
    /// For whom; `None`: all classes.
    pub classes: Option<Vec<VehicleClass>>,
    /// Where it leads, pixels; `None`: told by the change of heading.
    pub exit: Option<Vec<Point2>>,
}

/// A line that may not be crossed.
#[derive(Debug, Clone)]
pub struct SolidLine {
    /// Its name.
    pub name: String,
    /// In pixels.
    pub line: DirectedLine,
    /// On the ground, metres, if calibrated.
    pub line_ground: Option<DirectedLine>,
    /// Classes that may cross it.
    pub crossing_allowed: Vec<VehicleClass>,
}

/// A forbidden turn.
#[derive(Debug, Clone)]
pub struct ForbiddenTurn {
    /// Its name.
    pub name: String,
    /// What is forbidden.
    pub turn: Turn,
    /// Lanes it is forbidden from: indexes into [`Scene::lanes`].
    pub from: Vec<usize>,
    /// Where it leads, pixels; `None`: told by the change of heading alone.
    pub exit: Option<Vec<Point2>>,
    /// For whom; `None`: all classes.
    pub classes: Option<Vec<VehicleClass>>,
    /// When; `None`: always.
    pub hours: Option<Hours>,
}

/// The line behind a stop line after which a vehicle counts as gone on.
#[derive(Debug, Clone)]
pub struct Beyond {
    /// In pixels.
    pub line: DirectedLine,
    /// On the ground, metres, if calibrated.
    pub line_ground: Option<DirectedLine>,
}

/// A part of the road with a rule of its own.
#[derive(Debug, Clone)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// What it forbids.
    pub kind: ZoneKind,
    /// Its border, pixels.
    pub polygon: Vec<Point2>,
    /// Standing longer than this is an offence, seconds; endless for zones that forbid no standing.
    pub dwell_s: f64,
    /// For whom; `None`: all classes.
    pub classes: Option<Vec<VehicleClass>>,
    /// When; `None`: always.
    pub hours: Option<Hours>,
}

impl Zone {
    /// Whether it forbids something to a class at an instant. Pedestrians are no vehicles.
    #[must_use]
    pub fn concerns(&self, class: VehicleClass, utc: UtcUs) -> bool {
        concerns(self.classes.as_deref(), self.hours.as_ref(), class, utc)
    }
}

impl ForbiddenTurn {
    /// Whether it is forbidden to a class at an instant.
    #[must_use]
    pub fn concerns(&self, class: VehicleClass, utc: UtcUs) -> bool {
        concerns(self.classes.as_deref(), self.hours.as_ref(), class, utc)
    }
}

fn concerns(classes: Option<&[VehicleClass]>, hours: Option<&Hours>, class: VehicleClass, utc: UtcUs) -> bool {
    class != VehicleClass::Pedestrian
        && classes.is_none_or(|classes| classes.contains(&class))
        && hours.is_none_or(|hours| hours.hold(utc))
}

/// A signal head.
#[derive(Debug, Clone)]
pub struct SignalHead {
    /// Its name.
    pub name: String,
    /// Its housing, pixels.
    pub bbox: BoxPx,
    /// Lamps side by side or one below the other.
    pub layout: LampLayout,
    /// From the top or the left.
    pub lamps: Vec<stopline_types::SignalState>,
}

impl Scene {
    /// A scene of which nothing is known: vehicles pass through it, no rule applies. Its frame is the stream's.
    #[must_use]
    pub fn empty(frame: SizePx) -> Self {
        Self {
            frame,
            lanes: Vec::new(),
            stop_lines: Vec::new(),
            zones: Vec::new(),
            solid_lines: Vec::new(),
            turns: Vec::new(),
            signals: Vec::new(),
            ground: None,
            rules: RulesConfig::default(),
            region: None,
            version: "none".to_owned(),
            calibration: "none".to_owned(),
        }
    }

    /// The parts of the frame to keep at full resolution, one a signal head: `[x, y, w, h]` in fractions of the frame.
    #[must_use]
    pub fn crop_requests(&self) -> Vec<[f32; 4]> {
        let (w, h) = (self.frame.w as f32, self.frame.h as f32);
        self.signals.iter().map(|s| [s.bbox.x / w, s.bbox.y / h, s.bbox.w / w, s.bbox.h / h]).collect()
    }

    /// First 12 digits of the SHA-256 of the scene with all defaults filled in.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// As [`Self::version`], but only of what is drawn on the picture: a new limit or rule needs no new calibration.
    #[must_use]
    pub fn calibration(&self) -> &str {
        &self.calibration
    }

    /// [`Self::region`] as `[x, y, w, h]` in fractions of the frame.
    #[must_use]
    pub fn region_request(&self) -> Option<[f32; 4]> {
        let (w, h) = (self.frame.w as f32, self.frame.h as f32);
        self.region.map(|r| [r.x / w, r.y / h, r.w / w, r.h / h])
    }

    /// What a person should look at again, in words; none of it keeps the scene from being used.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.ground.as_ref().map(Ground::warnings).unwrap_or_default()
    }

    /// Factors from pixels of a stream's frame to pixels of the scene, or why the scene does not fit that stream.
    pub fn scale_from(&self, source: SizePx) -> Result<(f64, f64), String> {
        if source.w == 0 || source.h == 0 {
            return Err(format!("the stream's frame is {source}"));
        }
        let sx = f64::from(self.frame.w) / f64::from(source.w);
        let sy = f64::from(self.frame.h) / f64::from(source.h);
        if (sx / sy - 1.0).abs() > ASPECT_TOLERANCE {
            return Err(format!(
                "the scene is drawn on {}, the stream is {source}: shapes differ by more than {} %",
                self.frame,
                ASPECT_TOLERANCE * 100.0
            ));
        }
        Ok((sx, sy))
    }

    /// The ground position of a pixel in metres; `None` without calibration or above the horizon.
    #[must_use]
    pub fn to_ground(&self, at: Point2) -> Option<Point2> {
        self.ground.as_ref()?.apply(at)
    }

    /// The first lane that holds the point.
    #[must_use]
    pub fn lane_at(&self, at: Point2) -> Option<usize> {
        self.lanes.iter().position(|lane| geometry::inside(&lane.polygon, at))
    }

    /// The speed limit of a class at a place: the lane's, else the road's.
    #[must_use]
    pub fn limit_kmh(&self, lane: Option<usize>, class: VehicleClass) -> Option<f64> {
        lane.and_then(|lane| self.lanes[lane].limits.of(class)).or_else(|| self.rules.speed.limit_kmh.of(class))
    }
}
