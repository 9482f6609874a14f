//! Unguessable values. Read at the edge and handed to commands; nothing that decides draws one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;
use uuid::{Builder, Uuid};
use zeroize::Zeroize;

use crate::secret::Secret;

/// Bytes that nobody can predict. An implementation that cannot give them must not return.
pub trait Entropy: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);

    /// A random id (RFC 9562 §5.4).
    fn uuid_v4(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        Builder::from_random_bytes(bytes).into_uuid()
    }

    /// An id that sorts by time (RFC 9562 §5.7): streams made together lie together in the index.
    fn uuid_v7(&self, now: OffsetDateTime) -> Uuid {
        let mut bytes = [0; 10];
        self.fill(&mut bytes);
        let milliseconds = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
        Builder::from_unix_timestamp_millis(milliseconds, &bytes).into_uuid()
    }

    /// A bearer secret of 256 bits in base64url, beyond the 160 bits that RFC 6749 §10.10 recommends.
    fn token(&self) -> Secret<String> {
        let mut bytes = [0; 32];
        self.fill(&mut bytes);
        let token = Secret::new(URL_SAFE_NO_PAD.encode(bytes));
        bytes.zeroize();
        token
    }
}
