//! Frames of a stranger in the ring, cut into an MP4 file and into stills.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| stopline_ingest::fuzz::clip(data));
