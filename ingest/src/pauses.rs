//! How long to wait before the next try.

use std::{
    hash::{BuildHasher, Hasher},
    time::Duration,
};

use crate::connect::SessionFault;

/// Mean of the first pause.
const FIRST: Duration = Duration::from_millis(500);
/// Longest pause after a connection that broke or was not made. Short, because a camera must be back within three seconds of
/// its return, and a refused connection costs nobody much.
pub const LONGEST_PAUSE: Duration = Duration::from_millis(2500);
/// Longest pause when the camera answers, but with something that only a person can change (a wrong path, sound only).
pub const LONGEST_PAUSE_WHEN_REFUSED: Duration = Duration::from_secs(30);
/// A session that gave frames for this long starts the pauses anew.
const PROVEN_AFTER: Duration = Duration::from_secs(5);

/// Growing, jittered pauses.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    failures: u32,
}

impl Pauses {
    /// The pause before the next try, after a session that gave frames for `lasted` and ended with `fault`.
    pub(crate) fn next(&mut self, fault: &SessionFault, lasted: Duration) -> Duration {
        if lasted >= PROVEN_AFTER {
            self.failures = 0;
        }
        let mean = FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let longest = if fault.needs_a_person() { LONGEST_PAUSE_WHEN_REFUSED } else { LONGEST_PAUSE };
        jittered(mean.min(longest)).min(longest)
    }
}

/// Between three quarters and five quarters of it: a power cut ends all sessions at once, and jitter keeps a hundred
/// cameras from being called in step.
pub(crate) fn jittered(mean: Duration) -> Duration {
    mean.mul_f64(0.75 + random_unit() / 2.0)
}

/// Between 0 and 1. The standard library seeds its hash maps with random keys; jitter needs no better source.
fn random_unit() -> f64 {
    let bits = std::hash::RandomState::new().build_hasher().finish();
    bits as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_start_anew() {
        let mut pauses = Pauses::default();
        let fault = SessionFault::Ended;
        assert!(pauses.next(&fault, Duration::ZERO) < Duration::from_secs(1));
        let mut last = Duration::ZERO;
        for _ in 0..40 {
            last = pauses.next(&fault, Duration::ZERO);
            assert!(last <= LONGEST_PAUSE);
        }
        assert!(last > Duration::from_secs(1));
        let refused = SessionFault::Refused { status: 404 };
        assert!(pauses.next(&refused, Duration::ZERO) > LONGEST_PAUSE);
        assert!(pauses.next(&fault, Duration::from_secs(60)) < Duration::from_secs(1));
    }
}
