//! Encoded frames of a stranger, H.264, H.265, MJPEG and MPEG-4.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stopline_ingest::fuzz::decode(data));
