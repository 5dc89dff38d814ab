//! Where plates are in the picture of a vehicle.

use image::{ImageBuffer, Rgb, imageops};
use ort::{session::Session, value::TensorRef};
use stopline_types::{BgrImage, BoxPx, PointPx, SizePx};

use super::{MOST_AT_ONCE, check_outlet, wrong_head, wrong_shape};
use crate::inference::{
    InferenceError, Runtime,
    preprocess::{Placement, Preprocess},
    session::{all_finite, open},
};
use crate::models::{Batch, Head, InputSpec, Place, VerifiedModel};

const COLUMNS: usize = 13;
const OUTPUT: &str = "map";
/// Most plates of one picture; above it the weakest go.
const MOST_PLATES: usize = 64;

/// A plate in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocatedPlate {
    /// How sure the model is, 0 to 1.
    pub score: f32,
    /// Upright around the corners, in pixels of the picture and cut at its edges.
    pub bbox: BoxPx,
    /// Top left, top right, bottom right, bottom left, in pixels of the picture; may lie outside of it.
    pub corners: [PointPx; 4],
}

/// Finds plates. Owned by one thread.
pub struct PlateLocator {
    session: Session,
    version: String,
    input: InputSpec,
    stride: u32,
    least: f32,
    iou: f32,
    at_once: usize,
    preprocess: Preprocess,
    tensor: Vec<f32>,
}

impl std::fmt::Debug for PlateLocator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PlateLocator({})", self.version)
    }
}

impl PlateLocator {
    /// Makes the session and checks that the graph is the one the manifest describes.
    pub fn new(runtime: &Runtime, model: &VerifiedModel) -> Result<Self, InferenceError> {
        let entry = &model.entry;
        let version = model.version();
        let Head::PlateLocator { stride } = entry.head else {
            return Err(wrong_head(version, entry.head.kind(), "plate_locator"));
        };
        let session = open(runtime, model, 1).map_err(|source| InferenceError::Engine {
            model: version.clone(),
            doing: "open the model",
            source,
        })?;
        let SizePx { w, h } = entry.input.size;
        let batch = if entry.input.batch == Batch::One { 1 } else { -1 };
        let input = [batch, 3, i64::from(h), i64::from(w)];
        let output = [batch, COLUMNS as i64, i64::from(h / stride), i64::from(w / stride)];
        check_outlet(&version, "the input", session.inputs(), &entry.input.tensor, &input)?;
        check_outlet(&version, "the output", session.outputs(), OUTPUT, &output)?;
        let at_once = if entry.input.batch == Batch::One { 1 } else { MOST_AT_ONCE };
        let preprocess = Preprocess::new(&entry.input, at_once);
        Ok(Self {
            session,
            version,
            stride,
            least: entry.confidence,
            iou: entry.nms.iou,
            at_once,
            tensor: vec![0.0; at_once * preprocess.len()],
            preprocess,
            input: entry.input.clone(),
        })
    }

    /// The model's name and the first twelve digits of its SHA-256.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The size pictures are brought to.
    #[must_use]
    pub fn input(&self) -> SizePx {
        self.input.size
    }

    /// The plates of each picture, strongest first.
    pub fn locate(&mut self, pictures: &[&BgrImage]) -> Result<Vec<Vec<LocatedPlate>>, InferenceError> {
        for (index, picture) in pictures.iter().enumerate() {
            let bytes = picture.data.len();
            if bytes == 0 || bytes != picture.size.w as usize * picture.size.h as usize * 3 {
                return Err(InferenceError::PlatePicture { index, size: picture.size, bytes });
            }
        }
        let mut found = Vec::with_capacity(pictures.len());
        for chunk in pictures.chunks(self.at_once) {
            self.run(chunk, &mut found)?;
        }
        Ok(found)
    }

    fn run(&mut self, pictures: &[&BgrImage], found: &mut Vec<Vec<LocatedPlate>>) -> Result<(), InferenceError> {
        let share = self.preprocess.len();
        let mut scales = Vec::with_capacity(pictures.len());
        for (slot, picture) in pictures.iter().enumerate() {
            let size = match self.input.place {
                Place::Stretch => self.input.size,
                Place::TopLeft | Place::Centre => picture.size.fit(self.input.size, true),
            };
            let scaled = resized(picture, size);
            let shown = BoxPx::from([0.0, 0.0, picture.size.w as f32, picture.size.h as f32]);
            let placement = Placement::new(size, shown, self.input.size, self.input.place);
            self.preprocess.write(slot, &mut self.tensor[slot * share..][..share], &scaled, placement, self.input.size);
            scales.push(placement);
        }
        let engine = |doing, source| InferenceError::Engine { model: self.version.clone(), doing, source };
        let SizePx { w, h } = self.input.size;
        let shape = [pictures.len(), 3, h as usize, w as usize];
        let tensor = TensorRef::from_array_view((shape, &self.tensor[..pictures.len() * share]))
            .map_err(|e| engine("take the pictures", e))?;
        let inputs = ort::inputs![self.input.tensor.as_str() => tensor];
        let outputs = self.session.run(inputs).map_err(|e| engine("run", e))?;
        let (shape, values) = outputs[OUTPUT].try_extract_tensor::<f32>().map_err(|e| engine("give its output", e))?;
        let (columns, rows) = ((w / self.stride) as usize, (h / self.stride) as usize);
        let expected = [pictures.len() as i64, COLUMNS as i64, rows as i64, columns as i64];
        if shape[..] != expected {
            return Err(wrong_shape(&self.version, "the output of a run", &expected, shape));
        }
        for (index, (map, placement)) in values.chunks_exact(COLUMNS * rows * columns).zip(scales).enumerate() {
            if !all_finite(map) {
                let (model, pictures) = (self.version.clone(), pictures.len());
                return Err(InferenceError::PlateNotFinite { model, tensor: OUTPUT, index, pictures });
            }
            found.push(strongest(decode(map, columns, rows, self.stride, self.least, placement), self.iou));
        }
        Ok(())
    }
}

