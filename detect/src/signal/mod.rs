//! What the signal heads show: the colour of a picture of a head ([`read_head`]), whether something covers it, whether it
//! flashes, then phases over time ([`PhaseLog`]). [`Signals`] keeps all of that for the heads of a scene, and beside it
//! what the signal controller says, where there is such a source.
//!
//! Rules read the phases of the picture: that is what the evidence shows. Where the picture cannot tell (covered, dark)
//! a fresh word of the controller fills the gap. Where both speak and contradict each other, [`Signals::doubt`] says so,
//! and what was found then is not presented as certain.

mod controller;
mod cover;
mod flash;
mod lamp;
mod phase;

pub use controller::{ControllerReading, Doubt};
pub use lamp::{Reading, Unsure, read_head};
pub use phase::{Phase, PhaseLog};

use stopline_types::{BgrImage, BoxPx, Frame, SignalState, UtcUs};

use crate::scene::{Scene, SignalHead};
use controller::Controller;
use cover::Cover;
use flash::{Flash, Pattern};

/// The heads of a scene over time.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    phases: Vec<PhaseLog>,
    heads: Vec<Head>,
}

#[derive(Debug, Clone, Default)]
struct Head {
    cover: Cover,
    flash: Flash,
    controller: Controller,
    unsure: Option<Unsure>,
}

impl Signals {
    /// For `heads` heads, none of them read yet.
    #[must_use]
    pub fn new(heads: usize) -> Self {
        Self { phases: vec![PhaseLog::default(); heads], heads: vec![Head::default(); heads] }
    }

    /// Forgets the phases: a new session has begun. What the heads look like and what the controller said stays.
    pub fn restart(&mut self) {
        self.phases.fill(PhaseLog::default());
        for head in &mut self.heads {
            *head = Head {
                cover: std::mem::take(&mut head.cover),
                controller: std::mem::take(&mut head.controller),
                ..Head::default()
            };
        }
    }

    /// Reads every head of a frame. `to_scene` are the factors from the stream's pixels to the scene's.
    pub fn observe(&mut self, scene: &Scene, frame: &Frame, to_scene: (f64, f64)) {
        let (t_s, utc) = (frame.media_s, frame.time.utc);
        for (index, (head, log)) in self.heads.iter_mut().zip(&mut self.phases).enumerate() {
            let Some(drawn) = scene.signals.get(index) else { continue };
            let picture = picture_of(drawn, index, frame, to_scene);
            let mut reading = picture
                .as_ref()
                .map_or(Reading::unsure(Unsure::TooSmall, 0.0), |part| read_head(part, drawn.layout, &drawn.lamps));
            if let Some(part) = &picture
                && head.cover.look(t_s, part, reading.state)
                && matches!(reading.state, SignalState::Dark | SignalState::Unknown)
            {
                reading = Reading::unsure(Unsure::Covered, 0.0);
            }
            head.unsure = reading.unsure;
            match head.flash.read(t_s, reading.state) {
                Pattern::FlashingSince(from_s) => {
                    log.rename_since(from_s, t_s, utc, SignalState::FlashingYellow);
                    continue;
                }
                Pattern::Lasting => reading = Reading::unsure(Unsure::LastingYellow, 0.0),
                Pattern::Steady => {}
            }
            head.unsure = reading.unsure;
            let silent = matches!(reading.state, SignalState::Dark | SignalState::Unknown);
            let said = head.controller.state_at(utc).filter(|_| silent);
            log.read(t_s, utc, said.unwrap_or(reading.state));
        }
    }

    /// A frame in which the heads are not where the scene says: nothing is read.
    pub fn observe_nothing(&mut self, t_s: f64, utc: UtcUs) {
        self.phases.iter_mut().for_each(|log| log.read(t_s, utc, SignalState::Unknown));
    }

    /// Takes what the signal controller says about a head, by its place in the scene.
    pub fn controller_says(&mut self, head: usize, reading: ControllerReading) {
        if let Some(head) = self.heads.get_mut(head) {
            head.controller.take(reading);
        }
    }

    /// The phases by which rules judge, one log a head in the order of the scene.
    #[must_use]
    pub fn phases(&self) -> &[PhaseLog] {
        &self.phases
    }

    /// Why a head cannot be read now, if it cannot.
    #[must_use]
    pub fn unsure(&self, head: usize) -> Option<Unsure> {
        self.heads.get(head)?.unsure
    }

    /// What the controller says a head showed at a moment, if it spoke about that moment.
    #[must_use]
    pub fn controller_at(&self, head: usize, at: UtcUs) -> Option<SignalState> {
        self.heads.get(head)?.controller.state_at(at)
    }

    /// Whether picture and controller contradict each other about a moment; `None` when they agree or only one speaks.
    #[must_use]
    pub fn doubt(&self, head: usize, t_s: f64, at: UtcUs) -> Option<Doubt> {
        let log = self.phases.get(head)?;
        self.heads.get(head)?.controller.doubt(log, t_s, at)
    }
}

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

/// The picture of a head, from its crop at full resolution, else from the analysed picture.
fn picture_of(head: &SignalHead, index: usize, frame: &Frame, to_scene: (f64, f64)) -> Option<BgrImage> {
    let bbox = head.bbox.scaled(1.0 / to_scene.0 as f32, 1.0 / to_scene.1 as f32);
    let crop = frame.crops.iter().find(|crop| crop.index == index);
    let native = crop.and_then(|c| cut(&c.image, [c.x as f32, c.y as f32], [1.0, 1.0], &bbox));
    native.or_else(|| {
        let seen = frame.seen();
        let scale = [frame.image.size.w as f32 / seen.w, frame.image.size.h as f32 / seen.h];
        cut(&frame.image, [seen.x, seen.y], scale, &bbox)
    })
}

#[cfg(test)]
mod tests;
