//! From RTP time stamps to [`CaptureTime`].
//!
//! Every packet has a media time `m` (RTP time stamp, seconds since the session began) and a receive time `r` on this
//! machine's clock. A sender report (RFC 3550 section 6.4.1) pairs a media time with the camera's own clock.
//!
//! When media time and receive time part by more than [`PARTING_S`] from one packet to the next (a camera that restarted its
//! encoder), nothing known so far holds: [`Clock::has_parted`] says so and the caller begins a new clock.
//!
//! - **Receive base** `R` = minimum of `r − m` over the last [`WINDOW_S`]. The minimum, because network and encoder
//!   only ever add delay: the least delayed packet is nearest to the truth, and the jitter of the others drops out.
//! - **Camera base** `C` = camera clock − media time of the newest trusted sender report.
//! - **Clock offset** = `C − R`: camera's clock minus ours. A camera set by NTP shows minus the delay, some tens of
//!   milliseconds below zero.
//! - **Device's offset** `D` = the newest clock offset of any stream of the camera ([`DeviceClock`]), of this session or
//!   an earlier one.
//!
//! Capture time is `m + C` with a trusted report, else `m + R + D` if the device's offset is known (both source
//! `sender_report`: one device has one clock, so `main` and `sub` show the same moment under the same time), else
//! `m + R` (source `receive`).
//!
//! A report is not trusted when it says no time (0, or before 2000: a camera that lost its clock starts in 1970), or
//! when it disagrees with ours by more than [`MAX_OFFSET_S`] (a camera that sends its local time).
//!
//! Error (half width, milliseconds), relative to this machine's clock, whose own error NTP has to keep small:
//! - `sender_report`: `|C − R|` + the spread of `C` over the window + [`STAMP_ERROR_MS`]. One of the two clocks may be
//!   wrong and we do not know which, so their whole disagreement (in which the real delay is contained) counts.
//! - `sender_report` by the device's offset: `|D|` + [`STAMP_ERROR_MS`] + [`OTHER_STREAM_MS`] for the two streams' least
//!   delays, which may differ.
//! - `receive`: [`DELAY_ALLOWANCE_MS`] for encoder and network, which receive times cannot show, + the spread of `r − m` that is
//!   not yet explained (what the base has still to move, see below).
//!
//! The base in use moves towards its target by at most half of the media time that passed, so that times of one
//! session never run backwards; what is left to move is added to the error. Beyond [`JUMP_S`] it jumps: then the camera's
//! clock was set, and pretending otherwise would be worse.

mod device;

use std::{collections::VecDeque, sync::Arc};

pub use device::{DRIFT_LIMIT_PPM, DeviceClock, OFFSET_LIMIT_S, STEP_S};
use stopline_types::{CaptureTime, StreamRole, TimeSource, UtcUs};

/// How far back minima and spreads look, seconds.
pub const WINDOW_S: f64 = 60.0;
/// Largest disagreement with our clock at which a camera's clock is still used, seconds.
pub const MAX_OFFSET_S: f64 = 3600.0;
/// Allowance for where between exposure and encoding a camera takes its stamp, milliseconds. An assumption: one frame
/// at 25 frames/s.
pub const STAMP_ERROR_MS: f64 = 40.0;
/// Allowance for a camera's encoder and the network when only receive times are known, milliseconds. An assumption,
/// not a measurement.
pub const DELAY_ALLOWANCE_MS: f64 = 500.0;
/// Allowance for the difference of the least delays of two streams of one camera, milliseconds. An assumption: what
/// a large picture needs longer to be encoded and sent.
pub const OTHER_STREAM_MS: f64 = 100.0;
/// Media time that runs away from receive time by more than this between two packets was restarted, seconds.
pub const PARTING_S: f64 = 5.0;
/// A base further off than this is jumped to at once, seconds.
pub const JUMP_S: f64 = 2.0;

/// 2000-01-01T00:00:00Z, seconds since 1970.
const YEAR_2000_S: f64 = 946_684_800.0;
/// NTP counts seconds from 1900 (RFC 3550 section 4).
const NTP_TO_UNIX_S: f64 = 2_208_988_800.0;

/// The clock of one RTSP session.
#[derive(Debug)]
pub struct Clock {
    role: StreamRole,
    device: Arc<DeviceClock>,
    received: Extremes,
    reports: VecDeque<(f64, f64)>,
    distrusted: Option<String>,
    /// Base in use, and the media time at which it was last moved.
    base: Option<(f64, f64)>,
    /// Media and receive time of the last packet.
    last: Option<(f64, f64)>,
}

impl Clock {
    /// For a session of that stream of the camera with that clock.
    #[must_use]
    pub fn new(role: StreamRole, device: Arc<DeviceClock>) -> Self {
        Self {
            role,
            device,
            received: Extremes::default(),
            reports: VecDeque::new(),
            distrusted: None,
            base: None,
            last: None,
        }
    }

