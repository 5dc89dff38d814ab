//! How many requests a caller may make: a bucket a caller, refilled steadily. In memory and bounded: when too many
//! callers are known, those whose bucket is full again are forgotten first.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// Callers remembered at most.
const CALLERS_AT_MOST: usize = 20_000;

/// A bucket's size and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Requests at once.
    pub burst: f64,
    /// Requests a second for good.
    pub per_s: f64,
}

#[derive(Debug)]
pub(crate) struct Limiter<K> {
    limit: RateLimit,
    callers: Mutex<HashMap<K, (f64, Instant)>>,
}

impl<K: Hash + Eq> Limiter<K> {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, callers: Mutex::default() }
    }

    /// Takes one request from the caller's bucket; `Err`: seconds until there is one again.
    pub(crate) fn take(&self, caller: K, at: Instant) -> Result<(), f64> {
        let RateLimit { burst, per_s } = self.limit;
        let filled = |&(held, since): &(f64, Instant)| {
            (held + at.saturating_duration_since(since).as_secs_f64() * per_s).min(burst)
        };
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if callers.len() >= CALLERS_AT_MOST && !callers.contains_key(&caller) {
            callers.retain(|_, bucket| filled(bucket) < burst);
            if callers.len() >= CALLERS_AT_MOST {
                return Err(1.0 / per_s);
            }
        }
        let bucket = callers.entry(caller).or_insert((burst, at));
        let held = filled(bucket);
        if held < 1.0 {
            *bucket = (held, at);
            return Err((1.0 - held) / per_s);
        }
        *bucket = (held - 1.0, at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_empties_and_fills() {
        let limiter = Limiter::new(RateLimit { burst: 3.0, per_s: 2.0 });
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(limiter.take("an", start), Ok(()));
        }
        assert_eq!(limiter.take("an", start), Err(0.5));
        assert_eq!(limiter.take("binh", start), Ok(()), "each caller has its own");
        assert_eq!(limiter.take("an", start + Duration::from_millis(500)), Ok(()));
        assert!(limiter.take("an", start + Duration::from_millis(500)).is_err());
        for _ in 0..3 {
            assert_eq!(limiter.take("an", start + Duration::from_secs(60)), Ok(()));
        }
        assert!(limiter.take("an", start + Duration::from_secs(60)).is_err(), "no more than the bucket holds");
    }
}
