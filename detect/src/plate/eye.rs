//! Locator and reader put together: from pictures to looks at plates.

use std::sync::Arc;

use stopline_types::{BgrImage, BoxPx, PlateRead, PointPx, SizePx, VehicleClass};

use super::{
    Grammar, colour,
    vote::{self, Look},
    warp,
};
use crate::inference::{CharacterOdds, InferenceError, LocatedPlate, PlateLocator, PlateReader, RawRead};

/// A plate of this height, pixels, counts once; smaller ones less, larger ones up to twice.
const USUAL_HEIGHT_PX: f32 = 24.0;
/// Mean step from pixel to pixel of a patch, in shares of its contrast, that counts as sharp.
const SHARP: f32 = 0.12;
/// Lower plates show no characters: seven pixels a line are too few for anybody.
const LEAST_HEIGHT_PX: f32 = 6.0;
/// A picture no larger than this may be a plate's own.
const PLATE_PICTURE: SizePx = SizePx { w: 400, h: 200 };
/// Share of a picture that a plate fills when the picture is the plate's own.
const FILLS: f32 = 0.5;
/// In a picture this narrow a plate that fills less would be too small to be read: what was found may be a part of it.
const NARROW_PX: u32 = 160;
/// What a text of no kind is worth beside one of a kind.
const OF_NO_KIND: f64 = 0.1;

/// A small plate is read as if it lay a little otherwise as well, for a pixel this way or that changes much of it: how far
/// left, top, right and bottom edge move inwards, share of the plate.
const VIEWS: [[f32; 4]; 5] = [
    [0.0, 0.0, 0.0, 0.0],
    [0.03, 0.03, -0.02, -0.02],
    [-0.02, 0.03, 0.03, -0.02],
    [0.03, -0.02, -0.02, 0.03],
    [-0.02, -0.02, 0.03, 0.03],
];
/// Plates at least so high are read once.
const LARGE_PX: f32 = 40.0;
/// Odds below this count as this when views are averaged.
const LEAST_ODDS: f32 = 1e-6;

/// A plate found in a picture, and what was read of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlateFound {
    /// How sure the locator is, 0 to 1; 1 where the whole picture was taken for the plate.
    pub score: f32,
    /// Upright, in pixels of the picture.
    pub bbox: BoxPx,
    /// Top left, top right, bottom right, bottom left, in pixels of the picture.
    pub corners: [PointPx; 4],
    /// What stands on it.
    pub look: Look,
}

/// Finds and reads plates. Owned by one thread.
#[derive(Debug)]
pub struct PlateEye {
    locator: PlateLocator,
    reader: PlateReader,
    grammar: Arc<Grammar>,
    version: String,
}

impl PlateEye {
    /// Of both models.
    #[must_use]
    pub fn new(locator: PlateLocator, reader: PlateReader, grammar: Arc<Grammar>) -> Self {
        let version = format!("{}+{}", locator.version(), reader.version());
        Self { locator, reader, grammar, version }
    }

    /// `locator@sha+reader@sha`: what plate reads carry.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// All plates of each picture, strongest first. One run of each model for all pictures together.
    pub fn look(&mut self, pictures: &[&BgrImage]) -> Result<Vec<Vec<PlateFound>>, InferenceError> {
        let located = self.locator.locate(pictures)?;
        self.read(pictures, located)
    }

    /// All plates of a picture that may be large, or may be a plate's own. Vehicles far away fill little of the locator's
    /// input, so a picture larger than that is looked at in overlapping tiles as well.
    pub fn look_closely(&mut self, picture: &BgrImage) -> Result<Vec<PlateFound>, InferenceError> {
        let mut located = self.locator.locate(&[picture])?.pop().unwrap_or_default();
        for tile in tiles(picture.size, self.locator.input()) {
            let part = cut(picture, tile);
            for plate in self.locator.locate(&[&part])?.pop().unwrap_or_default() {
                // Cut by the tile's edge: a neighbouring tile has it whole.
                if !touches_inner_edge(&plate.bbox, tile, picture.size) {
                    located.push(moved(plate, tile));
                }
            }
        }
        located.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut kept: Vec<LocatedPlate> = Vec::new();
        for plate in located {
            let inside =
                |other: &LocatedPlate| other.bbox.overlap(&plate.bbox) > 0.5 * other.bbox.area().min(plate.bbox.area());
            if !kept.iter().any(inside) {
                kept.push(plate);
            }
        }
        let mut found = self.read(&[picture], vec![kept])?.pop().unwrap_or_default();
        if let Some(own) = self.as_plate(picture, &found)? {
            found = vec![own];
        }
        Ok(found)
    }

