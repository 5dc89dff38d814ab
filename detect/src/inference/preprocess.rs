//! A picture becomes the model's input.

use stopline_types::{BgrImage, BoxPx, PointPx, SizePx};

use crate::models::{Colour, InputSpec, Place};

/// Where a picture lies in the model's input, and how to get from there to the stream's own pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Placement {
    left: u32,
    top: u32,
    picture: SizePx,
    /// What the picture shows, pixels of the stream's frame.
    seen: BoxPx,
}

impl Placement {
    /// Of a picture that shows `seen` of the stream's frame, no larger than `input`.
    pub(super) fn new(picture: SizePx, seen: BoxPx, input: SizePx, place: Place) -> Self {
        let (left, top) = match place {
            // A stretched picture fills the input: there is nothing beside it.
            Place::TopLeft | Place::Stretch => (0, 0),
            Place::Centre => ((input.w - picture.w) / 2, (input.h - picture.h) / 2),
        };
        Self { left, top, picture, seen }
    }

    /// A box in the input, in pixels of the stream's frame and clipped to what the picture shows of it; `None` if nothing of it is inside.
    pub(super) fn to_source(self, left: f32, top: f32, right: f32, bottom: f32) -> Option<BoxPx> {
        let along = |edge: f32, offset: u32, picture: u32, from: f32, length: f32| {
            let inside = (edge - offset as f32).clamp(0.0, picture as f32);
            from + inside * (length / picture as f32)
        };
        let x = |edge| along(edge, self.left, self.picture.w, self.seen.x, self.seen.w);
        let y = |edge| along(edge, self.top, self.picture.h, self.seen.y, self.seen.h);
        let bbox = BoxPx::from_edges(x(left), y(top), x(right), y(bottom));
        (bbox.w > 0.0 && bbox.h > 0.0).then_some(bbox)
    }

    /// A point in the input, in pixels of the source; not clipped.
    pub(super) fn point_to_source(self, at: PointPx) -> PointPx {
        PointPx {
            x: self.seen.x + (at.x - self.left as f32) * (self.seen.w / self.picture.w as f32),
            y: self.seen.y + (at.y - self.top as f32) * (self.seen.h / self.picture.h as f32),
        }
    }

    fn frame(&self) -> Lies {
        (self.left, self.top, self.picture)
    }
}

/// Where a picture lies in an input: from the left, from the top, its size.
type Lies = (u32, u32, SizePx);

/// Fills one picture's share of the input: three planes of 32-bit floats.
#[derive(Debug)]
pub(super) struct Preprocess {
    input: SizePx,
    /// For each plane: which byte of a pixel, and the value of each of its 256 levels. A table look-up is as fast as
    /// arithmetic on interleaved bytes, and gives `(level - mean) / std` exactly as the model's authors computed it.
    planes: [(usize, Box<[f32; 256]>); 3],
    pad: [f32; 3],
    /// What lies in each slot of the batch and in which input, so that the space around a picture is filled only when it
    /// changes.
    slots: Vec<Option<(SizePx, Lies)>>,
}

impl Preprocess {
    pub(super) fn new(spec: &InputSpec, batch: usize) -> Self {
        let planes = std::array::from_fn(|plane| {
            let byte = match spec.colour {
                Colour::Bgr | Colour::Grey => plane,
                Colour::Rgb => 2 - plane,
            };
            let level = |value: usize| (value as f32 - spec.mean[plane]) / spec.std[plane];
            (byte, Box::new(std::array::from_fn(level)))
        });
        let pad = std::array::from_fn(|plane| (f32::from(spec.pad) - spec.mean[plane]) / spec.std[plane]);
        Self { input: spec.size, planes, pad, slots: vec![None; batch] }
    }

    /// Floats of one picture in the largest input.
    pub(super) fn len(&self) -> usize {
        floats(self.input)
    }

    /// Writes `image` into `tensor`, the part of the buffer that belongs to `slot` in runs of this `input`.
    pub(super) fn write(
        &mut self,
        slot: usize,
        tensor: &mut [f32],
        image: &BgrImage,
        placement: Placement,
        input: SizePx,
    ) {
        let area = input.w as usize * input.h as usize;
        let frame = placement.frame();
        // A run of another input has written across the slots.
        if self.slots.iter().flatten().any(|(of, _)| *of != input) {
            self.slots.fill(None);
        }
        if self.slots[slot] != Some((input, frame)) {
            for (plane, pad) in tensor.chunks_exact_mut(area).zip(self.pad) {
                plane.fill(pad);
            }
            self.slots[slot] = Some((input, frame));
        }
        let (left, top, size) = frame;
        let width = size.w as usize;
        let start = top as usize * input.w as usize + left as usize;
        let (first, rest) = tensor.split_at_mut(area);
        let (second, third) = rest.split_at_mut(area);
        let [(a, table_a), (b, table_b), (c, table_c)] = &self.planes;
        for (row, pixels) in image.data.chunks_exact(3 * width).enumerate() {
            let at = start + row * input.w as usize;
            let outs =
                first[at..at + width].iter_mut().zip(&mut second[at..at + width]).zip(&mut third[at..at + width]);
            for (((one, two), three), pixel) in outs.zip(pixels.chunks_exact(3)) {
                *one = table_a[usize::from(pixel[*a])];
                *two = table_b[usize::from(pixel[*b])];
                *three = table_c[usize::from(pixel[*c])];
            }
        }
    }
}

