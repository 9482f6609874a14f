//! Allowances by key in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chancery_domain::policy::allowance::{Allowance, Exhausted};
use time::{Duration, OffsetDateTime};

/// Keys that have used some of their allowance; a few MiB at most. Whoever else comes shares one allowance: beyond it the
/// limit gets stricter, never laxer.
pub(super) const MAX_KEYS: usize = 50_000;

/// An allowance for each key.
pub struct Buckets<K> {
    /// None: no limit.
    allowance: Option<Allowance>,
    kept: Mutex<Kept<K>>,
}

struct Kept<K> {
    buckets: HashMap<K, Bucket>,
    /// Of the keys that found no room.
    others: Bucket,
    swept_at: OffsetDateTime,
}

#[derive(Clone, Copy)]
struct Bucket {
    restored_at: OffsetDateTime,
    /// It was refused something since it was last full.
    refusing: bool,
}

const FULL: Bucket = Bucket { restored_at: OffsetDateTime::UNIX_EPOCH, refusing: false };

/// A refusal; `first` since the allowance was last whole, so that a flood is one line in the log.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    pub exhausted: Exhausted,
    pub first: bool,
}

impl<K: Eq + Hash> Buckets<K> {
    pub fn new(allowance: Option<Allowance>) -> Self {
        let kept = Kept { buckets: HashMap::new(), others: FULL, swept_at: OffsetDateTime::UNIX_EPOCH };
        Self { allowance, kept: Mutex::new(kept) }
    }

    /// Takes one of a key's allowance.
    ///
    /// # Errors
    /// [`Refused`] if nothing is left of it.
    pub fn take(&self, key: K, now: OffsetDateTime) -> Result<(), Refused> {
        let Some(allowance) = self.allowance else { return Ok(()) };
        let mut kept = self.lock();
        let bucket = kept.bucket(key, now);
        if bucket.restored_at <= now {
            bucket.refusing = false;
        }
        match allowance.take(Some(bucket.restored_at), now) {
            Ok(restored_at) => {
                bucket.restored_at = restored_at;
                Ok(())
            }
            Err(exhausted) => Err(Refused { exhausted, first: !std::mem::replace(&mut bucket.refusing, true) }),
        }
    }

    /// Forgets the keys whose allowance is whole again.
    pub fn sweep(&self, now: OffsetDateTime) {
        let mut kept = self.lock();
        kept.sweep(now);
        kept.buckets.shrink_to_fit();
    }

    fn lock(&self) -> MutexGuard<'_, Kept<K>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.lock().buckets.len()
    }
}

impl<K: Eq + Hash> Kept<K> {
    fn bucket(&mut self, key: K, now: OffsetDateTime) -> &mut Bucket {
        if self.buckets.len() >= MAX_KEYS && !self.buckets.contains_key(&key) {
            // Looking through all of them takes milliseconds, so not for each request of a flood.
            if now - self.swept_at >= Duration::SECOND {
                self.sweep(now);
            }
            if self.buckets.len() >= MAX_KEYS {
                return &mut self.others;
            }
        }
        self.buckets.entry(key).or_insert(FULL)
    }

    fn sweep(&mut self, now: OffsetDateTime) {
        self.buckets.retain(|_, bucket| bucket.restored_at > now);
        self.swept_at = now;
    }
}
