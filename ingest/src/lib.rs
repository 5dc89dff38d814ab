//! RTSP sessions, packet ring, decode, frame hand-off, files as cameras.
