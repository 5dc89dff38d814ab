//! How far behind the cameras the analysis is.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const WINDOW: Duration = Duration::from_secs(60);
/// Enough for a minute of 64 cameras; beyond that the oldest go and the window is shorter.
const KEPT: usize = 64 * 60 * 12;

/// Delays from the last packet of a frame to the frame analysed, over the last minute.
#[derive(Default)]
pub(crate) struct Lag(Mutex<VecDeque<(Instant, f32)>>);

impl Lag {
    /// Takes one frame's delay; files have none.
    pub(crate) fn note(&self, delay: Option<Duration>) {
        let Some(delay) = delay else { return };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((Instant::now(), delay.as_secs_f32()));
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }

    /// The 95th percentile in seconds; `None`: nothing was analysed in the last minute.
    pub(crate) fn p95_s(&self) -> Option<f64> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.front().is_some_and(|(at, _)| at.elapsed() > WINDOW) {
            kept.pop_front();
        }
        let mut delays: Vec<f32> = kept.iter().map(|(_, delay)| *delay).collect();
        drop(kept);
        delays.sort_by(f32::total_cmp);
        delays.get(delays.len() * 95 / 100).copied().map(f64::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_twentieth_is_left_out() {
        let lag = Lag::default();
        assert_eq!(lag.p95_s(), None);
        (1..=100).for_each(|ms| lag.note(Some(Duration::from_millis(ms))));
        assert!((lag.p95_s().expect("noted") - 0.096).abs() < 1e-6);
    }
}
