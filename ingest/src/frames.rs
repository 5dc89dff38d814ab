//! Packets in, frames for the detector out: the same for cameras and files.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use stopline_types::{BgrImage, BoxPx, CameraId, CaptureTime, Crop, Frame, SizePx, StreamRole};

use crate::{
    decode::{Converter, Decoder, Picture},
    packet::{Packet, StreamFormat},
    plan::{AnalysePlan, RateLimit},
};

/// Pictures a decoder may hold back for reordering, by far (H.264 allows 16).
const MOST_HELD_BACK: usize = 64;

/// What became of a packet.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) decoded: u64,
    pub(crate) over_rate: u64,
    pub(crate) undecodable: u64,
    /// Left undecoded because the road is quiet.
    pub(crate) gated: u64,
    /// The quiet ended.
    pub(crate) wakes: u64,
    /// Why something was not decodable.
    pub(crate) fault: Option<String>,
}

impl Outcome {
    pub(crate) fn add(&mut self, other: Self) {
        self.decoded += other.decoded;
        self.over_rate += other.over_rate;
        self.undecodable += other.undecodable;
        self.gated += other.gated;
        self.wakes += other.wakes;
        self.fault = self.fault.take().or(other.fault);
    }

    fn fail(&mut self, why: impl ToString) {
        self.undecodable += 1;
        self.fault.get_or_insert_with(|| why.to_string());
    }
}

/// Decodes one stream. After anything it cannot decode it waits for the next key frame, because pictures made from
/// half of what they depend on would mislead the rules.
pub(crate) struct FrameMaker {
    camera: CameraId,
    role: StreamRole,
    plan: AnalysePlan,
    limit: RateLimit,
    converter: Converter,
    decoder: Option<(u32, Arc<StreamFormat>, Decoder)>,
    waits_for_key: bool,
    in_decoder: VecDeque<(i64, CaptureTime, Option<Instant>)>,
    seq: u64,
}

impl FrameMaker {
    pub(crate) fn new(camera: CameraId, role: StreamRole, plan: AnalysePlan) -> Self {
        Self {
            camera,
            role,
            limit: RateLimit::new(plan.max_fps),
            plan,
            converter: Converter::default(),
            decoder: None,
            waits_for_key: true,
            in_decoder: VecDeque::new(),
            seq: 0,
        }
    }

    /// Takes the next packet and gives every frame that is ready to `emit`.
    pub(crate) fn packet(&mut self, packet: &Packet, emit: &mut dyn FnMut(Frame)) -> Outcome {
        let mut outcome = Outcome::default();
        let same = |known: &Arc<StreamFormat>| Arc::ptr_eq(known, &packet.format) || *known == packet.format;
        let (new_session, new_format) = match &self.decoder {
            Some((session, format, _)) => (*session != packet.session, !same(format)),
            None => (false, true),
        };
        if new_session || new_format {
            self.drain(&mut outcome, emit);
            self.waits_for_key = true;
        }
        if new_session {
            self.seq = 0;
            self.limit = RateLimit::new(self.plan.max_fps);
        }
        match &mut self.decoder {
            // A camera that comes back as it was goes on with its decoder: opening one anew costs megabytes each time.
            Some((session, _, decoder)) if new_session && !new_format => {
                *session = packet.session;
                decoder.reset();
            }
            _ if new_format => self.decoder = None,
            _ => {}
        }
        if packet.after_loss {
            self.resume_at_key(&mut outcome);
        }
        if self.waits_for_key && !packet.key {
            outcome.fail("a frame it depends on is missing");
            return outcome;
        }
        if self.decoder.is_none() {
            match Decoder::open(&packet.format) {
                Ok(decoder) => self.decoder = Some((packet.session, Arc::clone(&packet.format), decoder)),
                Err(e) => {
                    outcome.fail(format!("no decoder for {:?}: {e}", packet.format));
                    return outcome;
                }
            }
        }
        self.waits_for_key = false;
        self.in_decoder.push_back((packet.media_us, packet.time, packet.received));
        if self.in_decoder.len() > MOST_HELD_BACK {
            self.in_decoder.pop_front();
            outcome.fail("the decoder gave no picture for it");
        }
        let sent = self.decoder.as_mut().map_or(Ok(()), |(.., decoder)| decoder.send(packet));
        match sent {
            Ok(()) => self.receive(&mut outcome, emit),
            Err(e) => {
                outcome.fail(e);
                self.in_decoder.pop_back();
                self.resume_at_key(&mut outcome);
            }
        }
        outcome
    }

