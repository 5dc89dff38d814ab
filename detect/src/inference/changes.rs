//! Where a picture differs from what was looked at before, and which parts of it are worth another look.
//!
//! A detector says the same of the same pixels. Cameras stand still, so most of a picture is what it was a moment ago: the empty
//! road, the queue at the red light. Each place is compared with the picture in which it was last looked at, not with the last
//! picture, so that what changes slowly is noticed too.

use stopline_types::{BgrImage, BoxPx, SizePx};

use super::parts::Part;

/// Side of a cell, pixels: its mean brightness is compared.
const CELL: usize = 4;
/// Cells along a side of a block: the unit that parts are made of.
const CELLS: usize = 4;
const BLOCK: u32 = (CELL * CELLS) as u32;
/// Levels of 256 by which a cell's mean must differ: codecs stir still pictures by two or three.
const DIFFERS: i16 = 10;
/// Cells of a block that must: one alone is noise.
const AT_LEAST: u32 = 2;
/// What a run costs beside its pixels, in pixels (measured: 0.4 ms of 28 ms for 640×480).
const RUN_COSTS: u64 = 4_500;
/// Beyond this share of the picture's pixels the whole is looked at. Boxes of parts and of the whole differ a little, which in dense
/// traffic makes tracks jump: measured on rendered and real junctions, up to this share no figure of any rule changes, at 0.5 three
/// false accusations come up in a minute.
const WHOLE_FROM: f64 = 0.3;
/// Free space around what changed and around boxes that must be whole, pixels.
const MARGIN: f32 = 12.0;
/// Rounds in which parts grow to hold boxes whole.
const GROWS: usize = 4;

/// Mean brightness of each cell when it was last looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Looked {
    picture: SizePx,
    columns: usize,
    cells: Vec<u8>,
}

/// What to look at.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Worth {
    Whole,
    /// None of them: nothing changed.
    Parts(Vec<Part>),
}

impl Looked {
    /// All of a picture was looked at. `None` for a picture of no or wrong size.
    pub(super) fn at(picture: &BgrImage) -> Option<Self> {
        let SizePx { w, h } = picture.size;
        let (columns, rows) = (w as usize / CELL, h as usize / CELL);
        if columns == 0 || rows == 0 || picture.data.len() != w as usize * h as usize * 3 {
            return None;
        }
        let mut cells = Vec::with_capacity(columns * rows);
        let mut sums = vec![0u16; columns];
        for (y, line) in picture.data.chunks_exact(w as usize * 3).take(rows * CELL).enumerate() {
            for (sum, pixels) in sums.iter_mut().zip(line.chunks_exact(CELL * 3)) {
                // Green carries most of the brightness.
                *sum += pixels.iter().skip(1).step_by(3).map(|green| u16::from(*green)).sum::<u16>();
            }
            if y % CELL == CELL - 1 {
                cells.extend(sums.iter_mut().map(|sum| (std::mem::take(sum) / (CELL * CELL) as u16) as u8));
            }
        }
        Some(Self { picture: picture.size, columns, cells })
    }

    /// What of the picture `now` is worth a look, given the boxes found so far, in its pixels. Parts have sides of multiples of
    /// `step`.
    pub(super) fn worth(&self, now: &Self, boxes: &[BoxPx], step: u32) -> Worth {
        if now.picture != self.picture {
            return Worth::Whole;
        }
        let mut parts = islands(&self.changed(now), self.picture);
        let whole = u64::from(self.picture.w) * u64::from(self.picture.h);
        for _ in 0..GROWS {
            let before = parts.clone();
            for part in &mut parts {
                *part = grown(part, boxes, self.picture).stepped(step, self.picture);
            }
            parts = merged(parts);
            let cost: u64 = parts.iter().map(|part| part.area() + RUN_COSTS).sum();
            if cost as f64 > WHOLE_FROM * whole as f64 {
                return Worth::Whole;
            }
            if parts == before {
                return Worth::Parts(parts);
            }
        }
        Worth::Whole
    }

