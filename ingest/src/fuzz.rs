//! Entry points for the fuzz targets of `fuzz/`: bytes of a stranger in, nothing may panic, hang or grow.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use retina::client::SessionGroup;
use stopline_types::{CameraId, CaptureTime, SizePx, StreamRole, TimeSource, UtcUs};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    AnalysePlan, Codec, CropRequest, Packet, Ring, RingLimits, StreamFormat,
    config::StreamSource,
    connect::{Item, OpenStream},
    frames::FrameMaker,
    gate::{GateConfig, GatedMaker},
    secret::StreamUrl,
};

/// A reader of the fuzzer's bytes; at their end it gives zeros.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        head
    }

    /// Bytes with their length in front.
    fn block(&mut self) -> &'a [u8] {
        let length = usize::from(self.number());
        self.take(length)
    }

    fn codec(&mut self) -> Codec {
        [Codec::H264, Codec::H265, Codec::Mjpeg, Codec::Mpeg4][usize::from(self.byte() % 4)]
    }

    /// Packets with formats, times and flags as they come.
    fn packets(&mut self) -> Vec<Packet> {
        let mut packets: Vec<Packet> = Vec::new();
        let mut format = None;
        let mut media_us = 0_i64;
        let mut session = 0;
        while !self.0.is_empty() && packets.len() < 64 {
            let flags = self.byte();
            if format.is_none() || flags & 0x80 != 0 {
                let codec = self.codec();
                let size = SizePx { w: u32::from(self.number()), h: u32::from(self.number()) };
                let extra_data = Bytes::copy_from_slice(self.block());
                format = Some(Arc::new(StreamFormat { codec, extra_data, size, reorder: self.byte() % 17 }));
            }
            let Some(format) = &format else { break };
            session += u32::from(flags & 0x40 != 0);
            media_us += i64::from(self.number() as i16) * 100;
            let step_us = if flags & 0x20 != 0 { i64::from(self.number() as i16) * 1_000_000 } else { 0 };
            packets.push(Packet {
                format: Arc::clone(format),
                data: Bytes::copy_from_slice(self.block()),
                key: flags & 1 != 0,
                session,
                media_us,
                time: CaptureTime { utc: UtcUs(media_us + step_us), error_ms: None, source: TimeSource::File },
                received: None,
                after_loss: flags & 2 != 0,
            });
        }
        packets
    }
}

/// Encoded frames of any codec and format through the gate and the decoder to scaled pictures.
pub fn decode(data: &[u8]) {
    let mut input = Input(data);
    let gated = input.byte() & 1 != 0;
    let plan = AnalysePlan {
        fit: SizePx { w: 64, h: 64 },
        max_fps: 0.0,
        crops: vec![CropRequest { x: 0.4, y: 0.4, w: 0.3, h: 0.3 }],
        region: None,
    };
    let Ok(camera) = CameraId::new("fuzz") else { return };
    let mut maker = GatedMaker::new(FrameMaker::new(camera, StreamRole::Main, plan));
    if gated {
        maker = maker.gated(GateConfig { quiet_s: 0.1, ..GateConfig::default() });
    }
    let packets = input.packets();
    let (mut decoded, mut undecodable, mut kept) = (0, 0, 0);
    for packet in &packets {
        let outcome = maker.packet(packet, &mut |_| {});
        decoded += outcome.decoded;
        undecodable += outcome.undecodable;
        kept += outcome.gated;
    }
    let outcome = maker.finish(&mut |_| {});
    let all = decoded + undecodable + kept + outcome.decoded + outcome.undecodable;
    // A packet may hold more than one picture, and one that is kept may be decoded on waking; none goes uncounted.
    assert!(all >= packets.len() as u64, "{all} of {} packets are accounted for", packets.len());
}

/// Packets through a ring into a cut, a clip and stills.
pub fn clip(data: &[u8]) {
    let mut input = Input(data);
    let bytes = usize::from(input.number()) + 1;
    let ring = Ring::new(RingLimits { seconds: f64::from(input.byte()) / 16.0, bytes });
    for packet in input.packets() {
        ring.push(packet);
    }
    let stats = ring.stats();
    assert!(stats.bytes <= bytes);
    let Some(newest) = stats.newest else { return };
    let Ok(cut) = ring.cut(newest.plus_s(-stats.seconds), newest) else { return };
    assert!(cut.packets()[0].key);
    let path = std::path::Path::new("/dev/shm").join(format!("stopline-fuzz-{}.mp4", std::process::id()));
    if let Ok(info) = cut.write_mp4(&path) {
        assert!(info.packets <= cut.packets().len());
    }
    if let Ok(stills) = cut.stills(&[newest, newest.plus_s(-stats.seconds)]) {
        assert_eq!(stills.len(), 2);
    }
}

