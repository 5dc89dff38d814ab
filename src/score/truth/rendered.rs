//! The truth of a rendered clip: exact boxes of every road user in every frame (`scenes/truth.schema.json`).

use std::collections::BTreeMap;

use serde::Deserialize;
use stopline_types::{BoxPx, RuleKind, VehicleClass};

use super::{Act, Place, PlateSeen, Sighting, Track, Truth, Vehicle};

/// The only format that is read.
pub(super) const FORMAT: &str = "stopline-truth/1";

/// An event may come so much before an act's begin and after its end: boxes end at the rear, positions are filtered.
const EARLY_S: f64 = 1.0;
const LATE_S: f64 = 1.5;
/// An accusation is held to be of a near miss within so many seconds of it.
const NEAR_MISS_S: f64 = 3.0;

#[derive(Deserialize)]
pub(super) struct Rendered {
    image: [u32; 2],
    fps: f64,
    vehicles: Vec<RenderedVehicle>,
    violations: Vec<RenderedAct>,
    near_misses: Vec<RenderedAct>,
    #[serde(default)]
    section: Option<Vec<RenderedSection>>,
    frames: Vec<RenderedFrame>,
}

#[derive(Deserialize)]
struct RenderedVehicle {
    id: String,
    cls: VehicleClass,
    plate: Option<String>,
}

#[derive(Deserialize)]
struct RenderedAct {
    #[serde(rename = "type")]
    kind: String,
    vehicle: String,
    t: f64,
    t_end: f64,
    #[serde(default)]
    note: String,
    speed_kmh: Option<f64>,
}

/// A drive from one camera to the other.
#[derive(Deserialize)]
struct RenderedSection {
    vehicle: String,
    t_out: f64,
    mean_kmh: f64,
    violation: bool,
}

#[derive(Deserialize)]
struct RenderedFrame {
    t: f64,
    objects: Vec<RenderedObject>,
}

#[derive(Deserialize)]
struct RenderedObject {
    id: String,
    x: f64,
    y: f64,
    speed_kmh: f64,
    #[serde(rename = "box")]
    edges: [f32; 4],
    inside: f32,
    visible: f32,
    plate: Option<RenderedPlate>,
}

#[derive(Deserialize)]
struct RenderedPlate {
    /// Top left, top right, bottom right, bottom left as read.
    corners: [[f32; 2]; 4],
    visible: f32,
}

impl From<&RenderedObject> for Sighting {
    fn from(object: &RenderedObject) -> Self {
        let [left, top, right, bottom] = object.edges;
        Self {
            t_s: 0.0,
            bbox: BoxPx::from_edges(left, top, right, bottom),
            at_m: [object.x, object.y],
            speed_kmh: object.speed_kmh,
            inside: object.inside,
            visible: object.visible,
            plate: object.plate.as_ref().map(PlateSeen::from),
        }
    }
}

impl From<&RenderedPlate> for PlateSeen {
    fn from(plate: &RenderedPlate) -> Self {
        let c = plate.corners;
        let between = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        let span = |axis: usize| {
            let along = c.map(|corner| corner[axis]);
            (along.into_iter().fold(f32::MAX, f32::min), along.into_iter().fold(f32::MIN, f32::max))
        };
        let ((left, right), (top, bottom)) = (span(0), span(1));
        Self {
            bbox: BoxPx::from_edges(left, top, right, bottom),
            width_px: f32::midpoint(between(c[0], c[1]), between(c[3], c[2])),
            height_px: f32::midpoint(between(c[0], c[3]), between(c[1], c[2])),
            visible: plate.visible,
        }
    }
}

impl Rendered {
    pub(super) fn into_truth(self) -> Result<Truth, String> {
        let duration_s = self.frames.len() as f64 / self.fps;
        let mut seen: BTreeMap<&str, Vec<Sighting>> = BTreeMap::new();
        for frame in &self.frames {
            for object in &frame.objects {
                seen.entry(&object.id).or_default().push(Sighting { t_s: frame.t, ..object.into() });
            }
        }
        let vehicles: Vec<Vehicle> = self
            .vehicles
            .iter()
            .map(|v| Vehicle {
                id: v.id.clone(),
                class: v.cls,
                plate: v.plate.as_deref().map(canonical),
                track: Track::new(seen.remove(v.id.as_str()).unwrap_or_default()),
            })
            .collect();
        if let Some(nameless) = seen.keys().next() {
            return Err(format!("frames: object {nameless:?} is not among `vehicles`"));
        }
        let mut truth = Truth {
            frame_px: self.image.into(),
            duration_s,
            acts: vec![],
            near_misses: vec![],
            section: vec![],
            section_near_misses: vec![],
            without_rule: BTreeMap::new(),
            vehicles,
            seams_s: vec![],
        };
        for act in &self.violations {
            match RuleKind::parse(&act.kind) {
                Some(rule) => truth.acts.push(act.of(rule, &truth, EARLY_S, LATE_S)?),
                None => *truth.without_rule.entry(act.kind.clone()).or_default() += 1,
            }
        }
        for act in &self.near_misses {
            if let Some(rule) = RuleKind::parse(&act.kind) {
                truth.near_misses.push(act.of(rule, &truth, NEAR_MISS_S, NEAR_MISS_S)?);
            }
        }
        for drive in self.section.iter().flatten() {
            let act = drive.act().of(RuleKind::SectionSpeed, &truth, EARLY_S, LATE_S)?;
            match &act.place {
                // Only the camera at the exit sees them leave.
                Place::Track(track) if track.at(drive.t_out).is_none() => {}
                _ if drive.violation => truth.section.push(act),
                _ => truth.section_near_misses.push(act),
            }
        }
        Ok(truth)
    }
}

impl RenderedSection {
    fn act(&self) -> RenderedAct {
        RenderedAct {
            kind: RuleKind::SectionSpeed.as_str().to_owned(),
            vehicle: self.vehicle.clone(),
            t: self.t_out,
            t_end: self.t_out,
            note: format!("{:.0} km/h between the cameras", self.mean_kmh),
            speed_kmh: Some(self.mean_kmh),
        }
    }
}

impl RenderedAct {
    fn of(&self, rule: RuleKind, truth: &Truth, early_s: f64, late_s: f64) -> Result<Act, String> {
        let vehicle = truth.vehicles.iter().find(|vehicle| vehicle.id == self.vehicle);
        let track = vehicle.map(|vehicle| vehicle.track.clone());
        let track =
            track.ok_or_else(|| format!("{}: vehicle {:?} is not among `vehicles`", self.kind, self.vehicle))?;
        // A speed may be measured anywhere on the way; the other acts have their moment.
        let seen = track.seen_s().filter(|_| matches!(rule, RuleKind::Speed | RuleKind::SectionSpeed));
        let (from_s, to_s) = seen.unwrap_or((self.t - early_s, self.t_end + late_s));
        Ok(Act {
            rule,
            who: self.vehicle.clone(),
            did_s: (self.t, self.t_end),
            from_s: from_s.max(0.0),
            to_s: to_s.min(truth.duration_s),
            place: Place::Track(track),
            aside: None,
            note: self.note.clone(),
            speed_kmh: self.speed_kmh,
        })
    }
}

/// Letters and digits only, upper case: how events write a plate.
pub(super) fn canonical(plate: &str) -> String {
    plate.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}
