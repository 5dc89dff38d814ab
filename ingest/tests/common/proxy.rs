//! A network that fails, between a camera's server and the engine: a TCP proxy that knows RTSP's interleaved packets
//! (RFC 2326 section 10.12) and does to them what it is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What the network does to the bytes that come from the camera.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Fault {
    #[default]
    None,
    /// Nothing goes through, nothing is closed.
    Stall,
    /// Connections are reset, new ones too.
    Reset,
    /// Half of a packet, then the connection is reset; new ones too.
    HalfPacket,
    /// Every n-th packet is lost.
    Loss(u32),
    /// What comes together is held back for so many milliseconds.
    Delay(u64),
    /// RTP and RTCP come with another source.
    OtherSource,
    /// The camera's clock in sender reports is off by so many seconds.
    Clock(i32),
    /// Each payload is noise.
    Garbage,
    /// Of everything that comes, messages too, one byte in so many is changed, and now and then some are lost or doubled.
    Noise { one_in: u32 },
    /// Each packet comes that many times more, numbered on, as a camera gone mad.
    Flood(u32),
}

pub struct Proxy {
    pub address: SocketAddr,
    fault: watch::Sender<Fault>,
    upstream: Arc<Mutex<SocketAddr>>,
    connections: Arc<AtomicUsize>,
    passed: Arc<Passed>,
    task: tokio::task::JoinHandle<()>,
}

/// What went through, as the wire shows it.
#[derive(Default)]
struct Passed {
    /// Last packets of a frame (RTP's marker, RFC 6184 section 5.1).
    frames: AtomicU64,
    /// Longest time in which a connected server sent nothing.
    silence_ms: AtomicU64,
}