    /// The picture taken for a plate's own, if it may be one and that reads no worse than what was found in it.
    fn as_plate(&mut self, picture: &BgrImage, found: &[PlateFound]) -> Result<Option<PlateFound>, InferenceError> {
        let size = picture.size;
        let shape = size.w as f32 / size.h.max(1) as f32;
        if size.w > PLATE_PICTURE.w || size.h > PLATE_PICTURE.h || !(0.8..7.0).contains(&shape) {
            return Ok(None);
        }
        let fills = |plate: &PlateFound| plate.bbox.area() >= FILLS * (size.w * size.h) as f32;
        if size.w > NARROW_PX && found.iter().any(|plate| !fills(plate)) {
            return Ok(None);
        }
        let bbox = BoxPx::from([0.0, 0.0, size.w as f32, size.h as f32]);
        let whole = LocatedPlate { score: 1.0, bbox, corners: warp::whole(size) };
        let own = self.read_with(&[picture], vec![vec![whole]], 0.0)?.pop().and_then(|mut plates| plates.pop());
        let worth = |plate: &PlateFound| {
            let of_a_kind = !self.grammar.kinds(&plate.look.text()).is_empty();
            plate.look.confidence() * if of_a_kind { 1.0 } else { OF_NO_KIND }
        };
        Ok(own.filter(|own| found.iter().all(|plate| worth(plate) <= worth(own))))
    }

    /// The answer of several looks at the plate of one vehicle.
    #[must_use]
    pub fn judge(&self, looks: &[Look], class: Option<VehicleClass>) -> Option<PlateRead> {
        let read = vote::vote(looks, &self.grammar, class, self.reader.sure_above())?;
        Some(PlateRead { model: self.version.clone(), ..read })
    }

    fn read(
        &mut self,
        pictures: &[&BgrImage],
        located: Vec<Vec<LocatedPlate>>,
    ) -> Result<Vec<Vec<PlateFound>>, InferenceError> {
        let margin = self.reader.margin();
        self.read_with(pictures, located, margin)
    }

    fn read_with(
        &mut self,
        pictures: &[&BgrImage],
        located: Vec<Vec<LocatedPlate>>,
        margin: f32,
    ) -> Result<Vec<Vec<PlateFound>>, InferenceError> {
        let size = self.reader.input();
        let (mut patches, mut plates) = (Vec::new(), Vec::new());
        for (picture, located) in located.into_iter().enumerate() {
            for plate in located {
                let height = warp::sides(&plate.corners).1;
                if height < LEAST_HEIGHT_PX {
                    continue;
                }
                let views = if height >= LARGE_PX { &VIEWS[..1] } else { &VIEWS[..] };
                let first = patches.len();
                patches.extend(views.iter().filter_map(|view| {
                    warp::grey(pictures[picture], &moved_edges(&plate.corners, *view), margin, size)
                }));
                if patches.len() > first {
                    plates.push((picture, plate, first..patches.len()));
                }
            }
        }
        let reads = self.reader.read(&patches)?;
        let mut found = vec![Vec::new(); pictures.len()];
        for (picture, plate, views) in plates {
            let look = Look {
                odds: averaged(&reads[views.clone()]),
                lines: reads[views.start].lines,
                colour: colour::of_plate(pictures[picture], &plate.corners),
                weight: weight(&plate.corners, &patches[views.start], size),
                seen: None,
                doubtful: false,
            };
            found[picture].push(PlateFound { score: plate.score, bbox: plate.bbox, corners: plate.corners, look });
        }
        Ok(found)
    }
}

/// The corners with each edge moved inwards.
fn moved_edges(corners: &[PointPx; 4], [left, top, right, bottom]: [f32; 4]) -> [PointPx; 4] {
    let [tl, tr, br, bl] = *corners;
    let between = |a: PointPx, b: PointPx, at: f32| PointPx { x: a.x + (b.x - a.x) * at, y: a.y + (b.y - a.y) * at };
    let at = |u: f32, v: f32| between(between(tl, tr, u), between(bl, br, u), v);
    [at(left, top), at(1.0 - right, top), at(1.0 - right, 1.0 - bottom), at(left, 1.0 - bottom)]
}

/// The geometric mean of several views of one plate.
fn averaged(reads: &[RawRead]) -> Vec<CharacterOdds> {
    if let [only] = reads {
        return only.odds.clone();
    }
    let places = reads.first().map_or(0, |read| read.odds.len());
    let mean = |place: usize| {
        let log = |class: usize| {
            reads.iter().map(|read| read.odds[place].0[class].max(LEAST_ODDS).ln()).sum::<f32>() / reads.len() as f32
        };
        let powers: [f32; 37] = std::array::from_fn(|class| log(class).exp());
        let sum: f32 = powers.iter().sum();
        CharacterOdds(powers.map(|p| p / sum))
    };
    (0..places).map(mean).collect()
}