/// All cells that reach the least score.
fn decode(
    map: &[f32],
    columns: usize,
    rows: usize,
    stride: u32,
    least: f32,
    placement: Placement,
) -> Vec<LocatedPlate> {
    let (cells, stride) = (columns * rows, stride as f32);
    let mut found = Vec::new();
    for cell in 0..cells {
        let score = 1.0 / (1.0 + (-map[cell]).exp());
        if score < least {
            continue;
        }
        let at = |plane: usize| map[plane * cells + cell] * stride;
        let (x, y) = (((cell % columns) as f32 + 0.5) * stride, ((cell / columns) as f32 + 0.5) * stride);
        // The corners are what the plate is cut out by; the box of planes 1 to 4 is what the model was trained with beside
        // them, and says the same less exactly.
        let corners: [PointPx; 4] =
            std::array::from_fn(|corner| PointPx { x: x + at(5 + 2 * corner), y: y + at(6 + 2 * corner) });
        let least = |of: fn(&PointPx) -> f32| corners.iter().map(of).fold(f32::INFINITY, f32::min);
        let most = |of: fn(&PointPx) -> f32| corners.iter().map(of).fold(f32::NEG_INFINITY, f32::max);
        let edges = (least(|c| c.x), least(|c| c.y), most(|c| c.x), most(|c| c.y));
        let Some(bbox) = placement.to_source(edges.0, edges.1, edges.2, edges.3) else { continue };
        let corners = corners.map(|corner| placement.point_to_source(corner));
        found.push(LocatedPlate { score, bbox, corners });
    }
    found
}

/// Keeps the strongest of each heap of boxes that share more than `iou`.
fn strongest(mut found: Vec<LocatedPlate>, iou: f32) -> Vec<LocatedPlate> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<LocatedPlate> = Vec::new();
    for next in found {
        if kept.len() < MOST_PLATES && !kept.iter().any(|strong| strong.bbox.iou(&next.bbox) > iou) {
            kept.push(next);
        }
    }
    kept
}

/// The picture at another size, averaged where it becomes smaller.
fn resized(picture: &BgrImage, size: SizePx) -> BgrImage {
    if picture.size == size {
        return picture.clone();
    }
    let view = ImageBuffer::<Rgb<u8>, &[u8]>::from_raw(picture.size.w, picture.size.h, &picture.data);
    let data = view.map(|view| imageops::resize(&view, size.w, size.h, imageops::FilterType::Triangle).into_raw());
    // The length was checked before: there is always a view.
    BgrImage { size, data: data.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map of 2 × 2 cells of 8 pixels with one plate in the cell at the right above.
    #[test]
    fn cells_become_boxes_and_corners_in_the_picture() {
        let mut map = vec![0.0; 13 * 4];
        map[..4].fill(-9.0);
        map[1] = 2.0;
        for (plane, value) in [(1, 0.5), (2, 0.25), (3, 0.5), (4, 0.25)] {
            map[plane * 4 + 1] = value;
        }
        for (corner, (dx, dy)) in [(-0.5, -0.25), (0.5, -0.25), (0.5, 0.25), (-0.5, 0.25)].into_iter().enumerate() {
            map[(5 + 2 * corner) * 4 + 1] = dx;
            map[(6 + 2 * corner) * 4 + 1] = dy;
        }
        let input = SizePx { w: 16, h: 16 };
        let placement = Placement::new(input, BoxPx::from([0.0, 0.0, 32.0, 32.0]), input, Place::Stretch);
        let found = decode(&map, 2, 2, 8, 0.5, placement);
        assert_eq!(found.len(), 1);
        assert!((found[0].score - 0.880_797).abs() < 1e-5);
        assert_eq!(found[0].bbox, BoxPx::from([16.0, 4.0, 16.0, 8.0]));
        assert_eq!(found[0].corners[0], PointPx { x: 16.0, y: 4.0 });
        assert_eq!(found[0].corners[2], PointPx { x: 32.0, y: 12.0 });
    }

    #[test]
    fn doubles_go_and_neighbours_stay() {
        let at = |score, x| LocatedPlate {
            score,
            bbox: BoxPx::from([x, 0.0, 10.0, 10.0]),
            corners: [PointPx { x: 0.0, y: 0.0 }; 4],
        };
        let kept = strongest(vec![at(0.5, 1.0), at(0.9, 0.0), at(0.6, 20.0)], 0.4);
        assert_eq!(kept.iter().map(|plate| plate.score).collect::<Vec<_>>(), [0.9, 0.6]);
    }
}