    /// Whether a packet's media time does not follow from the one before it: it went back, or ran ahead of the time it
    /// came at. Coming late is no sign of it: a network may hold packets back for long.
    #[must_use]
    pub fn has_parted(&self, media_s: f64, received: UtcUs) -> bool {
        self.last.is_some_and(|(media, at)| {
            let step_s = media_s - media;
            step_s < -PARTING_S || step_s - (seconds(received) - at) > PARTING_S
        })
    }

    /// Time of a packet with media time `media_s` that began to arrive at `received`.
    pub fn packet(&mut self, media_s: f64, received: UtcUs) -> CaptureTime {
        self.last = Some((media_s, seconds(received)));
        self.received.push(media_s, seconds(received) - media_s);
        // A stream whose own reports are not believed must not be told its camera's time by another.
        let others_s = if self.distrusted.is_none() { self.device.offset_s() } else { None };
        let (target, source, error_ms) = match (self.camera_base(), others_s, self.received.min()) {
            (Some(camera), _, Some(receive)) => {
                let spread = self.reports.iter().map(|(_, base)| (base - camera).abs()).fold(0.0, f64::max);
                let error_ms = ((camera - receive).abs() + spread) * 1e3 + STAMP_ERROR_MS;
                (camera, TimeSource::SenderReport, error_ms)
            }
            (None, Some(offset_s), Some(receive)) => {
                let error_ms = offset_s.abs() * 1e3 + STAMP_ERROR_MS + OTHER_STREAM_MS;
                (receive + offset_s, TimeSource::SenderReport, error_ms)
            }
            (.., receive) => (receive.unwrap_or(seconds(received) - media_s), TimeSource::Receive, DELAY_ALLOWANCE_MS),
        };
        let base = match self.base {
            Some((base, at)) if (target - base).abs() <= JUMP_S => {
                let most = (media_s - at).max(0.0) / 2.0;
                base + (target - base).clamp(-most, most)
            }
            _ => target,
        };
        let moved_at = self.base.map_or(media_s, |(_, at)| at.max(media_s));
        self.base = Some((base, moved_at));
        let error_ms = error_ms + (target - base).abs() * 1e3;
        CaptureTime { utc: UtcUs(((base + media_s) * 1e6).round() as i64), error_ms: Some(error_ms), source }
    }

    /// Takes a sender report: the camera's clock `ntp` (32.32 bits since 1900) at media time `media_s`.
    pub fn sender_report(&mut self, ntp: u64, media_s: f64, received: UtcUs) {
        let camera_s = ntp as f64 / f64::from(1_u32 << 31) / 2.0 - NTP_TO_UNIX_S;
        let base = camera_s - media_s;
        let offset_s = base - self.received.min().unwrap_or(seconds(received) - media_s);
        if ntp == 0 || camera_s < YEAR_2000_S {
            self.distrust("has no time set".into());
        } else if offset_s.abs() > MAX_OFFSET_S {
            let side = if offset_s > 0.0 { "ahead of" } else { "behind" };
            self.distrust(format!("is {:.1} h {side} ours", offset_s.abs() / 3600.0));
        } else {
            self.distrusted = None;
            let step_s = self.camera_base().map(|before| base - before);
            self.device.report(self.role, seconds(received), offset_s, step_s);
            self.reports.push_back((media_s, base));
            while self.reports.front().is_some_and(|(at, _)| media_s - at > WINDOW_S) {
                self.reports.pop_front();
            }
        }
    }

    /// Camera's clock minus ours in milliseconds, delay included; `None` without a trusted report.
    #[must_use]
    pub fn offset_ms(&self) -> Option<f64> {
        Some((self.camera_base()? - self.received.min()?) * 1e3)
    }

    /// Why the camera's clock is not used although it sends reports, e.g. `is 2.0 h behind ours`.
    #[must_use]
    pub fn distrusted(&self) -> Option<&str> {
        self.distrusted.as_deref()
    }

    fn distrust(&mut self, why: String) {
        self.distrusted = Some(why);
        self.reports.clear();
        self.device.forget(self.role);
    }

    fn camera_base(&self) -> Option<f64> {
        self.reports.back().map(|(_, base)| *base)
    }
}

fn seconds(at: UtcUs) -> f64 {
    at.0 as f64 / 1e6
}

/// Minimum over a sliding window in constant time a value: only values that may still become the minimum are kept.
#[derive(Debug, Default)]
struct Extremes {
    rising: VecDeque<(f64, f64)>,
}

impl Extremes {
    fn push(&mut self, at_s: f64, value: f64) {
        while self.rising.back().is_some_and(|(_, last)| *last >= value) {
            self.rising.pop_back();
        }
        self.rising.push_back((at_s, value));
        while self.rising.front().is_some_and(|(at, _)| at_s - at > WINDOW_S) {
            self.rising.pop_front();
        }
    }

    fn min(&self) -> Option<f64> {
        self.rising.front().map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests;