    /// Parts of the picture `now` were looked at.
    pub(super) fn update(&mut self, now: &Self, parts: &[Part]) {
        for part in parts {
            let columns = part.x as usize / CELL..((part.x + part.w) as usize / CELL).min(self.columns);
            let rows = part.y as usize / CELL..((part.y + part.h) as usize / CELL).min(self.cells.len() / self.columns);
            for row in rows {
                let span = row * self.columns + columns.start..row * self.columns + columns.end;
                self.cells[span.clone()].copy_from_slice(&now.cells[span]);
            }
        }
    }

    /// Blocks that changed, row by row.
    fn changed(&self, now: &Self) -> Blocks {
        let rows = self.cells.len() / self.columns;
        let (w, h) = (self.columns.div_ceil(CELLS), rows.div_ceil(CELLS));
        let mut counts = vec![0u32; w * h];
        for (at, (before, after)) in self.cells.iter().zip(&now.cells).enumerate() {
            if (i16::from(*before) - i16::from(*after)).abs() > DIFFERS {
                counts[at / self.columns / CELLS * w + at % self.columns / CELLS] += 1;
            }
        }
        Blocks { w, changed: counts.into_iter().map(|count| count >= AT_LEAST).collect() }
    }
}

struct Blocks {
    w: usize,
    changed: Vec<bool>,
}

/// The bounds of each heap of blocks that touch, corners included.
fn islands(blocks: &Blocks, picture: SizePx) -> Vec<Part> {
    let (w, h) = (blocks.w, blocks.changed.len() / blocks.w.max(1));
    let mut open = blocks.changed.clone();
    let mut found = Vec::new();
    for start in 0..open.len() {
        if !std::mem::take(&mut open[start]) {
            continue;
        }
        let (mut left, mut right, mut top, mut bottom) = (w, 0, h, 0);
        let mut heap = vec![start];
        while let Some(at) = heap.pop() {
            let (x, y) = (at % w, at / w);
            (left, right, top, bottom) = (left.min(x), right.max(x), top.min(y), bottom.max(y));
            for beside in (y.saturating_sub(1)..(y + 2).min(h))
                .flat_map(|y| (x.saturating_sub(1)..(x + 2).min(w)).map(move |x| y * w + x))
            {
                if std::mem::take(&mut open[beside]) {
                    heap.push(beside);
                }
            }
        }
        let pixels = |block: usize| block as u32 * BLOCK;
        let part = Part { x: pixels(left), y: pixels(top), w: pixels(right + 1 - left), h: pixels(bottom + 1 - top) };
        found.push(within(&part.bbox(), MARGIN, picture));
    }
    merged(found)
}

/// Parts that cost less together than apart become one.
fn merged(mut parts: Vec<Part>) -> Vec<Part> {
    loop {
        let pair = (0..parts.len()).flat_map(|a| (0..a).map(move |b| (a, b))).find(|(a, b)| {
            let (a, b) = (&parts[*a], &parts[*b]);
            a.with(b).area() <= a.area() + b.area() + RUN_COSTS
        });
        let Some((a, b)) = pair else { return parts };
        let both = parts[a].with(&parts[b]);
        parts[b] = both;
        parts.swap_remove(a);
    }
}

/// The part with every box that it touches whole inside.
fn grown(part: &Part, boxes: &[BoxPx], picture: SizePx) -> Part {
    let own = part.bbox();
    boxes
        .iter()
        .filter(|bbox| bbox.overlap(&own) > 0.0)
        .map(|bbox| within(bbox, MARGIN, picture))
        .fold(*part, |part, whole| part.with(&whole))
}

