//! Opening one RTSP stream, and what can go wrong, in words for whoever has to act.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt};
use retina::{
    client::{
        Credentials, Demuxed, PlayOptions, Session, SessionGroup, SessionOptions, SetupOptions, UnknownRtcpSsrcPolicy,
    },
    codec::{CodecItem, FrameFormat, ParametersRef},
};
use stopline_types::{CameraId, SizePx, StreamRole};

use crate::{
    config::{StreamSource, Transport},
    packet::{Codec, StreamFormat},
    secret::StreamUrl,
    tunnel,
};

/// How long a camera may take to answer from the first TCP packet to the answer to `PLAY`.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A stream that could not be opened, or ended.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("camera {camera}, {role} stream {url}: {fault}")]
pub struct SessionError {
    /// The camera.
    pub camera: CameraId,
    /// The stream.
    pub role: StreamRole,
    /// Where it was looked for; shown without secrets.
    pub url: StreamUrl,
    /// What was expected and what came.
    pub fault: SessionFault,
}

/// What was expected of a stream and what came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionFault {
    /// User name or password is wrong.
    #[error("expected the log-in of {user:?} to be accepted; came 401: user name or password is wrong")]
    WrongLogin {
        /// As whom.
        user: String,
    },
    /// The camera asks for a log-in and none is configured.
    #[error("expected a stream that needs no log-in; came 401: set [credentials]")]
    LoginWanted,
    /// The log-in was refused on another stream of the device; trying on would lock the account.
    #[error("{why}")]
    LogInBarred {
        /// What was refused.
        why: String,
    },
    /// No such address, no route, refused.
    #[error("expected a connection to {host}; came: {reason}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What the system answered.
        reason: String,
    },
    /// It took too long.
    #[error("expected an answer from {host} within {seconds} s; came none")]
    NoAnswer {
        /// Host and port.
        host: String,
        /// How long was waited.
        seconds: u64,
    },
    /// TLS could not be set up: an unknown authority, another name, no TLS at all.
    #[error("expected TLS from {host} with a certificate that is believed; came: {reason}")]
    Tls {
        /// Host and port.
        host: String,
        /// What the handshake ended with.
        reason: String,
    },
    /// The camera refused in RTSP terms, e.g. 404 for a wrong path.
    #[error("expected a stream at this path; came {status}")]
    Refused {
        /// Status code.
        status: u16,
    },
    /// Sound only.
    #[error("expected a video track; came {came}")]
    NoVideo {
        /// The tracks there are.
        came: String,
    },
    /// A codec we do not take.
    #[error("expected H.264, H.265 or MJPEG; came {came}")]
    UnsupportedCodec {
        /// Encoding name out of the SDP.
        came: String,
    },
    /// The session stood, but no frame came.
    #[error("expected a frame within {seconds} s; came none")]
    Stalled {
        /// How long was waited.
        seconds: u64,
    },
    /// The camera closed the session.
    #[error("expected the stream to go on; came its end")]
    Ended,
    /// Broken RTSP, RTP or connection.
    #[error("expected a valid stream; came: {reason}")]
    Broken {
        /// First line of the library's message, without secrets.
        reason: String,
    },
}

impl SessionFault {
    /// Whether trying again soon is pointless, or harmful: cameras lock accounts after a few wrong passwords.
    pub(crate) fn is_about_login(&self) -> bool {
        matches!(self, Self::WrongLogin { .. } | Self::LoginWanted | Self::LogInBarred { .. })
    }

    /// Whether the camera is there and answers, but not with what its file says.
    pub(crate) fn needs_a_person(&self) -> bool {
        self.is_about_login()
            || matches!(
                self,
                Self::Refused { status: 300..=499 }
                    | Self::NoVideo { .. }
                    | Self::UnsupportedCodec { .. }
                    | Self::Tls { .. }
            )
    }
}

/// An open stream.
pub(crate) struct OpenStream {
    demuxed: Demuxed,
    index: usize,
    codec: Codec,
    source: StreamSource,
}

/// Something that came.
pub(crate) enum Item {
    Frame(retina::codec::VideoFrame),
    Rtcp(retina::rtcp::ReceivedCompoundPacket),
    /// An RTP packet that could not be used; the session goes on. Why, in words.
    Unusable(String),
}

impl OpenStream {
    /// Connects, logs in, and starts the first video track.
    pub(crate) async fn open(source: &StreamSource, group: &Arc<SessionGroup>) -> Result<Self, SessionFault> {
        let timeout = || SessionFault::NoAnswer { host: source.url.host_port(), seconds: CONNECT_TIMEOUT.as_secs() };
        let opened = unless_it_panics(Self::open_unbounded(source, group));
        tokio::time::timeout(CONNECT_TIMEOUT, opened).await.map_err(|_| timeout())?
    }

