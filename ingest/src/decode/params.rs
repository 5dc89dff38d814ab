//! Our [`StreamFormat`] as FFmpeg's codec parameters and back. `ffmpeg-next` has no safe way to the extra data.
#![allow(unsafe_code)]

use bytes::Bytes;
use ffmpeg_next::{codec, ffi, media};
use stopline_types::SizePx;

use super::Fault;
use crate::packet::{Codec, StreamFormat};

pub(super) fn codec_id(codec: Codec) -> codec::Id {
    match codec {
        Codec::H264 => codec::Id::H264,
        Codec::H265 => codec::Id::HEVC,
        Codec::Mpeg4 => codec::Id::MPEG4,
        Codec::Mjpeg => codec::Id::MJPEG,
    }
}

/// The codec, or FFmpeg's name of one we do not take.
pub(super) fn known_codec(id: codec::Id) -> Result<Codec, &'static str> {
    match id {
        codec::Id::H264 => Ok(Codec::H264),
        codec::Id::HEVC => Ok(Codec::H265),
        codec::Id::MPEG4 => Ok(Codec::Mpeg4),
        codec::Id::MJPEG => Ok(Codec::Mjpeg),
        other => Err(other.name()),
    }
}

/// Codec parameters of a format.
pub(super) fn parameters(format: &StreamFormat) -> Result<codec::Parameters, Fault> {
    let mut parameters = codec::Parameters::new();
    parameters.set_medium(media::Type::Video);
    parameters.set_id(codec_id(format.codec));
    let side = |length: u32| i32::try_from(length).map_err(|_| Fault(ffmpeg_next::Error::InvalidData));
    let (w, h) = (side(format.size.w)?, side(format.size.h)?);
    let length = format.extra_data.len();
    let padded = length + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
    // SAFETY: `raw` is the live allocation that `parameters` owns alone. The extra data is allocated by FFmpeg's own
    // allocator with the zeroed padding it asks for, filled with exactly `length` bytes, and freed with the
    // parameters.
    unsafe {
        let raw = parameters.as_mut_ptr();
        if raw.is_null() {
            return Err(Fault(ffmpeg_next::Error::Unknown));
        }
        (*raw).width = w;
        (*raw).height = h;
        (*raw).video_delay = i32::from(format.reorder);
        if length > 0 {
            let data = ffi::av_mallocz(padded).cast::<u8>();
            if data.is_null() {
                return Err(Fault(ffmpeg_next::Error::Unknown));
            }
            std::ptr::copy_nonoverlapping(format.extra_data.as_ptr(), data, length);
            (*raw).extradata = data;
            (*raw).extradata_size = i32::try_from(length).unwrap_or(0);
        }
    }
    Ok(parameters)
}

/// Extra data and size out of a file's parameters.
pub(super) fn format_of(parameters: &codec::Parameters, codec: Codec) -> StreamFormat {
    // SAFETY: `parameters` keeps the structure alive during this call; the extra data, when there is any, has
    // `extradata_size` bytes by FFmpeg's contract, and is copied before the borrow ends.
    let (extra_data, w, h, delay) = unsafe {
        let raw = parameters.as_ptr();
        let length = usize::try_from((*raw).extradata_size).unwrap_or(0);
        let extra_data = if (*raw).extradata.is_null() || length == 0 {
            Bytes::new()
        } else {
            Bytes::copy_from_slice(std::slice::from_raw_parts((*raw).extradata, length))
        };
        (extra_data, (*raw).width, (*raw).height, (*raw).video_delay)
    };
    let side = |length: i32| u32::try_from(length).unwrap_or(0);
    let reorder = u8::try_from(delay).unwrap_or(0);
    StreamFormat { codec, extra_data, size: SizePx { w: side(w), h: side(h) }, reorder }
}
