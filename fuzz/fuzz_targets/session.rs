//! A session description, RTP and RTCP of a stranger.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // Panics of the libraries below are caught where they are called and end the session; ours must not happen.
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let of_library = panic.location().is_some_and(|at| {
                ["/retina-", "/sdp-types-", "/h264-reader-", "/rtsp-types-"].iter().any(|name| at.file().contains(name))
            });
            if !of_library {
                report(panic);
            }
        }));
    },
    |data: &[u8]| {
        stopline_ingest::fuzz::session(data);
    }
);
