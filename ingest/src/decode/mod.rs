//! FFmpeg. Nothing outside this folder touches it, and its types never leave the thread that made them.

mod alone;
mod decoder;
mod demux;
mod mux;
mod params;
mod scale;

pub use alone::decode_alone;
pub(crate) use decoder::{Decoder, Picture, try_key_frame};
pub(crate) use demux::{Demuxer, OpenFault, ReadFault};
pub(crate) use mux::{MuxPacket, write_mp4};
pub(crate) use scale::Converter;

/// What FFmpeg answered, in its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Fault(#[from] pub(crate) ffmpeg_next::Error);

/// `path` as FFmpeg takes it. `file:` keeps it from taking a name with a colon for a protocol; a name that is not UTF-8
/// would make `ffmpeg-next` panic.
fn file_url(path: &std::path::Path) -> Result<String, Fault> {
    match path.to_str() {
        Some(text) if !text.contains('\0') => Ok(format!("file:{text}")),
        _ => Err(Fault(ffmpeg_next::Error::Other { errno: ffmpeg_next::error::EINVAL })),
    }
}

/// FFmpeg writes to standard error by itself; all it has to say we say with camera and stream.
fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet));
}
