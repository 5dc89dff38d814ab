//! A short look at a camera: does it answer, and what does it send?

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use retina::client::SessionGroup;
use stopline_types::{CameraId, SizePx, StreamRole, TimeSource, UtcUs};
use tokio::time::Instant;

use crate::{
    clock::Clock,
    config::{StreamSource, Streams},
    connect::{Item, SessionError, SessionFault},
    device::{Device, Devices},
    packet::Codec,
    session::take_report,
};

/// Whole groups of pictures after which enough is seen.
const ENOUGH_GROUPS: usize = 2;

/// What a stream sends.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Codec of its pictures.
    pub codec: Codec,
    /// Size of its pictures.
    pub size: SizePx,
    /// Frames a second, measured by media time; `None` with fewer than two frames.
    pub fps: Option<f64>,
    /// Frames from one key frame to the next; `None` if no whole group came.
    pub gop: Option<usize>,
    /// Kilobits a second, measured by media time.
    pub kbit_s: Option<f64>,
    /// Where its capture times come from.
    pub time_source: TimeSource,
    /// Error of its capture times, milliseconds.
    pub time_error_ms: Option<f64>,
    /// Camera's clock minus ours in milliseconds, delay included; `None` without a trusted sender report.
    pub clock_offset_ms: Option<f64>,
    /// Why sender reports came but are not used.
    pub clock_distrusted: Option<String>,
}

/// Looks at every stream of a camera, all at once, for at most `timeout` each (about three seconds are enough; a sender
/// report may need five, RFC 3550 section 6.2). A log-in that was refused once by one of `devices` is not tried there again. Ends early when two whole groups of pictures and a sender report came.
pub async fn probe(
    camera: &CameraId,
    streams: &Streams,
    devices: &Devices,
    timeout: Duration,
) -> BTreeMap<StreamRole, Result<Probe, SessionError>> {
    let group = Arc::new(SessionGroup::default());
    let roles = [StreamRole::Main, StreamRole::Sub];
    let looks = roles.into_iter().filter_map(|role| Some((role, streams.get(role)?))).map(|(role, source)| {
        let (group, device) = (Arc::clone(&group), devices.of(source));
        async move {
            let error = |fault| SessionError { camera: camera.clone(), role, url: source.url.clone(), fault };
            (role, look(role, source, &device, &group, timeout).await.map_err(error))
        }
    });
    let results = futures::future::join_all(looks).await.into_iter().collect();
    // The answer to the goodbye is of no interest, only that it was sent.
    tokio::time::timeout(Duration::from_secs(1), group.await_teardown()).await.ok();
    results
}

async fn look(
    role: StreamRole,
    source: &StreamSource,
    device: &Device,
    group: &Arc<SessionGroup>,
    timeout: Duration,
) -> Result<Probe, SessionFault> {
    let until = Instant::now() + timeout;
    let late = || SessionFault::NoAnswer { host: source.url.host_port(), seconds: timeout.as_secs() };
    let mut stream = tokio::time::timeout_at(until, device.open(source, group, || ())).await.map_err(|_| late())??;
    let mut clock = Clock::new(role, Arc::default());
    let mut stamps = Vec::new();
    let mut keys = Vec::new();
    let mut bytes = Vec::new();
    let mut time = None;
    let mut reported = false;
    while keys.len() <= ENOUGH_GROUPS || !reported {
        let item = match tokio::time::timeout_at(until, stream.next()).await {
            Ok(item) => item?,
            Err(_) => break,
        };
        match item {
            Item::Rtcp(packet) => {
                take_report(&mut clock, &packet);
                reported = clock.offset_ms().is_some() || clock.distrusted().is_some();
            }
            Item::Unusable(_) => {}
            Item::Frame(frame) => {
                let media_s = frame.timestamp().elapsed_secs();
                let received = UtcUs::from(SystemTime::from(frame.start_ctx().received_wall()));
                time = Some(clock.packet(media_s, received));
                if frame.is_random_access_point() {
                    keys.push(stamps.len());
                }
                stamps.push(media_s);
                bytes.push(frame.data().len());
            }
        }
    }
    let (Some(format), Some(time)) = (stream.format(), time) else {
        return Err(SessionFault::Stalled { seconds: timeout.as_secs() });
    };
    // The first key frame may come alone from a cache, so the last whole group is the truest.
    let gop = keys.windows(2).last().map(|pair| pair[1] - pair[0]);
    // The last frame ends the span; its bytes belong to the next one.
    let span_s = stamps.first().zip(stamps.last()).map(|(first, last)| last - first).filter(|s| *s > 0.0);
    let whole = bytes.len().saturating_sub(1);
    let total: usize = bytes[..whole].iter().sum();
    Ok(Probe {
        codec: format.codec,
        size: format.size,
        fps: span_s.map(|s| whole as f64 / s),
        gop,
        kbit_s: span_s.map(|s| total as f64 * 8.0 / 1e3 / s),
        time_source: if clock.offset_ms().is_some() { TimeSource::SenderReport } else { time.source },
        time_error_ms: time.error_ms,
        clock_offset_ms: clock.offset_ms(),
        clock_distrusted: clock.distrusted().map(str::to_owned),
    })
}
