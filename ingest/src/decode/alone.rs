//! FFmpeg alone: the limit that our decoding is measured against.

use std::path::Path;

use ffmpeg_next as ffmpeg;

/// Decodes a file on one thread with libavformat and libavcodec and nothing else, and gives the number of pictures.
pub fn decode_alone(path: &Path) -> std::io::Result<usize> {
    count(path).map_err(|fault| std::io::Error::other(format!("{}: {fault}", path.display())))
}

fn count(path: &Path) -> Result<usize, ffmpeg::Error> {
    super::quiet();
    let mut input = ffmpeg::format::input(path)?;
    let stream = input.streams().best(ffmpeg::media::Type::Video).ok_or(ffmpeg::Error::StreamNotFound)?;
    let index = stream.index();
    let mut context = ffmpeg::codec::Context::from_parameters(stream.parameters())?;
    context.set_threading(ffmpeg::threading::Config { count: 1, ..Default::default() });
    let mut decoder = context.decoder().video()?;
    let mut picture = ffmpeg::frame::Video::empty();
    let mut pictures = 0;
    for (stream, packet) in input.packets() {
        if stream.index() == index {
            decoder.send_packet(&packet)?;
            while decoder.receive_frame(&mut picture).is_ok() {
                pictures += 1;
            }
        }
    }
    decoder.send_eof()?;
    while decoder.receive_frame(&mut picture).is_ok() {
        pictures += 1;
    }
    Ok(pictures)
}
