//! Delivers the mails that wait: one after the other, each until the mail server has taken it or never will.
//!
//! A node takes a mail for a while, so that of several nodes one sends it. Sending and noting that it was sent are two
//! things: a node that dies between them sends a second copy under the same message id.

use std::sync::atomic::{AtomicBool, Ordering};

use chancery_adapters::mailer::{Mail, MailError, Reason, SmtpMailer};
use chancery_domain::digest::Digest;
use chancery_domain::enrollment::link;
use chancery_domain::user::VERIFICATION_LASTS;
use chancery_projections::mails::Letter;
use chancery_projections::mails::queue::{self, Waiting};
use chancery_projections::{enrollments, users};
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use time::{Duration, OffsetDateTime};
use tokio::sync::watch;
use tracing::field::Empty;
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::requests::verification_url;
use super::{Circle, compose};
use crate::accounts::ENROLLMENT_LINK;
use crate::app::App;
use crate::telemetry::{SCOPE, trace};

/// How often anybody looks for mails whose next attempt is due.
const SWEEP: std::time::Duration = std::time::Duration::from_secs(1);
/// How long the database may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
/// Over about six hours.
const MAX_ATTEMPTS: i32 = 12;

/// What became of one attempt.
enum Delivered {
    Sent,
    Never(Reason),
    /// Nobody needs it any more.
    Moot,
    Later(Reason),
}

/// Sends from this node.
pub struct Sender {
    app: App,
    mailer: SmtpMailer,
    /// Mails within an hour at most, of all nodes together.
    hourly: i64,
    /// That was reached, and said.
    limited: AtomicBool,
    outcomes: Counter<u64>,
}

impl Sender {
    pub fn new(app: App, mailer: SmtpMailer, hourly: i64) -> Self {
        let outcomes = global::meter(SCOPE)
            .u64_counter("chancery.mails")
            .with_description("Mails handled, by what came of it")
            .build();
        Self { app, mailer, hourly, limited: AtomicBool::new(false), outcomes }
    }

    /// Runs until the process ends.
    pub async fn run(self, mut queued: watch::Receiver<()>) {
        loop {
            tokio::select! {
                Ok(()) = queued.changed() => {}
                () = tokio::time::sleep(SWEEP) => {}
            }
            if let Err(error) = self.deliver_waiting().await {
                tracing::debug!(%error, "the mails that wait could not be looked at");
            }
        }
    }

    async fn deliver_waiting(&self) -> Result<(), sqlx::Error> {
        while let Some(mail) = in_time(queue::take(&self.app.pool, self.app.now(), self.hourly)).await? {
            if !self.handle(&mail).instrument(span_of(&mail)).await? {
                // The next one would hardly fare better, and would wait as long.
                break;
            }
        }
        Ok(())
    }

    /// Delivers a mail and notes what came of it; false if the server takes nothing now.
    async fn handle(&self, mail: &Waiting) -> Result<bool, sqlx::Error> {
        let (pool, now) = (&self.app.pool, self.app.now());
        let outcome = match deliver(&self.app, &self.mailer, mail).await? {
            Delivered::Sent => {
                in_time(queue::sent(pool, mail, now)).await?;
                self.watch_limit(now).await?;
                "sent"
            }
            Delivered::Moot => {
                in_time(queue::give_up(pool, mail, now, None)).await?;
                "no_longer_needed"
            }
            Delivered::Later(why) if mail.attempts < MAX_ATTEMPTS => {
                tracing::warn!(event_id = %mail.event_id, attempts = mail.attempts, why = why.logged, "a mail was not taken; it is tried again");
                in_time(queue::failed(pool, mail, &why.says)).await?;
                "failed"
            }
            Delivered::Later(why) | Delivered::Never(why) => {
                tracing::warn!(event_id = %mail.event_id, attempts = mail.attempts, why = why.logged, "a mail was given up");
                in_time(queue::give_up(pool, mail, now, Some(&why.says))).await?;
                "given_up"
            }
        };
        self.outcomes.add(1, &[KeyValue::new("outcome", outcome)]);
        Ok(outcome != "failed")
    }

