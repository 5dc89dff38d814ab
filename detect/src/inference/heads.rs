//! How a model's output is read: one module per kind.

mod nanodet;
mod yolox;

use std::collections::HashMap;

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

/// One of the model's classes that means one of ours.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    index: usize,
    class: VehicleClass,
}

/// Edges in input pixels: left, top, right, bottom.
type Edges = [f32; 4];

/// Reads one picture's rows.
#[derive(Debug)]
pub(super) struct Reader {
    head: Head,
    /// By the input's width and height.
    anchors: HashMap<(u32, u32), Vec<Anchor>>,
    wanted: Vec<Wanted>,
    least: f32,
}

impl Reader {
    /// `least`: the score from which a class counts.
    pub(super) fn new(entry: &ModelEntry, least: f32) -> Self {
        let wanted = entry
            .classes
            .iter()
            .flat_map(|(class, indices)| indices.iter().map(move |index| Wanted { index: *index, class: *class }));
        Self { head: entry.head.clone(), anchors: HashMap::new(), wanted: wanted.collect(), least }
    }

    /// All that reaches the least score, each place as the strongest of our classes. The model's other classes are not
    /// asked: a lorry that looks a little more like a train is still a lorry. Giving a place out as rider *and*
    /// motorcycle was tried: on real traffic it made second tracks of the same rider, and false candidates.
    ///
    /// `output` holds [`Head::anchors`] of this `input` × [`Head::columns`] finite numbers.
    pub(super) fn read(&mut self, output: &[f32], input: SizePx) -> Vec<Candidate> {
        let strides = self.head.strides();
        self.anchors.entry((input.w, input.h)).or_insert_with(|| anchors(strides, input));
        let Some(anchors) = self.anchors.get(&(input.w, input.h)) else { return Vec::new() };
        let mut found = Vec::new();
        for (row, anchor) in output.chunks_exact(self.head.columns()).zip(anchors) {
            match self.head {
                Head::Yolox { .. } => {
                    let scores = |index| yolox::score(row, index);
                    self.gather(&mut found, scores, || yolox::edges(row, *anchor));
                }
                Head::Nanodet { classes, bins, .. } => {
                    let (scores, distances) = row.split_at(classes);
                    self.gather(&mut found, |index| scores[index], || nanodet::edges(distances, bins, *anchor));
                }
                // Refused when the detector is made.
                Head::PlateLocator { .. } | Head::PlateReader { .. } => {}
            }
        }
        found
    }

    /// Edges are worked out only where a class counts.
    fn gather(&self, found: &mut Vec<Candidate>, score: impl Fn(usize) -> f32, edges: impl Fn() -> Edges) {
        let scores = self.wanted.iter().map(|wanted| (wanted.class, score(wanted.index)));
        let best = scores.max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((class, score)) = best.filter(|(_, score)| *score >= self.least) {
            let [left, top, right, bottom] = edges();
            found.push(Candidate { class, score, left, top, right, bottom });
        }
    }
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
    fn a_place_is_the_strongest_of_our_classes() {
        let wanted = |index, class| Wanted { index, class };
        let mut reader = Reader {
            head: Head::Nanodet { strides: vec![16], classes: 4, bins: 2 },
            anchors: HashMap::new(),
            wanted: vec![
                wanted(0, VehicleClass::Pedestrian),
                wanted(2, VehicleClass::Motorcycle),
                wanted(3, VehicleClass::Car),
            ],
            least: 0.5,
        };
        // Class 1 is none of ours. Equal logits: half a stride to each side.
        let row = |scores: [f32; 4]| [&scores[..], &[0.0; 8]].concat();
        let output = [row([0.6, 0.9, 0.5, 0.4]), row([0.4, 0.9, 0.1, 0.5])].concat();
        let found = reader.read(&output, SizePx { w: 32, h: 16 });
        let seen: Vec<_> = found.iter().map(|c| (c.class, c.score, c.left, c.right)).collect();
        use VehicleClass::{Car, Pedestrian};
        assert_eq!(seen, [(Pedestrian, 0.6, 0.0, 16.0), (Car, 0.5, 16.0, 32.0)]);
    }
}
