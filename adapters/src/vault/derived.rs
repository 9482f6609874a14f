//! Secrets that follow from their place: claims digests, refresh tokens, mailed links (HMAC-SHA-256, RFC 2104).
//!
//! Their keys were derived from the first `ENCRYPTION_KEY` and are kept among the data keys, so that they outlive it. A
//! rotation adds a version of those that protect something; earlier ones still recognize what they made. The key of the
//! claims stays: it only hides names from whoever reads that table alone.

use chancery_domain::Subject;
use chancery_domain::claim::Claim;
use chancery_domain::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use time::{Duration, OffsetDateTime};

use super::master::Master;
use super::{Vault, VaultError};

pub(super) const CLAIMS: &str = "derived:claims";
pub(super) const REFRESH_TOKENS: &str = "derived:refresh_tokens";
pub(super) const LINKS: &str = "derived:links";

/// A key makes nothing until every node has had the time to hear of it: they look each minute.
const HEARD_OF: Duration = Duration::minutes(5);

pub(super) struct DerivedKeys {
    claims: Secret<[u8; 32]>,
    refresh_tokens: Versions,
    links: Versions,
}

/// The keys of one purpose, the oldest first; there is always one.
struct Versions {
    first: Secret<[u8; 32]>,
    later: Vec<(OffsetDateTime, Secret<[u8; 32]>)>,
}

impl DerivedKeys {
    /// Those of an instance whose `ENCRYPTION_KEY` was never changed.
    pub fn first(master: &Master) -> Self {
        Self {
            claims: master.claims.clone(),
            refresh_tokens: Versions { first: master.refresh_tokens.clone(), later: Vec::new() },
            links: Versions { first: master.links.clone(), later: Vec::new() },
        }
    }
}

impl Versions {
    /// The one that makes secrets now.
    fn current(&self, now: OffsetDateTime) -> &Secret<[u8; 32]> {
        self.keys(now).next().unwrap_or(&self.first)
    }

    /// All of them, the one that makes secrets now before the others.
    fn keys(&self, now: OffsetDateTime) -> impl Iterator<Item = &Secret<[u8; 32]>> {
        let usable = self.later.iter().filter(move |(made_at, _)| now >= *made_at + HEARD_OF).count();
        let (usable, unheard_of) = self.later.split_at(usable);
        let usable = usable.iter().rev().map(|(_, key)| key);
        usable.chain([&self.first]).chain(unheard_of.iter().map(|(_, key)| key))
    }
}

impl Vault {
    /// The keyed digest under which a claim is kept, so that the claims table names nobody.
    pub fn claim_digest(&self, claim: &Claim) -> [u8; 32] {
        keyed_digest(&self.derived.load().claims, &[claim.kind.as_str().as_bytes(), claim.value.as_bytes()])
    }

    /// The secret half of a refresh token. It follows from its place in the grant, so that a retry within the grace gets
    /// the same successor; only its digest is stored.
    pub fn refresh_token_secret(&self, grant: &[u8; 16], generation: u32, now: OffsetDateTime) -> [u8; 32] {
        let parts: [&[u8]; 2] = [grant, &generation.to_be_bytes()];
        keyed_digest(self.derived.load().refresh_tokens.current(now), &parts)
    }

    /// The same, followed by what it may have been made as under other keys.
    pub fn refresh_token_secrets(&self, grant: &[u8; 16], generation: u32, now: OffsetDateTime) -> Vec<[u8; 32]> {
        let parts: [&[u8]; 2] = [grant, &generation.to_be_bytes()];
        self.derived.load().refresh_tokens.keys(now).map(|key| keyed_digest(key, &parts)).collect()
    }

    /// The secret of a link that is mailed. It follows from what the link is for, so that whoever sends the mail can make
    /// it again; only its digest is stored.
    pub fn link_secret(&self, purpose: &str, id: &[u8; 16], now: OffsetDateTime) -> [u8; 32] {
        keyed_digest(self.derived.load().links.current(now), &[purpose.as_bytes(), id])
    }

    /// The same, followed by what it may have been made as under other keys.
    pub fn link_secrets(&self, purpose: &str, id: &[u8; 16], now: OffsetDateTime) -> Vec<[u8; 32]> {
        self.derived.load().links.keys(now).map(|key| keyed_digest(key, &[purpose.as_bytes(), id])).collect()
    }

    /// Reads the keys of derived secrets, and notes them where this is the first release that does.
    pub(super) async fn load_derived(&self, in_use: &Master) -> Result<(), VaultError> {
        let mut keys = self.read_derived().await?;
        if keys.iter().all(|(subject, ..)| subject != LINKS) {
            for (subject, key) in
                [(CLAIMS, &in_use.claims), (REFRESH_TOKENS, &in_use.refresh_tokens), (LINKS, &in_use.links)]
            {
                self.keep(&Subject::from(subject.to_owned()), key, &mut *self.pool.acquire().await?).await?;
            }
            keys = self.read_derived().await?;
        }
        let of = |wanted| {
            let own = keys.iter().filter(|(subject, ..)| subject == wanted);
            let mut own = own.map(|(_, made_at, key)| (*made_at, key.clone())).collect::<Vec<_>>();
            if own.is_empty() {
                return Err(VaultError::WrongKey);
            }
            let (_, first) = own.remove(0);
            Ok(Versions { first, later: own })
        };
        let (claims, refresh_tokens, links) = (of(CLAIMS)?.first, of(REFRESH_TOKENS)?, of(LINKS)?);
        self.derived.store(DerivedKeys { claims, refresh_tokens, links }.into());
        Ok(())
    }

    /// Subject, birth and key, the oldest first.
    async fn read_derived(&self) -> Result<Vec<(String, OffsetDateTime, Secret<[u8; 32]>)>, VaultError> {
        let rows: Vec<(String, i32, Vec<u8>, OffsetDateTime)> = sqlx::query_as(
            "SELECT subject, key_version, wrapped, created_at FROM subject_keys
             WHERE subject = ANY($1) AND wrapped IS NOT NULL ORDER BY key_version",
        )
        .bind([CLAIMS, REFRESH_TOKENS, LINKS])
        .fetch_all(&self.pool)
        .await?;
        let opened = rows.into_iter().map(|(subject, version, wrapped, made_at)| {
            let key = self.unwrap_key(&Subject::from(subject.clone()), version, &wrapped)?;
            Ok((subject, made_at, key))
        });
        opened.collect()
    }
}

fn keyed_digest(key: &Secret<[u8; 32]>, parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length (RFC 2104 §2), so 32 bytes cannot be refused.
    #[expect(clippy::expect_used, reason = "a 32-byte key is always accepted")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("any key length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