    /// Says once when as many were sent as an hour allows.
    async fn watch_limit(&self, now: OffsetDateTime) -> Result<(), sqlx::Error> {
        let limited = in_time(queue::sent_since(&self.app.pool, now - Duration::HOUR)).await? >= self.hourly;
        if limited && !self.limited.swap(limited, Ordering::Relaxed) {
            tracing::warn!(
                limit = self.hourly,
                "as many mails were sent as EMAIL_HOURLY_LIMIT allows; the others wait"
            );
        }
        self.limited.store(limited, Ordering::Relaxed);
        Ok(())
    }
}

/// A trace of its own, linked with that of the request that caused the mail.
fn span_of(mail: &Waiting) -> Span {
    let letter = mail.letter.0["kind"].as_str();
    // At the highest level, so that lines of every level have the id of their trace.
    let span = tracing::error_span!(parent: None, "mail", letter, attempt = mail.attempts, trace_id = Empty);
    if let Some(cause) = mail.traceparent.as_deref().and_then(trace::parse) {
        span.add_link(cause);
    }
    if let Some(own) = trace::of(&span) {
        span.record("trace_id", tracing::field::display(own.trace_id()));
    }
    span
}

async fn deliver(app: &App, mailer: &SmtpMailer, mail: &Waiting) -> Result<Delivered, sqlx::Error> {
    let never = |why: &str| Ok(Delivered::Never(why.into()));
    let Ok(letter) = serde_json::from_value::<Letter>(mail.letter.0.clone()) else {
        // A newer node may know it.
        return Ok(Delivered::Later("this release does not know this kind of mail".into()));
    };
    let link = match in_time(link_of(app, mail, &letter)).await? {
        Link::None => None,
        Link::Usable(url) => Some(url),
        Link::Spent => return Ok(Delivered::Moot),
    };
    let circle = Circle { instance: &app.config.app_name, url: &app.issuer, name: &mail.name, link: link.as_deref() };
    let Ok(composed) = compose(&letter, mail.locale.as_deref(), circle) else {
        return never("the mail could not be written");
    };
    let sent = mailer.send(Mail {
        id: format!("{}.{}", mail.event_id, digest_of(&mail.recipient)),
        to: mail.recipient.clone(),
        subject: composed.subject,
        text: composed.text,
        html: composed.html,
        date: app.now(),
    });
    Ok(match sent.await {
        Ok(()) => Delivered::Sent,
        Err(MailError::Refused(why)) => Delivered::Never(why),
        Err(MailError::Later(why)) => Delivered::Later(why),
    })
}

/// A connection that was cut says nothing, and other mails wait.
async fn in_time<T>(asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// The link that a letter holds.
enum Link {
    None,
    Usable(String),
    Spent,
}

/// Finds the link of a letter. Its secret is made again here; if the log holds the digest of another one, or the link
/// cannot be used any more, there is no point in sending it.
async fn link_of(app: &App, mail: &Waiting, letter: &Letter) -> Result<Link, sqlx::Error> {
    match letter {
        Letter::Invitation { enrollment_id, .. } => {
            for secret in app.store.vault().link_secrets(ENROLLMENT_LINK, enrollment_id.0.as_bytes(), app.now()) {
                if enrollments::is_open(&app.pool, *enrollment_id, Digest::of(secret), app.now()).await? {
                    let code = link::encode(*enrollment_id, &secret);
                    return Ok(Link::Usable(format!("{}/enroll/{code}", app.issuer)));
                }
            }
            Ok(Link::Spent)
        }
        Letter::EmailVerification { verification_id, expires_at } => {
            let user = users::find(&app.pool, chancery_domain::ids::UserId(mail.user_id)).await?;
            // The proof is for this address; if it is not the person's any more, nobody there needs to hear of them.
            let current = user.is_some_and(|user| user.email.as_deref() == Some(&mail.recipient));
            if !current || app.now() >= *expires_at {
                return Ok(Link::Spent);
            }
            Ok(Link::Usable(verification_url(app, *verification_id, *expires_at - VERIFICATION_LASTS)))
        }
        _ => Ok(Link::None),
    }
}

/// Tells two recipients of one event apart without naming them.
fn digest_of(recipient: &str) -> String {
    Digest::of(recipient).as_bytes()[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}