/// What a picture of a plate is worth: its size, and how steep its edges are for its contrast.
fn weight(corners: &[PointPx; 4], patch: &[f32], size: SizePx) -> f32 {
    let height = warp::sides(corners).1;
    let large = (height / USUAL_HEIGHT_PX).clamp(0.25, 2.0);
    let mut levels = patch.to_vec();
    levels.sort_by(f32::total_cmp);
    let contrast = (levels[levels.len() * 95 / 100] - levels[levels.len() * 5 / 100]).max(8.0);
    let rows = patch.chunks_exact(size.w as usize);
    let steps: f32 = rows.map(|row| row.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum::<f32>()).sum();
    let steep = steps / patch.len() as f32 / contrast;
    large * (steep / SHARP).clamp(0.3, 1.5)
}

/// A part of a picture: left, top, width, height.
type Tile = (u32, u32, u32, u32);

/// Overlapping tiles of twice the locator's input; none for a picture that is not larger.
fn tiles(picture: SizePx, input: SizePx) -> Vec<Tile> {
    let side = |input: u32, whole: u32| (2 * input).min(whole);
    let (w, h) = (side(input.w, picture.w), side(input.h, picture.h));
    if (w, h) == (picture.w, picture.h) {
        return Vec::new();
    }
    let starts = |tile: u32, whole: u32| {
        let count = if tile >= whole { 1 } else { (whole - tile).div_ceil(tile * 3 / 4) + 1 };
        (0..count).map(move |at| if count == 1 { 0 } else { at * (whole - tile) / (count - 1) })
    };
    starts(h, picture.h).flat_map(|y| starts(w, picture.w).map(move |x| (x, y, w, h))).collect()
}

fn cut(picture: &BgrImage, (x, y, w, h): Tile) -> BgrImage {
    let row = picture.size.w as usize * 3;
    let lines = picture.data.chunks_exact(row).skip(y as usize).take(h as usize);
    let data = lines.flat_map(|line| &line[x as usize * 3..(x + w) as usize * 3]).copied().collect();
    BgrImage { size: SizePx { w, h }, data }
}

fn touches_inner_edge(bbox: &BoxPx, (x, y, w, h): Tile, picture: SizePx) -> bool {
    const NEAR: f32 = 2.0;
    (x > 0 && bbox.x < NEAR)
        || (y > 0 && bbox.y < NEAR)
        || (x + w < picture.w && bbox.right() > w as f32 - NEAR)
        || (y + h < picture.h && bbox.bottom() > h as f32 - NEAR)
}

fn moved(plate: LocatedPlate, (x, y, ..): Tile) -> LocatedPlate {
    let (x, y) = (x as f32, y as f32);
    let bbox = BoxPx { x: plate.bbox.x + x, y: plate.bbox.y + y, ..plate.bbox };
    LocatedPlate { bbox, corners: plate.corners.map(|c| PointPx { x: c.x + x, y: c.y + y }), ..plate }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_picture_and_overlap() {
        let input = SizePx { w: 160, h: 160 };
        let picture = SizePx { w: 1280, h: 720 };
        let all = tiles(picture, input);
        assert!(all.iter().all(|(x, y, w, h)| x + w <= picture.w && y + h <= picture.h));
        for (px, py) in [(0, 0), (1279, 719), (640, 360), (319, 0), (321, 500)] {
            assert!(all.iter().any(|(x, y, w, h)| (*x..x + w).contains(&px) && (*y..y + h).contains(&py)));
        }
        assert!(tiles(SizePx { w: 300, h: 200 }, input).is_empty(), "a small picture is looked at once");
    }

    #[test]
    fn a_part_is_cut_where_it_is() {
        let size = SizePx { w: 4, h: 3 };
        let picture = BgrImage { size, data: (0..12u8).flat_map(|v| [v; 3]).collect() };
        let part = cut(&picture, (1, 1, 2, 2));
        assert_eq!(part.data.chunks(3).map(|p| p[0]).collect::<Vec<_>>(), [5, 6, 9, 10]);
    }

    #[test]
    fn sharp_and_large_counts_more() {
        let size = SizePx { w: 96, h: 48 };
        let patch = |period: usize| {
            (0..96 * 48).map(|at| if (at % 96 / period).is_multiple_of(2) { 40.0 } else { 200.0 }).collect::<Vec<f32>>()
        };
        let soft: Vec<f32> = (0..96 * 48).map(|at| 40.0 + (at % 96) as f32).collect();
        let near = warp::whole(SizePx { w: 96, h: 48 });
        let far = warp::whole(SizePx { w: 24, h: 12 });
        assert!(weight(&near, &patch(4), size) > weight(&near, &soft, size));
        assert!(weight(&near, &patch(4), size) > weight(&far, &patch(4), size));
    }
}