    async fn open_unbounded(source: &StreamSource, group: &Arc<SessionGroup>) -> Result<Self, SessionFault> {
        let creds = source
            .login
            .as_ref()
            .map(|login| Credentials { username: login.user.clone(), password: login.password.expose().to_owned() });
        let options =
            SessionOptions::default().creds(creds).user_agent("stopline".to_owned()).session_group(Arc::clone(group));
        let fault = |e: retina::Error| classify(source, &e);
        let mut url = source.url.expose().clone();
        if let Some(trust) = &source.trust {
            let inside = tunnel::open(&source.url, trust).await?;
            let no_way = || SessionFault::Broken { reason: "no address for the TLS tunnel".to_owned() };
            url = source.url.by_way_of(inside).ok_or_else(no_way)?;
        }
        let mut session = Session::describe(url, options).await.map_err(fault)?;
        let (index, codec) = video_track(session.streams())?;
        let transport = match source.transport {
            Transport::Tcp => retina::client::Transport::Tcp(Default::default()),
            Transport::Udp => retina::client::Transport::Udp(Default::default()),
        };
        let setup = SetupOptions::default().transport(transport).frame_format(FrameFormat::SIMPLE);
        session.setup(index, setup).await.map_err(fault)?;
        // Some cameras send RTCP under another SSRC than their RTP; with one stream there is no doubt whose it is.
        let play = PlayOptions::default().unknown_rtcp_ssrc(UnknownRtcpSsrcPolicy::ProcessPackets);
        let demuxed = session.play(play).await.map_err(fault)?.demuxed().map_err(fault)?;
        Ok(Self { demuxed, index, codec, source: source.clone() })
    }

    /// The next frame or report. Cancel safe. After an error the stream is of no use.
    pub(crate) async fn next(&mut self) -> Result<Item, SessionFault> {
        unless_it_panics(self.next_item()).await
    }

    async fn next_item(&mut self) -> Result<Item, SessionFault> {
        loop {
            match self.demuxed.next().await {
                Some(Ok(CodecItem::VideoFrame(frame))) => return Ok(Item::Frame(frame)),
                Some(Ok(CodecItem::Rtcp(packet))) => return Ok(Item::Rtcp(packet)),
                Some(Ok(_)) => {}
                Some(Err(e)) => {
                    let fault = classify(&self.source, &e);
                    return match fault {
                        SessionFault::Broken { reason } if concerns_one_packet(&e) => Ok(Item::Unusable(reason)),
                        fault => Err(fault),
                    };
                }
                None => return Err(SessionFault::Ended),
            }
        }
    }

    /// Format of the frames as of the last one that came.
    pub(crate) fn format(&self) -> Option<StreamFormat> {
        let Some(ParametersRef::Video(parameters)) = self.demuxed.streams()[self.index].parameters() else {
            return None;
        };
        let (w, h) = parameters.pixel_dimensions();
        Some(StreamFormat {
            codec: self.codec,
            extra_data: bytes::Bytes::copy_from_slice(parameters.extra_data()),
            size: SizePx { w, h },
            // Cameras do not reorder, it would add delay; parameter sets say so where they do.
            reorder: 0,
        })
    }
}

/// The libraries below read what strangers send, and some of it makes them panic (a line of a session description that is out of
/// place, sdp-types 0.1.8). That is a broken stream, not the end of a task.
async fn unless_it_panics<T>(work: impl Future<Output = Result<T, SessionFault>>) -> Result<T, SessionFault> {
    let broken =
        || SessionFault::Broken { reason: "something that the RTSP library cannot read (it panicked)".to_owned() };
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| Err(broken()))
}

fn video_track(streams: &[retina::client::Stream]) -> Result<(usize, Codec), SessionFault> {
    let video = || streams.iter().enumerate().filter(|(_, stream)| stream.media() == "video");
    let codec = |name: &str| match name {
        "h264" => Some(Codec::H264),
        "h265" => Some(Codec::H265),
        "jpeg" => Some(Codec::Mjpeg),
        _ => None,
    };
    if let Some(found) = video().find_map(|(index, stream)| Some((index, codec(stream.encoding_name())?))) {
        return Ok(found);
    }
    if let Some((_, stream)) = video().next() {
        return Err(SessionFault::UnsupportedCodec { came: stream.encoding_name().to_owned() });
    }
    let came: Vec<_> = streams.iter().map(|s| format!("{} ({})", s.media(), s.encoding_name())).collect();
    Err(SessionFault::NoVideo { came: if came.is_empty() { "no track".to_owned() } else { came.join(", ") } })
}

/// Whether an error is about the content of one RTP packet, after which the session can be read on, and not about the
/// connection. Only the former name a stream in the message's context lines.
fn concerns_one_packet(error: &retina::Error) -> bool {
    error.to_string().contains("\nstream: ")
}

/// retina's errors cannot be told apart by type; the status code and the words of a failed connection can.
fn classify(source: &StreamSource, error: &retina::Error) -> SessionFault {
    let text = error.to_string();
    // The lines after the first are addresses and positions for packet captures.
    let reason = source.url.scrub(text.lines().next().unwrap_or_default(), source.login.as_ref());
    match error.status_code() {
        Some(401) => match &source.login {
            Some(login) => SessionFault::WrongLogin { user: login.user.clone() },
            None => SessionFault::LoginWanted,
        },
        Some(200..=299) => SessionFault::Broken { reason },
        Some(status) => SessionFault::Refused { status },
        None => match reason.strip_prefix("Unable to connect to RTSP server: ") {
            Some(reason) => SessionFault::Unreachable { host: source.url.host_port(), reason: reason.to_owned() },
            None => SessionFault::Broken { reason },
        },
    }
}