/// Whole pixels around a box and `margin` more, inside the picture.
fn within(bbox: &BoxPx, margin: f32, picture: SizePx) -> Part {
    let edge = |at: f32, most: u32| (at.max(0.0) as u32).min(most);
    let (x, y) = (edge(bbox.x - margin, picture.w), edge(bbox.y - margin, picture.h));
    let (right, bottom) =
        (edge((bbox.right() + margin).ceil(), picture.w), edge((bbox.bottom() + margin).ceil(), picture.h));
    Part { x, y, w: right.saturating_sub(x), h: bottom.saturating_sub(y) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: SizePx = SizePx { w: 320, h: 192 };

    fn picture(bright: &[[usize; 4]]) -> BgrImage {
        let mut data = vec![90u8; 320 * 192 * 3];
        for [x, y, w, h] in bright {
            for row in *y..y + h {
                data[(row * 320 + x) * 3..(row * 320 + x + w) * 3].fill(160);
            }
        }
        BgrImage { size: SIZE, data }
    }

    fn looked(bright: &[[usize; 4]]) -> Looked {
        Looked::at(&picture(bright)).expect("a picture")
    }

    #[test]
    fn the_same_picture_is_not_worth_a_look() {
        let road = looked(&[[40, 40, 20, 20]]);
        assert_eq!(road.worth(&road, &[], 32), Worth::Parts(vec![]));
        let mut noisy = picture(&[[40, 40, 20, 20]]);
        noisy.data.iter_mut().step_by(7).for_each(|value| *value += 3);
        assert_eq!(road.worth(&Looked::at(&noisy).expect("a picture"), &[], 32), Worth::Parts(vec![]));
        assert!(Looked::at(&BgrImage { size: SIZE, data: vec![0; 9] }).is_none());
    }

    #[test]
    fn what_came_is_worth_a_part_that_holds_it_with_room() {
        let (road, rider) = (looked(&[]), looked(&[[100, 80, 12, 20]]));
        let Worth::Parts(parts) = road.worth(&rider, &[], 32) else { panic!("not all of it") };
        let [part] = parts[..] else { panic!("one: {parts:?}") };
        assert!(part.x <= 100 - 4 && part.x + part.w >= 116 && part.y <= 76 && part.y + part.h >= 104, "{part:?}");
        assert!(part.w.is_multiple_of(32) && part.h.is_multiple_of(32) && part.area() < 96 * 96 + 1, "{part:?}");
    }

    #[test]
    fn boxes_are_looked_at_whole_or_not_at_all() {
        let (road, wheel) = (looked(&[]), looked(&[[100, 80, 8, 8]]));
        let lorry = BoxPx::from([60.0, 40.0, 90.0, 60.0]);
        let away = BoxPx::from([250.0, 40.0, 30.0, 30.0]);
        let Worth::Parts(parts) = road.worth(&wheel, &[lorry, away], 32) else { panic!("not all of it") };
        let [part] = parts[..] else { panic!("one: {parts:?}") };
        assert!(part.x <= 48 && part.x + part.w >= 162 && part.y <= 28 && part.y + part.h >= 112, "{part:?}");
        assert!(part.bbox().overlap(&away).abs() < 1e-6);
    }

    #[test]
    fn far_apart_are_two_parts_and_much_is_the_whole() {
        let road = looked(&[]);
        let corners = looked(&[[4, 4, 12, 12], [300, 170, 12, 12]]);
        let Worth::Parts(parts) = road.worth(&corners, &[], 32) else { panic!("not all of it") };
        assert_eq!(parts.len(), 2);
        assert_eq!(road.worth(&looked(&[[0, 0, 320, 192]]), &[], 32), Worth::Whole, "the light went on");
        let other =
            Looked::at(&BgrImage { size: SizePx { w: 64, h: 64 }, data: vec![0; 64 * 64 * 3] }).expect("a picture");
        assert_eq!(road.worth(&other, &[], 32), Worth::Whole);
    }

    #[test]
    fn slow_change_is_noticed_against_the_last_look() {
        let mut known = looked(&[]);
        let slowly = |level: u8| {
            let mut picture = picture(&[]);
            for row in 64..96 {
                picture.data[(row * 320 + 64) * 3..(row * 320 + 96) * 3].fill(90 + level);
            }
            Looked::at(&picture).expect("a picture")
        };
        assert_eq!(known.worth(&slowly(7), &[], 32), Worth::Parts(vec![]));
        let Worth::Parts(parts) = known.worth(&slowly(14), &[], 32) else { panic!("a part") };
        assert_eq!(parts.len(), 1);
        known.update(&slowly(14), &parts);
        assert_eq!(known.worth(&slowly(14), &[], 32), Worth::Parts(vec![]), "looked at");
    }
}
