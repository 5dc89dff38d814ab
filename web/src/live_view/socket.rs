//! The WebSocket of a live picture.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    response::Response,
};
use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use stopline_types::UtcUs;
use tokio::time::Instant;

use super::{
    fmp4,
    nal::{self, ParameterSets},
};
use crate::{
    LivePacket, LivePackets,
    app::App,
    problem::Problem,
    request::{SignedIn, Within, camera_id},
};

/// Longest silence of a camera before the line is closed.
const SILENCE: Duration = Duration::from_secs(15);
/// Longest time a message may take to be sent: a browser that cannot keep up is let go, not waited for.
const SEND: Duration = Duration::from_secs(5);
/// A line ends after so long, and the browser comes again: so a session that ended, or a right taken away, holds it no
/// longer.
const LONGEST: Duration = Duration::from_secs(300);
/// Frames a second taken for granted until two have come.
const USUAL_US: u64 = 40_000;

/// A camera's own pictures as they come, from its last key frame on: H.264 as fragmented MP4 over a WebSocket. Each
/// binary message is 8 bytes capture time (microseconds since 1970, big-endian) and a fragment; capture time 0 marks an
/// initialisation segment; a text message names codec and size before it. The line ends after five minutes: come again.
#[utoipa::path(get, path = "/cameras/{camera}/live", tag = "cameras",
    params(("camera" = String, Path, description = "the camera")),
    responses(
        (status = 101, description = "the socket"),
        (status = 400, description = "no request for a WebSocket", body = Problem),
        (status = 404, description = "no such camera", body = Problem),
        (status = 503, description = "no pictures of it, not H.264, or too many live pictures are open", body = Problem),
    ))]
pub(crate) async fn live(
    State(app): State<Arc<App>>,
    SignedIn(account): SignedIn,
    within: Within,
    Path(camera): Path<String>,
    socket: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let camera = camera_id("camera", &camera)?;
    within.need(&camera)?;
    let socket = socket
        .map_err(|e| Problem::malformed(axum::http::StatusCode::BAD_REQUEST, format!("expected a WebSocket: {e}")))?;
    let place = app.films.clone().try_acquire_owned();
    let place = place.map_err(|_| Problem::unavailable("Too many live pictures are open."))?;
    let packets = app.ask(app.backend.live(camera.clone())).await?;
    app.note(&account, "camera_watched", camera.as_str(), "").await?;
    let mut stop = app.stop.subscribe();
    Ok(socket.on_upgrade(move |socket| async move {
        let _place = place;
        tokio::select! {
            () = send(socket, packets) => {}
            _ = stop.wait_for(|&stop| stop) => {}
        }
    }))
}

/// Packets to messages.
#[derive(Default)]
struct Film {
    sets: Option<ParameterSets>,
    number: u32,
    /// Session and media time of the packet before, and where it lies on the time line sent.
    before: Option<(u32, i64, u64)>,
    lasts_us: u64,
}

impl Film {
    /// The messages that a packet makes.
    fn take(&mut self, packet: &LivePacket) -> Vec<Message> {
        let mut messages = Vec::new();
        if packet.key
            && let Some(sets) = ParameterSets::of(&packet.data)
            && self.sets.as_ref() != Some(&sets)
        {
            let Some(size) = nal::size(&sets.sps) else { return messages };
            let told = serde_json::json!({ "codec": sets.codec(), "width": size.0, "height": size.1 });
            messages.push(Message::Text(told.to_string().into()));
            let segment = fmp4::initialisation(&sets, size);
            let mut message = BytesMut::with_capacity(segment.len() + 8);
            message.put_i64(0);
            message.put_slice(&segment);
            messages.push(Message::Binary(message.freeze()));
            self.sets = Some(sets);
        }
        if self.sets.is_none() {
            return messages;
        }
        let at_us = self.place(packet);
        let sample = nal::with_lengths(&packet.data);
        self.number = self.number.wrapping_add(1);
        messages.push(Message::Binary(self.fragment(packet.utc, at_us, packet.key, &sample)));
        messages
    }

