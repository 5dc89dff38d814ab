//! How a model's output is read: one module per kind.

mod nanodet;
mod yolox;

use stopline_types::{SizePx, VehicleClass};

use crate::models::{Head, ModelEntry};

/// A box in the model's input, before doubles are removed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) class: VehicleClass,
    pub(super) score: f32,
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
}

/// A place the model looks at: the top left corner of its cell and the cell's side, in input pixels.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    x: f32,
    y: f32,
    stride: f32,
}

/// Reads one picture's rows.
#[derive(Debug)]
pub(super) struct Reader {
    head: Head,
    anchors: Vec<Anchor>,
    /// The model's class and ours.
    classes: Vec<(usize, VehicleClass)>,
    confidence: f32,
}

impl Reader {
    pub(super) fn new(entry: &ModelEntry, confidence: f32) -> Self {
        let classes =
            entry.classes.iter().flat_map(|(class, indices)| indices.iter().map(move |index| (*index, *class)));
        Self {
            head: entry.head.clone(),
            anchors: anchors(entry.head.strides(), entry.input.size),
            classes: classes.collect(),
            confidence,
        }
    }

    /// Candidates at or above the confidence. `output` holds [`Head::anchors`] × [`Head::columns`] finite numbers.
    pub(super) fn read(&self, output: &[f32]) -> Vec<Candidate> {
        let rows = output.chunks_exact(self.head.columns()).zip(&self.anchors);
        match self.head {
            Head::Yolox { .. } => {
                rows.filter_map(|(row, anchor)| yolox::read(row, *anchor, &self.classes, self.confidence)).collect()
            }
            Head::Nanodet { classes, bins, .. } => rows
                .filter_map(|(row, anchor)| {
                    let (scores, distances) = row.split_at(classes);
                    nanodet::read(scores, distances, bins, *anchor, &self.classes, self.confidence)
                })
                .collect(),
        }
    }
}

/// The best of our classes by the model's `scores`. Other classes of the model are not asked: a lorry that looks a
/// little more like a train is still a lorry.
fn best(scores: &[f32], classes: &[(usize, VehicleClass)]) -> (VehicleClass, f32) {
    classes.iter().map(|(index, class)| (*class, scores[*index])).fold(
        (VehicleClass::Car, f32::NEG_INFINITY),
        |best, next| {
            if next.1 > best.1 { next } else { best }
        },
    )
}

fn anchors(strides: &[u32], input: SizePx) -> Vec<Anchor> {
    let level = |stride: u32| {
        let row = move |y| (0..input.w / stride).map(move |x| (x, y));
        let cells = (0..input.h / stride).flat_map(row);
        cells.map(move |(x, y)| Anchor { x: (x * stride) as f32, y: (y * stride) as f32, stride: stride as f32 })
    };
    strides.iter().flat_map(|stride| level(*stride)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_go_row_by_row_and_level_by_level() {
        let all = anchors(&[8, 16], SizePx { w: 32, h: 16 });
        let places: Vec<_> = all.iter().map(|a| (a.x, a.y, a.stride)).collect();
        let row = |y: f32| [0.0, 8.0, 16.0, 24.0].map(|x| (x, y, 8.0));
        assert_eq!(places, [&row(0.0)[..], &row(8.0), &[(0.0, 0.0, 16.0), (16.0, 0.0, 16.0)]].concat());
    }

    #[test]
    fn only_mapped_classes_are_asked() {
        let classes = [(2, VehicleClass::Car), (7, VehicleClass::Truck)];
        let scores = [0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.9, 0.4];
        assert_eq!(best(&scores, &classes), (VehicleClass::Truck, 0.4));
    }
}
