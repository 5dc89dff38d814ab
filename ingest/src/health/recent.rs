//! The last seconds of a stream: how many frames came whole, how many did not.

use std::time::{Duration, Instant};

/// How far back is looked, in buckets of a second.
const SPAN_S: usize = 10;
/// More than this share of frames damaged or lost degrades a stream.
const MOST_DAMAGED: f64 = 0.05;
/// Fewer frames a second than this on the analysed stream: tracks break, and the rules find less than they should.
const LEAST_FPS: f64 = 4.0;
/// Least time looked at before anything is complained of.
const LEAST_SPAN: Duration = Duration::from_secs(3);

/// Counts by second.
#[derive(Debug, Default)]
pub(super) struct Recent {
    began: Option<Instant>,
    /// Second since `began` that the newest bucket counts.
    second: u64,
    buckets: [(u64, u64); SPAN_S],
}

impl Recent {
    pub(super) fn good(&mut self, now: Instant) {
        self.bucket(now).0 += 1;
    }

    pub(super) fn bad(&mut self, now: Instant, frames: u64) {
        self.bucket(now).1 += frames;
    }

    /// What is wrong, in words.
    pub(super) fn complaint(&mut self, now: Instant, analysed: bool) -> Option<String> {
        let age = now.saturating_duration_since(self.began?);
        if age < LEAST_SPAN {
            return None;
        }
        self.bucket(now);
        let (good, bad) = self.buckets.iter().fold((0, 0), |sum, b| (sum.0 + b.0, sum.1 + b.1));
        let share = bad as f64 / (good + bad).max(1) as f64;
        if share > MOST_DAMAGED {
            return Some(format!("{:.0} % of the frames of the last {SPAN_S} s were lost or damaged", share * 100.0));
        }
        // The newest bucket is not full; its part counts.
        let span_s = age.as_secs_f64().min(SPAN_S as f64 - 1.0 + age.as_secs_f64().fract());
        let fps = good as f64 / span_s;
        (analysed && fps < LEAST_FPS)
            .then(|| format!("{fps:.1} frames/s; the rules need {LEAST_FPS:.0} frames/s to follow vehicles"))
    }

    fn bucket(&mut self, now: Instant) -> &mut (u64, u64) {
        let began = *self.began.get_or_insert(now);
        let second = now.saturating_duration_since(began).as_secs().max(self.second);
        for passed in (self.second + 1..=second).take(SPAN_S) {
            // From the far end, so that each bucket that was skipped is emptied once.
            let at = second - (passed - self.second - 1);
            self.buckets[(at % SPAN_S as u64) as usize] = (0, 0);
        }
        self.second = second;
        &mut self.buckets[(second % SPAN_S as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_frames_and_damage_are_told_and_forgotten() {
        let t0 = Instant::now();
        let at = |ms: u64| t0 + Duration::from_millis(ms);
        let mut recent = Recent::default();
        (0..8).for_each(|i| recent.good(at(i * 500)));
        assert!(recent.complaint(at(4000), true).unwrap().contains("frames/s"));
        assert_eq!(recent.complaint(at(4000), false), None);
        (0..500).for_each(|i| recent.good(at(4000 + i * 40)));
        assert_eq!(recent.complaint(at(24_000), true), None);
        recent.bad(at(24_000), 30);
        assert!(recent.complaint(at(24_100), true).unwrap().contains("% of the frames"));
        (0..500).for_each(|i| recent.good(at(24_200 + i * 40)));
        assert_eq!(recent.complaint(at(44_200), true), None);
    }
}
