//! The clock of a camera, as all its streams and sessions together know it.
//!
//! Fed with the clock offset of every trusted sender report. From it:
//! - the **offset** that a stream without reports of its own uses,
//! - the **drift**: slope of the least-squares line through the offsets of the last [`DRIFT_WINDOW_S`], in parts per
//!   million, once they span [`DRIFT_SPAN_S`],
//! - **alarms**: the clock was set by more than [`STEP_S`] from one report to the next, it drifts by more than
//!   [`DRIFT_LIMIT_PPM`], or it is off by more than [`OFFSET_LIMIT_S`].

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use stopline_types::StreamRole;

/// How far back the drift is estimated, seconds.
const DRIFT_WINDOW_S: f64 = 900.0;
/// Least time the offsets must span before a drift is told, seconds.
const DRIFT_SPAN_S: f64 = 120.0;
/// Reports kept for it: one every five seconds is usual (RFC 3550 section 6.2), some cameras send one a second.
const MOST_REPORTS: usize = 1024;
/// A camera's clock that moves by more than this against its own media time was set, seconds.
pub const STEP_S: f64 = 0.5;
/// How long a step is told, seconds.
const STEP_TOLD_S: f64 = 60.0;
/// Drift above this is an alarm, parts per million: a bad crystal left alone, or an NTP that chases.
pub const DRIFT_LIMIT_PPM: f64 = 200.0;
/// An offset above this is an alarm, seconds.
pub const OFFSET_LIMIT_S: f64 = 1.0;

/// See the module. Shared by a camera's streams.
#[derive(Debug, Default)]
pub struct DeviceClock(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Of the stream that reported last: receive time and offset, seconds.
    offsets: VecDeque<(f64, f64)>,
    by: Option<StreamRole>,
    step: Option<(f64, f64)>,
    steps: u64,
}

impl DeviceClock {
    /// Takes the offset that a report of `role` gave, and how far the camera's clock moved against the stream's media
    /// time since the report before.
    pub(crate) fn report(&self, role: StreamRole, received_s: f64, offset_s: f64, step_s: Option<f64>) {
        let mut inner = self.lock();
        if let Some(step_s) = step_s.filter(|s| s.abs() > STEP_S) {
            // Both streams see the same step.
            if inner.step.is_none_or(|(at, _)| received_s - at > STEP_TOLD_S / 2.0) {
                inner.steps += 1;
                inner.step = Some((received_s, step_s));
                inner.offsets.clear();
            }
        }
        // Delays of two streams differ: one line is drawn through the offsets of one of them only.
        let current = inner.offsets.back().map_or(f64::NEG_INFINITY, |(at, _)| *at);
        if inner.by != Some(role) {
            if received_s - current < DRIFT_SPAN_S / 2.0 && inner.by.is_some() {
                return;
            }
            inner.by = Some(role);
            inner.offsets.clear();
        }
        inner.offsets.push_back((received_s, offset_s));
        while inner.offsets.len() > MOST_REPORTS
            || inner.offsets.front().is_some_and(|(at, _)| received_s - at > DRIFT_WINDOW_S)
        {
            inner.offsets.pop_front();
        }
    }

    /// The stream's reports are not to be believed.
    pub(crate) fn forget(&self, role: StreamRole) {
        let mut inner = self.lock();
        if inner.by == Some(role) {
            inner.by = None;
            inner.offsets.clear();
        }
    }

    /// Camera's clock minus ours, delay included, seconds.
    #[must_use]
    pub fn offset_s(&self) -> Option<f64> {
        self.lock().offsets.back().map(|(_, offset)| *offset)
    }

    /// How fast the camera's clock runs away from ours, parts per million (86 400 s × 1 ppm = 86 ms a day).
    #[must_use]
    pub fn drift_ppm(&self) -> Option<f64> {
        drift_ppm(&self.lock().offsets)
    }

    /// How often it was set.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// What is wrong with it at `now_s` (seconds since 1970), in words.
    #[must_use]
    pub fn alarm(&self, now_s: f64) -> Option<String> {
        let inner = self.lock();
        let side = |s: f64| if s > 0.0 { "forwards" } else { "back" };
        if let Some((at, step_s)) = inner.step.filter(|(at, _)| now_s - at < STEP_TOLD_S) {
            let ago = (now_s - at).max(0.0);
            return Some(format!("its clock was set {} by {:.1} s, {ago:.0} s ago", side(step_s), step_s.abs()));
        }
        if let Some((_, offset_s)) = inner.offsets.back().filter(|(_, s)| s.abs() > OFFSET_LIMIT_S) {
            let side = if *offset_s > 0.0 { "ahead of" } else { "behind" };
            return Some(format!("its clock is {:.1} s {side} ours: set NTP", offset_s.abs()));
        }
        let drift_ppm = drift_ppm(&inner.offsets).filter(|ppm| ppm.abs() > DRIFT_LIMIT_PPM)?;
        Some(format!("its clock drifts by {drift_ppm:+.0} ppm ({:+.1} s a day)", drift_ppm * 0.0864))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn drift_ppm(offsets: &VecDeque<(f64, f64)>) -> Option<f64> {
    let (first, last) = (offsets.front()?.0, offsets.back()?.0);
    if last - first < DRIFT_SPAN_S {
        return None;
    }
    let n = offsets.len() as f64;
    let mean_t = offsets.iter().map(|(t, _)| t - first).sum::<f64>() / n;
    let mean_o = offsets.iter().map(|(_, o)| o).sum::<f64>() / n;
    let (mut over, mut under) = (0.0, 0.0);
    for (t, o) in offsets {
        let t = t - first - mean_t;
        over += t * (o - mean_o);
        under += t * t;
    }
    (under > 0.0).then(|| over / under * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_is_told_after_two_minutes_and_alarmed_above_the_limit() {
        for (ppm, alarmed) in [(40.0, false), (-350.0, true)] {
            let clock = DeviceClock::default();
            for i in 0..60 {
                let at = f64::from(i) * 5.0;
                let jitter = f64::from(i % 3) * 1e-3;
                clock.report(StreamRole::Main, at, 0.02 + at * ppm * 1e-6 + jitter, Some(0.0));
                if at < DRIFT_SPAN_S {
                    assert_eq!(clock.drift_ppm(), None);
                }
            }
            let told = clock.drift_ppm().unwrap();
            assert!((told - ppm).abs() < 10.0, "{told}");
            assert_eq!(clock.alarm(300.0).is_some(), alarmed, "{:?}", clock.alarm(300.0));
        }
    }

    #[test]
    fn a_step_is_told_for_a_minute_and_counted_once_for_both_streams() {
        let clock = DeviceClock::default();
        clock.report(StreamRole::Main, 0.0, 0.01, None);
        clock.report(StreamRole::Main, 5.0, -2.99, Some(-3.0));
        clock.report(StreamRole::Sub, 6.0, -2.99, Some(-3.0));
        assert_eq!(clock.steps(), 1);
        assert_eq!(clock.alarm(8.0).unwrap(), "its clock was set back by 3.0 s, 3 s ago");
        assert_eq!(clock.alarm(100.0).unwrap(), "its clock is 3.0 s behind ours: set NTP");
        assert_eq!(clock.offset_s(), Some(-2.99));
        clock.forget(StreamRole::Main);
        assert_eq!((clock.offset_s(), clock.alarm(100.0)), (None, None));
    }
}