    /// Takes the frames that the decoder still holds back at the end of a stream.
    pub(crate) fn finish(&mut self, emit: &mut dyn FnMut(Frame)) -> Outcome {
        let mut outcome = Outcome::default();
        self.drain(&mut outcome, emit);
        self.decoder = None;
        self.waits_for_key = true;
        outcome
    }

    fn drain(&mut self, outcome: &mut Outcome, emit: &mut dyn FnMut(Frame)) {
        let finished = self.decoder.as_mut().map(|(.., decoder)| decoder.finish());
        if let Some(Ok(())) = finished {
            self.receive(outcome, emit);
        }
        self.give_up_held_back(outcome);
    }

    fn give_up_held_back(&mut self, outcome: &mut Outcome) {
        for _ in self.in_decoder.drain(..) {
            outcome.fail("the decoder gave no picture for it");
        }
    }

    fn resume_at_key(&mut self, outcome: &mut Outcome) {
        if let Some((.., decoder)) = &mut self.decoder {
            decoder.reset();
        }
        self.waits_for_key = true;
        self.give_up_held_back(outcome);
    }

    fn receive(&mut self, outcome: &mut Outcome, emit: &mut dyn FnMut(Frame)) {
        loop {
            let Some((.., decoder)) = &mut self.decoder else { return };
            let picture = match decoder.receive() {
                Ok(Some(picture)) => picture,
                Ok(None) => return,
                Err(e) => {
                    outcome.fail(e);
                    self.in_decoder.pop_front();
                    self.resume_at_key(outcome);
                    return;
                }
            };
            let known = self.in_decoder.iter().position(|(us, ..)| Some(*us) == picture.media_us());
            let Some((media_us, time, received)) = known.and_then(|at| self.in_decoder.remove(at)) else {
                continue;
            };
            // Pictures come out in order of presentation: what is earlier and still in there never will.
            let held_back = self.in_decoder.len();
            self.in_decoder.retain(|(us, ..)| *us > media_us);
            (self.in_decoder.len()..held_back).for_each(|_| outcome.fail("no picture came out for it in its order"));
            if picture.is_damaged() {
                outcome.fail("the picture is damaged");
                self.resume_at_key(outcome);
                return;
            }
            outcome.decoded += 1;
            let seq = self.seq;
            self.seq += 1;
            let media_s = media_us as f64 / 1e6;
            if !self.limit.admit(media_s) {
                outcome.over_rate += 1;
                continue;
            }
            match self.frame(&picture) {
                Ok((image, part, crops)) => emit(Frame {
                    camera: self.camera.clone(),
                    role: self.role,
                    seq,
                    time,
                    media_s,
                    source: picture.size(),
                    image,
                    part,
                    crops,
                    received,
                }),
                Err(e) => outcome.fail(format!("cannot convert the picture: {e}")),
            }
        }
    }

    fn frame(&mut self, picture: &Picture) -> Result<(BgrImage, Option<BoxPx>, Vec<Crop>), crate::decode::Fault> {
        let size = picture.size();
        let part = self.plan.part(size);
        let image = match part {
            None => self.converter.scaled(picture, self.plan.fitted(size))?,
            Some(part) => self.converter.part(picture, part, self.plan.fitted(SizePx { w: part.2, h: part.3 }))?,
        };
        let mut crops = Vec::with_capacity(self.plan.crops.len());
        for (index, request) in self.plan.crops.iter().enumerate() {
            if let Some(part) = request.in_pixels(size) {
                let image = self.converter.cropped(picture, part)?;
                crops.push(Crop { index, x: part.0, y: part.1, image });
            }
        }
        let part = part.map(|part| <[u32; 4]>::from(part).map(|px| px as f32).into());
        Ok((image, part, crops))
    }
}