impl Proxy {
    pub async fn start(upstream_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (fault, watched) = watch::channel(Fault::None);
        let upstream = Arc::new(Mutex::new(SocketAddr::from(([127, 0, 0, 1], upstream_port))));
        let target = Arc::clone(&upstream);
        let connections = Arc::new(AtomicUsize::new(0));
        let (count, passed) = (Arc::clone(&connections), Arc::<Passed>::default());
        let noted = Arc::clone(&passed);
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let upstream = *target.lock().unwrap();
                open.spawn(connection(client, upstream, watched.clone(), Arc::clone(&noted)));
                while open.try_join_next().is_some() {}
            }
        });
        Self { address, fault, upstream, connections, passed, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("rtsp://{}/{path}", self.address)
    }

    /// Connections that were made to it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Frames that went through to the engine.
    pub fn frames(&self) -> u64 {
        self.passed.frames.load(Ordering::Relaxed)
    }

    /// The longest time in which a connected server sent nothing.
    pub fn longest_silence(&self) -> Duration {
        Duration::from_millis(self.passed.silence_ms.load(Ordering::Relaxed))
    }

    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// From now on new connections lead to another server.
    pub fn lead_to(&self, port: u16) {
        *self.upstream.lock().unwrap() = SocketAddr::from(([127, 0, 0, 1], port));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn reset(stream: &TcpStream) {
    #[allow(deprecated, reason = "zero linger is what sends RST; nothing waits")]
    stream.set_linger(Some(Duration::ZERO)).ok();
}

async fn connection(client: TcpStream, upstream: SocketAddr, mut fault: watch::Receiver<Fault>, passed: Arc<Passed>) {
    let resets = |fault: &Fault| matches!(fault, Fault::Reset | Fault::HalfPacket);
    if resets(&fault.borrow()) {
        return reset(&client);
    }
    let Ok(server) = TcpStream::connect(upstream).await else { return reset(&client) };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async { tokio::io::copy(&mut from_client, &mut to_server).await.ok() };
    let mut watched = fault.clone();
    let down = async {
        let mut rewriter = Rewriter::default();
        let mut random = Random::new();
        let mut torn_apart = false;
        let mut buffer = vec![0; 16 << 10];
        loop {
            let waiting = Instant::now();
            let n = from_server.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
            passed.silence_ms.fetch_max(waiting.elapsed().as_millis() as u64, Ordering::Relaxed);
            rewriter.pending.extend_from_slice(&buffer[..n]);
            // Copied out: the guard must not be held while bytes are written.
            let now = *watched.borrow();
            if let Fault::Delay(ms) = now {
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            if let Fault::Noise { one_in } = now {
                let mut noisy = std::mem::take(&mut rewriter.pending);
                random.disturb(&mut noisy, one_in);
                to_client.write_all(&noisy).await.ok()?;
                torn_apart = true;
                continue;
            }
            if torn_apart {
                // Where packets begin is not known any more; the network mends itself by a new connection.
                return None;
            }
            loop {
                let now = *watched.borrow_and_update();
                if now == Fault::Stall {
                    watched.changed().await.ok()?;
                    continue;
                }
                let Some(out) = rewriter.next(now) else { break };
                to_client.write_all(&out).await.ok()?;
                let is_rtp = out.len() > 5 && out[0] == b'$' && !(192..=223).contains(&out[5]);
                passed.frames.fetch_add(u64::from(is_rtp && out[5] & 0x80 != 0), Ordering::Relaxed);
            }
        }
        #[allow(unreachable_code)]
        Some(())
    };
    let torn = async { fault.wait_for(resets).await.map(|fault| *fault) };
    tokio::select! {
        _ = up => {}
        _ = down => {}
        torn = torn => {
            if matches!(torn, Ok(Fault::HalfPacket)) {
                // The head of a packet of 1000 bytes, and half of them.
                let mut half = vec![b'$', 0, 3, 232, 0x80, 96];
                half.resize(500, 7);
                to_client.write_all(&half).await.ok();
            }
            if let Ok(client) = from_client.reunite(to_client) {
                reset(&client);
            }
        }
    }
}

/// Takes the camera's bytes apart into messages and packets.
#[derive(Default)]
struct Rewriter {
    pending: Vec<u8>,
    count: u32,
    added: u16,
}

impl Rewriter {
    /// The next whole message or packet, as the fault has it; empty if it was lost.
    fn next(&mut self, fault: Fault) -> Option<Vec<u8>> {
        let first = *self.pending.first()?;
        if first != b'$' {
            let head = self.pending.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
            let text = String::from_utf8_lossy(&self.pending[..head]).to_ascii_lowercase();
            let length = text.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
            let body: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            return (self.pending.len() >= head + body).then(|| self.pending.drain(..head + body).collect());
        }
        let length = 4 + usize::from(u16::from_be_bytes([*self.pending.get(2)?, *self.pending.get(3)?]));
        if self.pending.len() < length {
            return None;
        }
        let mut packet: Vec<u8> = self.pending.drain(..length).collect();
        self.count += 1;
        let is_rtcp = packet.len() > 5 && (192..=223).contains(&packet[5]);
        match fault {
            Fault::Loss(n) if self.count.is_multiple_of(n) => return Some(Vec::new()),
            Fault::OtherSource if is_rtcp && packet.len() >= 12 => packet[8] ^= 0x5a,
            Fault::OtherSource if packet.len() >= 16 => packet[12] ^= 0x5a,
            // Sender reports (type 200) carry NTP seconds in bytes 8 to 12 of the packet.
            Fault::Clock(by_s) if packet.len() >= 20 && packet[5] == 200 => {
                let seconds = u32::from_be_bytes(packet[12..16].try_into().unwrap());
                packet[12..16].copy_from_slice(&seconds.wrapping_add_signed(by_s).to_be_bytes());
            }
            Fault::Garbage if !is_rtcp => {
                for (i, byte) in packet.iter_mut().enumerate().skip(16) {
                    *byte = (i as u32).wrapping_mul(2_654_435_761).wrapping_add(self.count * 97) as u8;
                }
            }
            Fault::Flood(n) if !is_rtcp && packet.len() >= 16 => return Some(self.flood(&packet, n)),
            _ => {}
        }
        if self.added > 0 && !is_rtcp && packet.len() >= 16 {
            number(&mut packet, self.added);
        }
        Some(packet)
    }

    fn flood(&mut self, packet: &[u8], n: u32) -> Vec<u8> {
        let mut out = Vec::new();
        for i in 0..=n {
            let mut copy = packet.to_vec();
            self.added = self.added.wrapping_add(u16::from(i > 0));
            number(&mut copy, self.added);
            out.extend(copy);
        }
        out
    }
}

fn number(packet: &mut [u8], added: u16) {
    let sequence = u16::from_be_bytes([packet[6], packet[7]]).wrapping_add(added);
    packet[6..8].copy_from_slice(&sequence.to_be_bytes());
}

/// Seeded anew for each connection; what fails once fails again soon enough.
struct Random(u64);

impl Random {
    fn new() -> Self {
        use std::hash::{BuildHasher, Hasher};
        Self(std::hash::RandomState::new().build_hasher().finish() | 1)
    }

    /// xorshift64 (Marsaglia 2003).
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn disturb(&mut self, bytes: &mut Vec<u8>, one_in: u32) {
        let hits = (bytes.len() as u64 + self.next() % u64::from(one_in)) / u64::from(one_in);
        for _ in 0..hits {
            if bytes.is_empty() {
                return;
            }
            let at = (self.next() % bytes.len() as u64) as usize;
            let length = (self.next() % 40) as usize;
            let end = (at + length).min(bytes.len());
            match self.next() % 16 {
                0 => drop(bytes.drain(at..end)),
                1 => {
                    let doubled = bytes[at..end].to_vec();
                    bytes.splice(at..at, doubled);
                }
                2 => bytes.truncate(at),
                _ => bytes[at] = self.next() as u8,
            }
        }
    }
}
