//! Small grey pictures and how alike two of them are, block by block.

use stopline_types::BgrImage;

use super::ViewFault;

/// Width of the compared picture, pixels. A shift of 1 % is 1.6 of them.
pub(super) const WIDTH: usize = 160;
/// Pixels a block is wide and high.
const BLOCK: usize = 20;
/// Shifts looked for, pixels each way.
const REACH: i32 = 10;
/// Mean gradient of a block, grey levels a pixel, from which it has texture.
const TEXTURE: f64 = 3.0;
/// Correlation of gradients from which a block counts as found.
const ALIKE: f64 = 0.55;
/// How much better elsewhere than in place, for a block to say that it moved.
const BETTER: f64 = 0.08;
/// Share of its gradient that a block has left when it lost its texture.
const FADED: f64 = 0.35;
/// And below which it lost it whatever is left looks like.
const GONE: f64 = 0.12;

/// A grey picture [`WIDTH`] pixels wide.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grey {
    pub(super) width: usize,
    pub(super) height: usize,
    levels: Vec<f32>,
}

impl Grey {
    /// Each pixel the mean of those it stands for; `None` for a picture too small to compare.
    pub(super) fn of(image: &BgrImage) -> Option<Self> {
        let (w, h) = (image.size.w as usize, image.size.h as usize);
        if w < WIDTH || h < 3 * BLOCK || image.data.len() != 3 * w * h {
            return None;
        }
        let height = (h * WIDTH / w).max(BLOCK);
        let column: Vec<usize> = (0..w).map(|x| x * WIDTH / w).collect();
        let mut sums = vec![0_u32; WIDTH * height];
        let mut counts = vec![0_u32; WIDTH * height];
        for (y, row) in image.data.chunks_exact(3 * w).enumerate() {
            let at = (y * height / h) * WIDTH;
            let (sums, counts) = (&mut sums[at..at + WIDTH], &mut counts[at..at + WIDTH]);
            for (pixel, x) in row.chunks_exact(3).zip(&column) {
                sums[*x] += u32::from(pixel[0]) + 2 * u32::from(pixel[1]) + u32::from(pixel[2]);
                counts[*x] += 4;
            }
        }
        let levels = sums.iter().zip(&counts).map(|(sum, count)| *sum as f32 / (*count).max(1) as f32).collect();
        Some(Self { width: WIDTH, height, levels })
    }

    pub(super) fn from_bytes(width: usize, height: usize, bytes: &[u8]) -> Option<Self> {
        let fits = width == WIDTH && height >= BLOCK && Some(bytes.len()) == width.checked_mul(height);
        fits.then(|| Self { width, height, levels: bytes.iter().map(|level| f32::from(*level)).collect() })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.levels.iter().map(|level| level.round() as u8).collect()
    }

    pub(super) fn same_size(&self, other: &Self) -> bool {
        (self.width, self.height) == (other.width, other.height)
    }

    /// Pixel-wise median of pictures of one size, at least one.
    pub(super) fn median<'a>(pictures: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let mut all = pictures.clone();
        let first = all.next();
        let (width, height) = first.map_or((WIDTH, 0), |g| (g.width, g.height));
        let mut column = Vec::new();
        let level = |i: usize| {
            column.clear();
            column.extend(pictures.clone().map(|picture| picture.levels[i]));
            let middle = column.len() / 2;
            *column.select_nth_unstable_by(middle, f32::total_cmp).1
        };
        Self { width, height, levels: (0..width * height).map(level).collect() }
    }

    pub(super) fn mean(&self) -> f64 {
        self.levels.iter().map(|level| f64::from(*level)).sum::<f64>() / self.levels.len().max(1) as f64
    }

    /// One grey level towards another picture: over many steps a running median.
    pub(super) fn step_towards(&mut self, other: &Self) {
        for (level, goal) in self.levels.iter_mut().zip(&other.levels) {
            *level += (goal - *level).clamp(-1.0, 1.0);
        }
    }
}

/// Gradients of a picture, and which blocks have texture.
#[derive(Debug, Clone)]
pub(super) struct Blocks {
    width: usize,
    height: usize,
    /// Across and down.
    gradient: Vec<[f32; 2]>,
    /// Left and top of each block, and its mean gradient.
    blocks: Vec<(usize, usize, f64)>,
}

/// How the blocks with texture fare.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    pub(super) textured: usize,
    pub(super) in_place: usize,
    pub(super) lost: usize,
}

/// Where the blocks with texture are found best.
#[derive(Debug, Clone, Default)]
pub(super) struct Search {
    textured: f64,
    pub(super) in_place: f64,
    /// Shifts of those found elsewhere, pixels.
    shifts: Vec<[f64; 2]>,
    height: f64,
}

impl Blocks {
    pub(super) fn of(grey: &Grey) -> Self {
        let (width, height) = (grey.width, grey.height);
        let level = |x: usize, y: usize| grey.levels[y * width + x];
        let mut gradient = vec![[0.0; 2]; width * height];
        for y in 1..height - 1 {
            for x in 1..width - 1 {
                gradient[y * width + x] =
                    [(level(x + 1, y) - level(x - 1, y)) / 2.0, (level(x, y + 1) - level(x, y - 1)) / 2.0];
            }
        }
        let mut this = Self { width, height, gradient, blocks: Vec::new() };
        let starts = |side: usize| (0..side / BLOCK).map(move |i| i * BLOCK + (side % BLOCK) / 2);
        this.blocks = starts(height)
            .flat_map(|y| starts(width).map(move |x| (x, y)))
            .map(|(x, y)| (x, y, this.strength(x, y)))
            .collect();
        this
    }

