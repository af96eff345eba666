//! How often each key may ask for drawing: a bucket of tokens for each, which fills steadily.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::app::Owner;
use crate::error::ApiError;

/// The buckets, by owner. There are no more of them than keys.
#[derive(Debug)]
pub struct Rate {
    /// Tokens a minute, and most that a bucket holds; 0 = no limit.
    a_minute: u32,
    buckets: Mutex<HashMap<String, (f64, Instant)>>,
}

impl Rate {
    /// Full buckets.
    pub fn new(a_minute: u32) -> Self {
        Self { a_minute, buckets: Mutex::default() }
    }

    /// Takes a token, if there is one.
    pub fn take(&self, owner: &Owner) -> Result<(), ApiError> {
        self.take_at(owner, Instant::now())
    }

    fn take_at(&self, owner: &Owner, now: Instant) -> Result<(), ApiError> {
        if self.a_minute == 0 {
            return Ok(());
        }
        let most = f64::from(self.a_minute);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, filled) = buckets.entry(owner.0.clone()).or_insert((most, now));
        let since = now.saturating_duration_since(*filled).as_secs_f64();
        *tokens = (*tokens + since * most / Duration::from_secs(60).as_secs_f64()).min(most);
        *filled = now;
        if *tokens < 1.0 {
            return Err(ApiError::too_often(self.a_minute));
        }
        *tokens -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills() {
        let rate = Rate::new(60);
        let (a, b, begin) = (Owner("a".into()), Owner("b".into()), Instant::now());
        let taken = |owner: &Owner, seconds| {
            let now = begin + Duration::from_secs(seconds);
            (0..100).filter(|_| rate.take_at(owner, now).is_ok()).count()
        };
        assert_eq!(taken(&a, 0), 60);
        assert_eq!(taken(&a, 0), 0);
        assert_eq!(taken(&b, 0), 60, "each key has its own");
        assert_eq!(taken(&a, 5), 5);
        assert_eq!(taken(&a, 1000), 60, "it holds no more than a minute gives");
        assert_eq!(rate.take_at(&a, begin).unwrap_err().status.as_u16(), 429);
        let free = Rate::new(0);
        assert!((0..1000).all(|_| free.take(&a).is_ok()));
    }
}
