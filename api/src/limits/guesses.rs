//! Failed guesses at a secret, counted for all nodes together.
//!
//! The database is asked only when a guess has failed. Whoever has used up their failures is barred here, in memory, and
//! by every other node at the first failure it sees. What nobody can count does not count as one guess: it is refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};

use chancery_adapters::attempts::{Attempts, Tried};
use chancery_domain::digest::Digest;
use chancery_domain::policy::allowance::{Allowance, Exhausted};
use time::OffsetDateTime;

use super::Network;

/// Bars kept at a time. Somebody with more networks than that has no need to come twice from one.
const MAX_BARS: usize = 50_000;
/// Rows that administrators are shown.
const MOST_SHOWN: i64 = 20;

/// What was guessed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guessed {
    EnrollmentLink,
    ClientSecret,
    ApiKey,
    Passkey,
}

impl Guessed {
    const ALL: [Self; 4] = [Self::EnrollmentLink, Self::ClientSecret, Self::ApiKey, Self::Passkey];

    const fn name(self) -> &'static str {
        match self {
            Self::EnrollmentLink => "enrollment_link",
            Self::ClientSecret => "client_secret",
            Self::ApiKey => "api_key",
            Self::Passkey => "passkey",
        }
    }

    /// Failures, not attempts: whoever holds the secret is never slowed down.
    const fn allowance(self) -> Allowance {
        match self {
            Self::EnrollmentLink => Allowance::one_each(30, 10),
            Self::ClientSecret | Self::ApiKey | Self::Passkey => Allowance::one_each(15, 20),
        }
    }
}

/// Who guesses at what: a network and, where it is known, the client or account in question. Never the latter alone.
#[derive(Clone, Copy, Debug)]
pub struct Guess<'a> {
    at: Guessed,
    network: Network,
    about: &'a str,
}

impl<'a> Guess<'a> {
    pub fn at(at: Guessed, address: IpAddr) -> Self {
        Self { at, network: Network::of(address), about: "" }
    }

    pub fn about(self, about: &'a str) -> Self {
        Self { about, ..self }
    }

    fn tried(&self) -> Tried {
        Tried { secret: self.at.name().into(), network: self.network.0.to_string(), about: self.about.into() }
    }

    fn key(&self) -> [u8; 32] {
        *Digest::of(format!("{}|{}|{}", self.at.name(), self.network.0, self.about)).as_bytes()
    }
}

/// What somebody has used of their failures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub at: Guessed,
    pub network: String,
    /// The client or account in question; empty where none is known.
    pub about: String,
    pub used: u32,
    pub of: u32,
    pub refused_until: Option<OffsetDateTime>,
}

/// Why a guess is not even looked at.
#[derive(Debug, thiserror::Error)]
pub enum Barred {
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// It could not be counted.
    #[error(transparent)]
    Uncounted(#[from] sqlx::Error),
}

pub struct Guesses {
    percent: Option<u32>,
    attempts: Attempts,
    barred: RwLock<HashMap<[u8; 32], OffsetDateTime>>,
}

impl Guesses {
    pub fn new(percent: Option<u32>, attempts: Attempts) -> Self {
        Self { percent, attempts, barred: RwLock::default() }
    }

    /// Before a secret is looked at.
    ///
    /// # Errors
    /// [`Exhausted`] while too many have failed.
    pub fn admit(&self, guess: &Guess<'_>, now: OffsetDateTime) -> Result<(), Exhausted> {
        let barred = self.barred.read().unwrap_or_else(PoisonError::into_inner);
        if barred.is_empty() {
            return Ok(());
        }
        match barred.get(&guess.key()) {
            Some(until) if *until > now => Err(Exhausted { retry_after: *until - now }),
            _ => Ok(()),
        }
    }

    /// Counts a failure.
    ///
    /// # Errors
    /// [`Barred::Exhausted`] if it was one too many, [`Barred::Uncounted`] if the database did not take it.
    pub async fn failed(&self, guess: &Guess<'_>, now: OffsetDateTime) -> Result<(), Barred> {
        let Some(percent) = self.percent else { return Ok(()) };
        self.admit(guess, now)?;
        let allowance = guess.at.allowance().scaled(percent);
        let key = guess.key();
        let restored_at = self.attempts.count(&key, &guess.tried(), allowance, now).await?;
        let Err(exhausted) = allowance.take(Some(restored_at), now) else { return Ok(()) };
        self.bar(key, now + exhausted.retry_after);
        tracing::warn!(client_ip = %guess.network.0, secret = guess.at.name(), "too many failed attempts");
        Err(exhausted.into())
    }

    fn bar(&self, key: [u8; 32], until: OffsetDateTime) {
        let mut barred = self.barred.write().unwrap_or_else(PoisonError::into_inner);
        if barred.len() >= MAX_BARS
            && let Some(any) = barred.keys().next().copied()
        {
            barred.remove(&any);
        }
        barred.insert(key, until);
    }

    /// Who failed at what within the last minutes, on whichever node.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn of_late(&self, now: OffsetDateTime) -> Result<Vec<Failed>, sqlx::Error> {
        let Some(percent) = self.percent else { return Ok(Vec::new()) };
        let failed = |(tried, restored_at): (Tried, OffsetDateTime)| {
            let at = Guessed::ALL.into_iter().find(|guessed| guessed.name() == tried.secret)?;
            let allowance = at.allowance().scaled(percent);
            let used = ((restored_at - now) / allowance.every).ceil() as u32;
            let refused = allowance.take(Some(restored_at), now).err();
            let refused_until = refused.map(|exhausted| now + exhausted.retry_after);
            let Tried { network, about, .. } = tried;
            Some(Failed { at, network, about, used: used.min(allowance.burst), of: allowance.burst, refused_until })
        };
        Ok(self.attempts.of_late(now, MOST_SHOWN).await?.into_iter().filter_map(failed).collect())
    }

    /// Forgets what is over.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sweep(&self, now: OffsetDateTime) -> Result<(), sqlx::Error> {
        self.barred.write().unwrap_or_else(PoisonError::into_inner).retain(|_, until| *until > now);
        self.attempts.sweep(now).await
    }
}