    /// Where the packet lies on the time line: after the one before, by media time within a session, else a frame later.
    fn place(&mut self, packet: &LivePacket) -> u64 {
        let at_us = match self.before {
            Some((session, media_us, at_us)) if session == packet.session && packet.media_us > media_us => {
                let apart = (packet.media_us - media_us) as u64;
                self.lasts_us = apart.min(1_000_000);
                at_us + apart.min(10_000_000)
            }
            Some((.., at_us)) => at_us + self.lasts_us.max(1000),
            None => {
                self.lasts_us = USUAL_US;
                0
            }
        };
        self.before = Some((packet.session, packet.media_us, at_us));
        at_us
    }

    fn fragment(&self, utc: UtcUs, at_us: u64, key: bool, sample: &[u8]) -> Bytes {
        let mut message = BytesMut::with_capacity(sample.len() + 160);
        message.put_i64(utc.0);
        // The box offsets inside are counted from the fragment's own begin.
        let mut fragment = BytesMut::with_capacity(sample.len() + 128);
        fmp4::fragment(&mut fragment, self.number, at_us, self.lasts_us as u32, key, sample);
        message.put_slice(&fragment);
        message.freeze()
    }
}

async fn send(mut socket: WebSocket, mut packets: LivePackets) {
    let mut film = Film::default();
    let end = Instant::now() + LONGEST;
    let reason = loop {
        tokio::select! {
            packet = tokio::time::timeout(SILENCE, packets.next()) => match packet {
                Ok(Some(packet)) => {
                    for message in film.take(&packet) {
                        match tokio::time::timeout(SEND, socket.send(message)).await {
                            Ok(Ok(())) => {}
                            // Gone, or too slow: nothing can be said to it.
                            Ok(Err(_)) | Err(_) => return,
                        }
                    }
                }
                Ok(None) => break "the camera stopped",
                Err(_) => break "the camera sends nothing",
            },
            heard = socket.recv() => match heard {
                // Browsers say nothing here; pings are answered below us.
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            () = tokio::time::sleep_until(end) => break "come again",
        }
    };
    let close = Message::Close(Some(CloseFrame { code: close_code::AWAY, reason: reason.into() }));
    // The browser may be gone already.
    socket.send(close).await.ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(n: i64, session: u32, key: bool) -> LivePacket {
        // Parameter sets of a 1280 × 720 picture by x264, then a slice.
        let sets = [
            0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xec, 0x04, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0c,
            0x83, 0xc6, 0x0c, 0xa8, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 1, 0x65, 1, 2, 3,
        ];
        let data = if key { Bytes::copy_from_slice(&sets) } else { Bytes::from_static(&[0, 0, 1, 0x41, 9]) };
        LivePacket { data, key, media_us: n * 40_000, session, utc: UtcUs(n + 1) }
    }

    #[test]
    fn a_film_begins_once_and_time_only_goes_on() {
        let mut film = Film::default();
        assert!(film.take(&packet(0, 0, false)).is_empty(), "nothing before a key frame");
        let first = film.take(&packet(1, 0, true));
        assert!(
            matches!(&first[0], Message::Text(text) if text.as_str().contains("\"codec\":\"avc1.42c01f\",\"height\":720,\"width\":1280")),
            "{:?}",
            first[0]
        );
        assert_eq!(first.len(), 3);
        assert_eq!(film.take(&packet(2, 0, false)).len(), 1);
        assert_eq!(film.take(&packet(3, 0, true)).len(), 1, "the same stream goes on");
        let at = film.before.expect("known").2;
        assert_eq!(at, 80_000);
        film.take(&packet(0, 1, true));
        assert_eq!(film.before.expect("known").2, 120_000, "a new session follows a frame later");
    }
}
