//! Lines, fills and words on a picture, in the scene's pixels.

use embedded_graphics::{
    Drawable as _, Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{MonoFont, MonoTextStyle, iso_8859_1},
    pixelcolor::{Rgb888, RgbColor as _},
    primitives::{Line, Primitive as _, PrimitiveStyle, Triangle},
    text::{Baseline, Text},
};
use stopline_types::{BgrImage, BoxPx};

use super::super::geometry::{Point2, inside};
use super::{arrow_head, corners};

/// Blue, green, red.
pub(super) type Colour = [u8; 3];

/// A picture that is drawn on.
pub(super) struct Canvas<'a> {
    picture: &'a mut BgrImage,
    /// Pixels of the picture for one of the scene.
    scale: [f64; 2],
    /// Width of the thinnest line, pixels.
    thin: u32,
    font: &'static MonoFont<'static>,
}

impl OriginDimensions for Canvas<'_> {
    fn size(&self) -> Size {
        Size::new(self.picture.size.w, self.picture.size.h)
    }
}

impl DrawTarget for Canvas<'_> {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(at, colour) in pixels {
            self.blend(i64::from(at.x), i64::from(at.y), [colour.b(), colour.g(), colour.r()], 1.0);
        }
        Ok(())
    }
}

impl<'a> Canvas<'a> {
    pub(super) fn new(picture: &'a mut BgrImage, scale: [f64; 2]) -> Self {
        let wide = picture.size.w >= 1100;
        let font = if wide { &iso_8859_1::FONT_9X18_BOLD } else { &iso_8859_1::FONT_6X10 };
        let thin = (picture.size.w / 900).max(1);
        Self { picture, scale, thin, font }
    }

    /// The filled shape with its outline; `opacity` of the filling.
    pub(super) fn polygon(&mut self, corners: &[Point2], colour: Colour, opacity: f64) {
        let scaled: Vec<Point2> = corners.iter().map(|p| [p[0] * self.scale[0], p[1] * self.scale[1]]).collect();
        let range = |axis: usize, side: u32| {
            let ends = scaled.iter().fold((f64::MAX, f64::MIN), |(a, b), p| (a.min(p[axis]), b.max(p[axis])));
            (ends.0.max(0.0) as i64)..(ends.1.min(f64::from(side)).ceil() as i64)
        };
        for y in range(1, self.picture.size.h) {
            for x in range(0, self.picture.size.w) {
                if inside(&scaled, [x as f64 + 0.5, y as f64 + 0.5]) {
                    self.blend(x, y, colour, opacity);
                }
            }
        }
        let closed: Vec<Point2> = corners.iter().chain(corners.first()).copied().collect();
        self.line(&closed, colour, 1);
    }

    /// A line through all points, `width` times the thinnest.
    pub(super) fn line(&mut self, points: &[Point2], colour: Colour, width: u32) {
        let style = PrimitiveStyle::with_stroke(rgb(colour), self.thin * width);
        for piece in points.windows(2) {
            let (a, b) = (self.at(piece[0]), self.at(piece[1]));
            let Ok(()) = Line::new(a, b).into_styled(style).draw(self);
        }
    }

    /// A thin line that lets the picture through.
    pub(super) fn faint(&mut self, from: Point2, to: Point2, colour: Colour, opacity: f64) {
        let at = |p: Point2| [p[0] * self.scale[0], p[1] * self.scale[1]];
        let (a, b) = (at(from), at(to));
        let steps = (b[0] - a[0]).abs().max((b[1] - a[1]).abs()).ceil();
        if !(1.0..20_000.0).contains(&steps) {
            return;
        }
        for i in 0..steps as u32 {
            let u = f64::from(i) / steps;
            self.blend((a[0] + u * (b[0] - a[0])) as i64, (a[1] + u * (b[1] - a[1])) as i64, colour, opacity);
        }
    }

    pub(super) fn rectangle(&mut self, b: &BoxPx, colour: Colour, width: u32) {
        self.line(&corners(b), colour, width);
    }

    /// An arrow from the middle of whose shaft is `middle`.
    pub(super) fn arrow(&mut self, middle: Point2, direction: Point2, length: f64, colour: Colour) {
        let at = |by: f64| [middle[0] + by * direction[0], middle[1] + by * direction[1]];
        let (tail, tip) = (at(-length / 2.0), at(length / 2.0));
        self.line(&[tail, tip], colour, 3);
        if let Some([a, b]) = arrow_head(tip, direction, length * 0.3) {
            let triangle = Triangle::new(self.at(tip), self.at(a), self.at(b));
            let Ok(()) = triangle.into_styled(PrimitiveStyle::with_fill(rgb(colour))).draw(self);
        }
    }

    pub(super) fn cross(&mut self, [x, y]: Point2, colour: Colour) {
        let (rx, ry) = (5.0 / self.scale[0].min(1.0), 5.0 / self.scale[1].min(1.0));
        self.line(&[[x - rx, y], [x + rx, y]], colour, 1);
        self.line(&[[x, y - ry], [x, y + ry]], colour, 1);
    }

    /// Words on a dark ground, kept inside the picture.
    pub(super) fn label(&mut self, at: Point2, words: &str, colour: Colour) {
        let at = self.at(at);
        self.words(at + Point::new(4, 2), words, colour);
    }

    /// Lines of words in the lower left corner.
    pub(super) fn notes(&mut self, lines: &[(String, Colour)]) {
        let height = self.font.character_size.height as i32 + 4;
        let first = self.picture.size.h as i32 - height * lines.len() as i32 - 4;
        for (i, (words, colour)) in lines.iter().enumerate() {
            self.words(Point::new(4, first + height * i as i32), words, *colour);
        }
    }

    fn words(&mut self, at: Point, words: &str, colour: Colour) {
        let letter = self.font.character_size;
        let (width, height) = (letter.width as i32 * words.chars().count() as i32, letter.height as i32);
        let x = at.x.min(self.picture.size.w as i32 - width - 2).max(1);
        let y = at.y.min(self.picture.size.h as i32 - height - 2).max(1);
        for dy in -1..=height {
            for dx in -2..=width + 1 {
                self.blend(i64::from(x + dx), i64::from(y + dy), [0, 0, 0], 0.55);
            }
        }
        let style = MonoTextStyle::new(self.font, rgb(colour));
        let Ok(_end) = Text::with_baseline(words, Point::new(x, y), style, Baseline::Top).draw(self);
    }

    fn at(&self, p: Point2) -> Point {
        // Far outside is as good as outside, and keeps whole numbers small.
        let px = |value: f64| value.clamp(-30_000.0, 30_000.0) as i32;
        Point::new(px(p[0] * self.scale[0]), px(p[1] * self.scale[1]))
    }

    fn blend(&mut self, x: i64, y: i64, colour: Colour, opacity: f64) {
        let (w, h) = (i64::from(self.picture.size.w), i64::from(self.picture.size.h));
        if !(0..w).contains(&x) || !(0..h).contains(&y) {
            return;
        }
        let pixel = &mut self.picture.data[3 * (y * w + x) as usize..][..3];
        for (level, goal) in pixel.iter_mut().zip(colour) {
            *level = (f64::from(*level) * (1.0 - opacity) + f64::from(goal) * opacity).round() as u8;
        }
    }
}

fn rgb([b, g, r]: Colour) -> Rgb888 {
    Rgb888::new(r, g, b)
}