    fn strength(&self, x: usize, y: usize) -> f64 {
        let rows = (y..y + BLOCK).flat_map(|y| &self.gradient[y * self.width + x..][..BLOCK]);
        rows.map(|g| f64::from(g[0].hypot(g[1]))).sum::<f64>() / (BLOCK * BLOCK) as f64
    }

    fn textured(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        self.blocks.iter().copied().filter(|block| block.2 >= TEXTURE)
    }

    /// Correlation of a block with the other picture's at a shift, -1 to 1; `None` where the block leaves the picture.
    fn alike(&self, other: &Self, (x, y): (usize, usize), (dx, dy): (i32, i32)) -> Option<f64> {
        let shifted = |at: usize, by: i32, side: usize| {
            let at = at as i32 + by;
            (at >= 0 && at as usize + BLOCK <= side).then_some(at as usize)
        };
        let (ox, oy) = (shifted(x, dx, self.width)?, shifted(y, dy, self.height)?);
        let (mut both, mut mine, mut theirs) = (0.0_f32, 0.0_f32, 0.0_f32);
        for row in 0..BLOCK {
            let a = &self.gradient[(y + row) * self.width + x..][..BLOCK];
            let b = &other.gradient[(oy + row) * self.width + ox..][..BLOCK];
            for (a, b) in a.iter().zip(b) {
                both += a[0] * b[0] + a[1] * b[1];
                mine += a[0] * a[0] + a[1] * a[1];
                theirs += b[0] * b[0] + b[1] * b[1];
            }
        }
        Some(f64::from(both / (mine * theirs).sqrt().max(1e-6)))
    }

    /// How the blocks of `self`, the reference, look in `now`.
    pub(super) fn compare(&self, now: &Self) -> Found {
        let mut found = Found::default();
        for (x, y, strength) in self.textured() {
            found.textured += 1;
            // Half a pixel of sway or rounding is no move.
            let near = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)];
            let at = |shift| self.alike(now, (x, y), shift).unwrap_or(0.0);
            let here = at((0, 0));
            let best = near[1..].iter().map(|shift| at(*shift)).fold(0.0, f64::max);
            found.in_place += usize::from(here >= ALIKE && here >= best - BETTER);
            let left = now.strength(x, y) / strength;
            found.lost += usize::from(left < GONE || (left < FADED && here < ALIKE));
        }
        found
    }

    /// Where the blocks of `self`, the reference, are found in `now`.
    pub(super) fn search(&self, now: &Self) -> Search {
        let mut search = Search { height: self.height as f64, ..Search::default() };
        for (x, y, _) in self.textured() {
            search.textured += 1.0;
            let mut best = (f64::MIN, (0, 0));
            for dy in -REACH..=REACH {
                for dx in -REACH..=REACH {
                    let alike = self.alike(now, (x, y), (dx, dy)).unwrap_or(f64::MIN);
                    best = if alike > best.0 { (alike, (dx, dy)) } else { best };
                }
            }
            let (alike, (dx, dy)) = best;
            if alike < ALIKE {
                continue;
            }
            if self.alike(now, (x, y), (0, 0)).unwrap_or(0.0) >= alike - BETTER {
                search.in_place += 1.0;
                continue;
            }
            // Between the pixels: a parabola through the neighbours.
            let at = |ddx: i32, ddy: i32| self.alike(now, (x, y), (dx + ddx, dy + ddy));
            let fine = |minus: Option<f64>, plus: Option<f64>| match (minus, plus) {
                (Some(m), Some(p)) if m + p - 2.0 * alike < -1e-9 => (m - p) / (2.0 * (m + p - 2.0 * alike)),
                _ => 0.0,
            };
            search.shifts.push([f64::from(dx) + fine(at(-1, 0), at(1, 0)), f64::from(dy) + fine(at(0, -1), at(0, 1))]);
        }
        search
    }
}

impl Search {
    /// The common shift, if at least `share` of the blocks with texture lie elsewhere by `least` of the width, more of
    /// them than lie in place. Turned about the line of sight, blocks shift each its own way: then the longest counts.
    pub(super) fn agreed(&self, share: f64, least: f64) -> Option<ViewFault> {
        let far = |shift: &&[f64; 2]| shift[0].hypot(shift[1]) >= least * WIDTH as f64;
        let moved: Vec<&[f64; 2]> = self.shifts.iter().filter(far).collect();
        let count = moved.len() as f64;
        if count < 3.0 || count < share * self.textured || count <= self.in_place {
            return None;
        }
        let median = |axis: usize| super::median_of(moved.iter().map(|shift| shift[axis]).collect());
        let (dx, dy) = (median(0), median(1));
        let near = |shift: &&&[f64; 2]| (shift[0] - dx).hypot(shift[1] - dy) <= 2.0;
        let together = moved.iter().filter(near).count() as f64;
        // Chance matches point everywhere.
        (together >= 0.5 * count).then(|| ViewFault::Moved { dx: dx / WIDTH as f64, dy: dy / self.height })
    }
}

/// Fine detail against coarse: mean difference of neighbouring pixels against that of pixels eight apart, along rows. It
/// falls when the picture blurs, and stays when it darkens or fades.
pub(super) fn sharpness(image: &BgrImage) -> f64 {
    const FAR: usize = 8;
    let row = 3 * image.size.w as usize;
    let (mut fine, mut coarse) = (0_u64, 0_u64);
    for line in image.data.chunks_exact(row.max(1)).step_by(3) {
        let green = |x: usize| i32::from(line[3 * x + 1]);
        for x in (0..image.size.w as usize).step_by(2).take_while(|x| x + FAR < image.size.w as usize) {
            fine += u64::from((green(x + 1) - green(x)).unsigned_abs());
            coarse += u64::from((green(x + FAR) - green(x)).unsigned_abs());
        }
    }
    fine as f64 / coarse.max(1) as f64
}