/// Floats of one picture in an input.
pub(super) fn floats(input: SizePx) -> usize {
    3 * input.w as usize * input.h as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Batch;

    fn spec(colour: Colour, place: Place) -> InputSpec {
        InputSpec {
            tensor: "images".into(),
            size: SizePx { w: 4, h: 3 },
            step: None,
            colour,
            mean: [10.0, 20.0, 30.0],
            std: [1.0, 2.0, 4.0],
            place,
            pad: 114,
            batch: Batch::One,
        }
    }

    /// A 2×1 picture: blue 11, green 22, red 34, then 12, 24, 38.
    fn picture() -> BgrImage {
        BgrImage { size: SizePx { w: 2, h: 1 }, data: vec![11, 22, 34, 12, 24, 38] }
    }

    fn whole(size: SizePx) -> BoxPx {
        BoxPx::from([0.0, 0.0, size.w as f32, size.h as f32])
    }

    fn run(spec: &InputSpec) -> Vec<f32> {
        let mut preprocess = Preprocess::new(spec, 1);
        let mut tensor = vec![0.0; preprocess.len()];
        let placement = Placement::new(picture().size, whole(picture().size), spec.size, spec.place);
        preprocess.write(0, &mut tensor, &picture(), placement, spec.size);
        tensor
    }

    #[test]
    fn planes_are_normalised_and_padded() {
        let tensor = run(&spec(Colour::Bgr, Place::TopLeft));
        assert_eq!(tensor[..4], [1.0, 2.0, 104.0, 104.0]);
        assert_eq!(tensor[4..12], [104.0; 8]);
        assert_eq!(tensor[12..16], [1.0, 2.0, 47.0, 47.0]);
        assert_eq!(tensor[24..28], [1.0, 2.0, 21.0, 21.0]);
    }

    #[test]
    fn red_first_and_centred() {
        let tensor = run(&spec(Colour::Rgb, Place::Centre));
        assert_eq!(tensor[..4], [104.0; 4]);
        assert_eq!(tensor[4..8], [104.0, 24.0, 28.0, 104.0]);
    }

    #[test]
    fn a_smaller_picture_leaves_nothing_of_the_larger() {
        let spec = spec(Colour::Bgr, Place::TopLeft);
        let mut preprocess = Preprocess::new(&spec, 1);
        let mut tensor = vec![0.0; preprocess.len()];
        let large = BgrImage { size: spec.size, data: vec![200; 36] };
        let placement = Placement::new(large.size, whole(large.size), spec.size, spec.place);
        preprocess.write(0, &mut tensor, &large, placement, spec.size);
        let placement = Placement::new(picture().size, whole(picture().size), spec.size, spec.place);
        preprocess.write(0, &mut tensor, &picture(), placement, spec.size);
        assert_eq!(tensor, run(&spec));
    }

    #[test]
    fn boxes_return_to_the_source_and_are_clipped() {
        let input = SizePx { w: 640, h: 480 };
        let picture = SizePx { w: 640, h: 360 };
        let source = SizePx { w: 1920, h: 1080 };
        let placement = Placement::new(picture, whole(source), input, Place::Centre);
        assert_eq!(placement.to_source(10.0, 70.0, 20.0, 80.0), Some(BoxPx::from([30.0, 30.0, 30.0, 30.0])));
        assert_eq!(placement.to_source(-5.0, 50.0, 10.0, 70.0), Some(BoxPx::from([0.0, 0.0, 30.0, 30.0])));
        assert_eq!(placement.to_source(630.0, 410.0, 900.0, 500.0), Some(BoxPx::from([1890.0, 1050.0, 30.0, 30.0])));
        assert_eq!(placement.to_source(0.0, 0.0, 640.0, 60.0), None, "in the padding");
        let part = BoxPx::from([480.0, 360.0, 960.0, 540.0]);
        let placement = Placement::new(picture, part, input, Place::Centre);
        assert_eq!(placement.to_source(10.0, 70.0, 20.0, 80.0), Some(BoxPx::from([495.0, 375.0, 15.0, 15.0])));
        assert_eq!(placement.to_source(0.0, 0.0, 640.0, 480.0), Some(part));
    }
}
