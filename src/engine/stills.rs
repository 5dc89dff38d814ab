//! Stills of a violation as JPEG: before, in the act, after, at the full size of the evidence stream.

use anyhow::Context as _;
use image::{ExtendedColorType, ImageBuffer, Rgb, codecs::jpeg::JpegEncoder, imageops};
use stopline_ingest::{CropRequest, Cut, PartWanted};
use stopline_types::{BgrImage, PlateSeen, SizePx, Violation};

/// High enough that a plate's edges survive.
const QUALITY: u8 = 92;

/// File name and JPEG of each moment. The pictures carry no drawing: boxes stand in the manifest.
pub(crate) fn three(cut: &Cut, violation: &Violation) -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    let m = &violation.moments;
    let named = [("before.jpg", m.before), ("act.jpg", m.act), ("after.jpg", m.after)];
    let stills = cut.stills(&named.map(|(_, moment)| moment.time.utc))?;
    anyhow::ensure!(stills.len() == named.len(), "expected {} pictures, decoded {}", named.len(), stills.len());
    named.iter().zip(&stills).map(|((name, _), still)| Ok((*name, jpeg(&still.image)?))).collect()
}

/// The plate with a little around it, four times as large: for a person's eye, nothing is added.
pub(crate) fn plate(cut: &Cut, seen: &PlateSeen) -> anyhow::Result<Vec<u8>> {
    const AROUND: f32 = 0.35;
    const LARGER: u32 = 4;
    let (w, h) = (seen.frame_px.w as f32, seen.frame_px.h as f32);
    let (dx, dy) = (seen.bbox.w * AROUND, seen.bbox.h * AROUND);
    let part = CropRequest {
        x: (seen.bbox.x - dx) / w,
        y: (seen.bbox.y - dy) / h,
        w: (seen.bbox.w + 2.0 * dx) / w,
        h: (seen.bbox.h + 2.0 * dy) / h,
    };
    let part = cut.parts(&[PartWanted { at: seen.utc, part }]).pop().context("no picture")??;
    let SizePx { w, h } = part.image.size;
    let view = ImageBuffer::<Rgb<u8>, _>::from_raw(w, h, part.image.data).context("a picture of the wrong length")?;
    let large = imageops::resize(&view, w * LARGER, h * LARGER, imageops::FilterType::CatmullRom);
    jpeg(&BgrImage { size: SizePx { w: w * LARGER, h: h * LARGER }, data: large.into_raw() })
}

/// Encodes a picture.
pub(crate) fn jpeg(image: &BgrImage) -> anyhow::Result<Vec<u8>> {
    let mut rgb = image.data.clone();
    rgb.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
    let mut out = Vec::with_capacity(rgb.len() / 8);
    JpegEncoder::new_with_quality(&mut out, QUALITY)
        .encode(&rgb, image.size.w, image.size.h, ExtendedColorType::Rgb8)
        .context("JPEG")?;
    Ok(out)
}

/// The three moments side by side with the vehicle's box drawn, for a person's look: not evidence.
pub(crate) fn sheet(cut: &Cut, violation: &Violation, path: &std::path::Path) -> anyhow::Result<()> {
    let m = &violation.moments;
    let moments = [m.before, m.act, m.after];
    let mut stills = cut.stills(&moments.map(|moment| moment.time.utc))?;
    for (still, moment) in stills.iter_mut().zip(moments) {
        draw_box(&mut still.image, moment.bbox, [0, 220, 255]);
    }
    let size = stills.first().context("no picture was decoded")?.image.size;
    let row = size.w as usize * 3;
    let mut data = Vec::with_capacity(row * size.h as usize * stills.len());
    for y in 0..size.h as usize {
        stills.iter().for_each(|still| data.extend_from_slice(&still.image.data[y * row..(y + 1) * row]));
    }
    let w = size.w * stills.len() as u32;
    let image = BgrImage { size: stopline_types::SizePx { w, h: size.h }, data };
    std::fs::write(path, jpeg(&image)?).with_context(|| path.display().to_string())
}

/// A two pixel frame around `bbox` in `colour` (blue, green, red), clipped to the picture.
pub(crate) fn draw_box(image: &mut BgrImage, bbox: stopline_types::BoxPx, colour: [u8; 3]) {
    let (w, h) = (image.size.w as i64, image.size.h as i64);
    let (left, top, right, bottom) = (bbox.x as i64, bbox.y as i64, bbox.right() as i64, bbox.bottom() as i64);
    for y in (top - 1).max(0)..(bottom + 1).min(h) {
        for x in (left - 1).max(0)..(right + 1).min(w) {
            let inside = x > left && x < right - 1 && y > top && y < bottom - 1;
            if !inside {
                let at = ((y * w + x) * 3) as usize;
                image.data[at..at + 3].copy_from_slice(&colour);
            }
        }
    }
}
