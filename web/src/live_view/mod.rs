//! A camera's own pictures in the browser: H.264 wrapped as fragmented MP4 and sent over a WebSocket, one message a
//! picture. Nothing is decoded or encoded here, so a tile costs what its bytes cost.
//!
//! Messages to the browser: a text `{"codec": "avc1.…", "width": …, "height": …}` before the first picture and after
//! each change of stream, then an initialisation segment (binary), then for each picture 8 bytes capture time
//! (microseconds since 1970, big-endian, signed) followed by its fragment (binary). A binary message that begins with a
//! capture time of 0 is an initialisation segment. The server closes with a reason when the camera sends nothing for a
//! while, when the session has ended, or when the browser falls behind by more than its share.

mod fmp4;
mod nal;
mod socket;

pub(crate) use socket::{__path_live, live};
