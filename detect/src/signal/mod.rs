//! What the signal heads show: the colour of a picture of a head ([`read_head`]), then phases over time
//! ([`PhaseLog`]).

mod lamp;
mod phase;

pub use lamp::{Reading, read_head};
pub use phase::{Phase, PhaseLog};

use stopline_types::{BgrImage, BoxPx, Frame, SignalState};

use crate::scene::{Scene, SignalHead};

/// Cuts the part of `image` (whose top left pixel is at `origin` of the stream's frame, at `scale` image pixels a
/// stream pixel) that shows `bbox`. `None` if less than 3 × 3 pixels of it are inside.
fn cut(image: &BgrImage, origin: [f32; 2], scale: [f32; 2], bbox: &BoxPx) -> Option<BgrImage> {
    let edge =
        |at: f32, origin: f32, scale: f32, most: u32| ((at - origin) * scale).round().clamp(0.0, most as f32) as usize;
    let (left, right) =
        (edge(bbox.x, origin[0], scale[0], image.size.w), edge(bbox.right(), origin[0], scale[0], image.size.w));
    let (top, bottom) =
        (edge(bbox.y, origin[1], scale[1], image.size.h), edge(bbox.bottom(), origin[1], scale[1], image.size.h));
    if right < left + 3 || bottom < top + 3 {
        return None;
    }
    let stride = image.size.w as usize * 3;
    let rows = image.data.chunks_exact(stride).take(bottom).skip(top);
    let data: Vec<u8> = rows.flat_map(|row| row[left * 3..right * 3].iter().copied()).collect();
    Some(BgrImage { size: [(right - left) as u32, (bottom - top) as u32].into(), data })
}

/// What each head of a scene shows in a frame, from its crop at full resolution, else from the analysed picture.
/// `to_scene` are the factors from the stream's pixels to the scene's.
#[must_use]
pub fn read_frame(scene: &Scene, frame: &Frame, to_scene: (f64, f64)) -> Vec<SignalState> {
    let in_stream = |head: &SignalHead| head.bbox.scaled(1.0 / to_scene.0 as f32, 1.0 / to_scene.1 as f32);
    let read = |(index, head): (usize, &SignalHead)| {
        let bbox = in_stream(head);
        let crop = frame.crops.iter().find(|crop| crop.index == index);
        let native = crop.and_then(|c| cut(&c.image, [c.x as f32, c.y as f32], [1.0, 1.0], &bbox));
        let part = native.or_else(|| {
            let scale = [
                frame.image.size.w as f32 / frame.source.w.max(1) as f32,
                frame.image.size.h as f32 / frame.source.h.max(1) as f32,
            ];
            cut(&frame.image, [0.0, 0.0], scale, &bbox)
        });
        part.map_or(SignalState::Unknown, |part| read_head(&part, head.layout, &head.lamps).state)
    };
    scene.signals.iter().enumerate().map(read).collect()
}
