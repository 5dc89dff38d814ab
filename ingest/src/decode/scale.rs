//! Decoded pictures to packed BGR: whole frames at the detector's size, parts at full size.
//!
//! `SWS_AREA`: averages when it makes a picture smaller, interpolates linearly when it enlarges. Measured (bilinear in
//! brackets, which swscale widens to a triangle): 1280×720 → 640×360 0.96 ms (0.87), 768×432 → 640×360 0.64 (0.99),
//! 352×288 → 588×480 0.67 (0.59), → 587×480 1.09 (1.54): an odd width leaves swscale's fast writers, so ours are even.
//! Fast bilinear aliases (mean difference 3 grey levels) and saves little. At equal size any flag takes the same direct
//! converter, 0.09 ms at 640×360; `ACCURATE_RND` would leave that and cost five times as much for a fifth of a grey level.
//!
//! The matrix (BT.601 or BT.709) and range of the stream are told to swscale, which otherwise takes everything for BT.601
//! limited and shifts the colours of a signal head.
#![allow(unsafe_code)]

use ffmpeg_next::{
    color, ffi,
    format::Pixel,
    frame::Video,
    software::scaling::{Context, Flags},
};
use stopline_types::{BgrImage, SizePx};

use super::{Fault, Picture};

/// What a scaling context was made for.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Job {
    pixel: Pixel,
    from: SizePx,
    to: SizePx,
    matrix: i32,
    full_range: bool,
}

/// Converts pictures; keeps one scaling context for each pair of sizes in use.
#[derive(Default)]
pub(crate) struct Converter {
    contexts: Vec<(Job, Context, Video)>,
}

/// More pairs of sizes than a stream with its crops has: a stream that changes its size again and again must not
/// collect contexts.
const MOST_CONTEXTS: usize = 16;

impl Converter {
    /// The whole picture at size `to`.
    pub(crate) fn scaled(&mut self, picture: &Picture, to: SizePx) -> Result<BgrImage, Fault> {
        self.convert(&picture.frame, to)
    }

    /// A part at full size: left, top, width, height in pixels, even and inside the picture.
    pub(crate) fn cropped(&mut self, picture: &Picture, part: (u32, u32, u32, u32)) -> Result<BgrImage, Fault> {
        self.part(picture, part, SizePx { w: part.2, h: part.3 })
    }

    /// A part at size `to`: left, top, width, height in pixels, even and inside the picture. Nothing outside it is
    /// read.
    pub(crate) fn part(
        &mut self,
        picture: &Picture,
        part: (u32, u32, u32, u32),
        to: SizePx,
    ) -> Result<BgrImage, Fault> {
        let (x, y, w, h) = part;
        let full = picture.size();
        let inside = x.checked_add(w).is_some_and(|right| right <= full.w)
            && y.checked_add(h).is_some_and(|bottom| bottom <= full.h);
        if !inside || w == 0 || h == 0 {
            return Err(Fault(ffmpeg_next::Error::InvalidData));
        }
        let mut view = Video::empty();
        // SAFETY: `view` is an empty frame we own; `av_frame_ref` makes it share the picture's buffers, which it keeps
        // alive by reference count. The crop fields lie inside the picture (checked above), and
        // `av_frame_apply_cropping` moves the plane pointers and the size accordingly, for any pixel format.
        let status = unsafe {
            let status = ffi::av_frame_ref(view.as_mut_ptr(), picture.frame.as_ptr());
            if status < 0 {
                status
            } else {
                let raw = view.as_mut_ptr();
                (*raw).crop_left = x as usize;
                (*raw).crop_top = y as usize;
                (*raw).crop_right = (full.w - x - w) as usize;
                (*raw).crop_bottom = (full.h - y - h) as usize;
                ffi::av_frame_apply_cropping(raw, ffi::AV_FRAME_CROP_UNALIGNED as i32)
            }
        };
        if status < 0 {
            return Err(Fault(status.into()));
        }
        self.convert(&view, to)
    }

    fn convert(&mut self, frame: &Video, to: SizePx) -> Result<BgrImage, Fault> {
        let from = SizePx { w: frame.width(), h: frame.height() };
        // Unmarked streams: HD is BT.709 by custom, smaller ones BT.601.
        let matrix = match frame.color_space() {
            color::Space::BT709 => ffi::SWS_CS_ITU709,
            color::Space::BT470BG | color::Space::SMPTE170M => ffi::SWS_CS_ITU601,
            _ if from.h >= 720 => ffi::SWS_CS_ITU709,
            _ => ffi::SWS_CS_ITU601,
        };
        let full_range = frame.color_range() == color::Range::JPEG;
        let job = Job { pixel: frame.format(), from, to, matrix, full_range };
        let at = match self.contexts.iter().position(|(known, ..)| *known == job) {
            Some(at) => at,
            None => {
                if self.contexts.len() >= MOST_CONTEXTS {
                    self.contexts.clear();
                }
                self.contexts.push((job, context(job)?, Video::empty()));
                self.contexts.len() - 1
            }
        };
        let (_, context, packed) = &mut self.contexts[at];
        context.run(frame, packed)?;
        Ok(without_padding(packed, to))
    }
}

fn context(job: Job) -> Result<Context, Fault> {
    let (from, to) = (job.from, job.to);
    let mut context = Context::get(job.pixel, from.w, from.h, Pixel::BGR24, to.w, to.h, Flags::AREA)?;
    const FIXED_POINT_ONE: i32 = 1 << 16;
    // SAFETY: the context is live and ours alone; the coefficient tables are static in swscale. A negative answer means
    // that this pair of formats has no matrix to set (it is RGB already), which is fine.
    unsafe {
        let table = ffi::sws_getCoefficients(job.matrix);
        ffi::sws_setColorspaceDetails(
            context.as_mut_ptr(),
            table,
            i32::from(job.full_range),
            table,
            1,
            0,
            FIXED_POINT_ONE,
            FIXED_POINT_ONE,
        );
    }
    Ok(context)
}

/// swscale wants aligned rows; the pictures we hand on have none of that padding.
fn without_padding(packed: &Video, size: SizePx) -> BgrImage {
    let row = size.w as usize * 3;
    let stride = packed.stride(0);
    let plane = packed.data(0);
    let mut data = Vec::with_capacity(row * size.h as usize);
    for line in plane.chunks(stride).take(size.h as usize) {
        data.extend_from_slice(&line[..row]);
    }
    BgrImage { size, data }
}