const MEDIA: [&str; 3] = [
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n",
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n",
    "m=video 0 RTP/AVP 26\r\n",
];
const SSRC: u32 = 0x5107_1125;

/// What a camera answers and sends: first a byte that says whether the session description is the fuzzer's too, then RTP and RTCP
/// packets. Gives the frames that came.
pub fn session(data: &[u8]) -> usize {
    static RUNTIME: LazyLock<std::io::Result<tokio::runtime::Runtime>> =
        LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build());
    let Ok(runtime) = &*RUNTIME else { return 0 };
    let mut input = Input(data);
    let kind = usize::from(input.byte());
    let head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=f\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n";
    let sdp = match MEDIA.get(kind % 4) {
        Some(media) => format!("{head}{media}a=control:track\r\n").into_bytes(),
        None => input.block().to_vec(),
    };
    let mut wire = Vec::new();
    let mut sequence = 1_u16;
    let mut timestamp = 0_u32;
    while !input.0.is_empty() {
        let flags = input.byte();
        let body = input.block();
        if flags & 0x80 != 0 {
            // As it comes, RTCP or nonsense; the frame around it holds.
            push_interleaved(&mut wire, flags & 1, body);
            continue;
        }
        timestamp = timestamp.wrapping_add(if flags & 2 != 0 { 3600 } else { 0 });
        sequence = sequence.wrapping_add(if flags & 4 != 0 { u16::from(flags) } else { 1 });
        let payload_type = if kind % 4 == 2 { 26 } else { 96 };
        let mut rtp = vec![0x80, (flags & 1) << 7 | payload_type];
        rtp.extend(sequence.to_be_bytes());
        rtp.extend(timestamp.to_be_bytes());
        rtp.extend(SSRC.to_be_bytes());
        rtp.extend(body);
        push_interleaved(&mut wire, 0, &rtp);
    }
    runtime.block_on(async {
        let Ok(listener) = TcpListener::bind("127.0.0.1:0").await else { return 0 };
        let Ok(address) = listener.local_addr() else { return 0 };
        let watching = tokio::time::timeout(Duration::from_secs(5), watch(address));
        let (frames, ()) = tokio::join!(watching, serve(listener, &sdp, &wire));
        frames.unwrap_or_else(|_| panic!("the session hung"))
    })
}

fn push_interleaved(wire: &mut Vec<u8>, channel: u8, body: &[u8]) {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
    wire.extend([b'$', channel]);
    wire.extend(length.to_be_bytes());
    wire.extend(&body[..usize::from(length)]);
}

async fn watch(address: SocketAddr) -> usize {
    let Ok((url, _)) = StreamUrl::parse(&format!("rtsp://{address}/x")) else { return 0 };
    let group = Arc::new(SessionGroup::default());
    let mut frames = 0;
    if let Ok(mut stream) = OpenStream::open(&StreamSource::of(url), &group).await {
        while let Ok(item) = stream.next().await {
            if let Item::Frame(frame) = item {
                frames += 1;
                if frame.has_new_parameters() {
                    drop(stream.format());
                }
            }
        }
    }
    frames
}

/// A camera that says what it is told to.
async fn serve(listener: TcpListener, sdp: &[u8], wire: &[u8]) {
    let Ok((mut stream, _)) = listener.accept().await else { return };
    let mut pending = Vec::new();
    while let Some(request) = request(&mut stream, &mut pending).await {
        let cseq = request.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap_or("0").to_owned();
        let (more, body) = if request.starts_with("DESCRIBE") {
            ("Content-Type: application/sdp\r\n".to_owned(), sdp)
        } else if request.starts_with("SETUP") {
            let transport = format!("RTP/AVP/TCP;unicast;interleaved=0-1;ssrc={SSRC:08X}");
            (format!("Session: 1\r\nTransport: {transport}\r\n"), &[][..])
        } else {
            ("Session: 1\r\n".to_owned(), &[][..])
        };
        let mut answer =
            format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{more}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend(body);
        let plays = request.starts_with("PLAY");
        if plays {
            answer.extend(wire);
        }
        if stream.write_all(&answer).await.is_err() || plays {
            return;
        }
    }
}

/// The next request's head.
async fn request(stream: &mut TcpStream, pending: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = pending.windows(4).position(|four| four == b"\r\n\r\n") {
            return Some(String::from_utf8_lossy(&pending.drain(..end + 4).collect::<Vec<_>>()).into_owned());
        }
        let mut buffer = [0; 2048];
        let n = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        pending.extend_from_slice(&buffer[..n]);
    }
}
