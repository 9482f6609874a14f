//! The randomness of the operating system, and a repeatable one for tests.

use std::sync::atomic::{AtomicU64, Ordering};

use chancery_domain::ports::entropy::Entropy;
use sha2::{Digest, Sha256};

#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// Ends the process if the operating system has no randomness: a guessable token is worse than none.
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            tracing::error!(%error, "the operating system gives no random bytes; stopping");
            std::process::abort();
        }
    }
}

/// The same values for the same seed, for tests. Never for a server: everyone can compute them.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    block: AtomicU64,
}

impl SeededEntropy {
    pub fn new(seed: u64) -> Self {
        Self { seed, block: AtomicU64::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let block = self.block.fetch_add(1, Ordering::Relaxed);
            let digest =
                Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(block.to_be_bytes()).finalize();
            chunk.copy_from_slice(&digest[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_token_is_256_bits_in_base64url_and_never_the_same() {
        let (first, second) = (SystemEntropy.token(), SystemEntropy.token());

        assert_eq!(first.expose().len(), 43);
        assert!(first.expose().bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_'));
        assert_ne!(first.expose(), second.expose());
    }

    #[test]
    fn ids_say_their_version_and_v7_sorts_by_time() {
        let earlier = SystemEntropy.uuid_v7(datetime!(2026-11-23 12:00:00.000 UTC));
        let later = SystemEntropy.uuid_v7(datetime!(2026-11-23 12:00:00.001 UTC));

        assert_eq!(SystemEntropy.uuid_v4().get_version_num(), 4);
        assert_eq!(earlier.get_version_num(), 7);
        assert!(earlier < later);
    }

    #[test]
    fn a_seed_repeats_itself() {
        let (one, other) = (SeededEntropy::new(7), SeededEntropy::new(7));

        assert_eq!(one.uuid_v4(), other.uuid_v4());
        assert_eq!(one.token().expose(), other.token().expose());
        assert_ne!(one.uuid_v4(), SeededEntropy::new(8).uuid_v4());
    }
}
