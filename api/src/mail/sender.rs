//! Delivers the mails that wait: one after the other, each until the mail server has taken it or never will.
//!
//! A node takes a mail for a while, so that of several nodes one sends it. Sending and noting that it was sent are two
//! things: a node that dies between them sends a second copy under the same message id.

use chancery_adapters::mailer::{Mail, MailError, SmtpMailer};
use chancery_domain::digest::Digest;
use chancery_domain::enrollment::link;
use chancery_projections::mails::Letter;
use chancery_projections::mails::queue::{self, Waiting};
use chancery_projections::{enrollments, users};
use tokio::sync::watch;

use super::requests::verification_url;
use super::{Circle, compose};
use crate::accounts::ENROLLMENT_LINK;
use crate::app::App;

/// How often anybody looks for mails whose next attempt is due.
const SWEEP: std::time::Duration = std::time::Duration::from_secs(1);
/// How long the database may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
/// Over about seven hours.
const MAX_ATTEMPTS: i32 = 12;

/// What became of one attempt.
enum Delivered {
    Sent,
    Never(String),
    /// Nobody needs it any more.
    Moot,
    Later(String),
}

/// Runs until the process ends.
pub async fn run(app: App, mailer: SmtpMailer, mut queued: watch::Receiver<()>) {
    loop {
        tokio::select! {
            Ok(()) = queued.changed() => {}
            () = tokio::time::sleep(SWEEP) => {}
        }
        if let Err(error) = deliver_waiting(&app, &mailer).await {
            tracing::debug!(%error, "the mails that wait could not be looked at");
        }
    }
}

async fn deliver_waiting(app: &App, mailer: &SmtpMailer) -> Result<(), sqlx::Error> {
    while let Some(mail) = in_time(queue::take(&app.pool, app.now())).await? {
        match deliver(app, mailer, &mail).await? {
            Delivered::Sent => in_time(queue::sent(&app.pool, &mail, app.now())).await?,
            Delivered::Moot => in_time(queue::give_up(&app.pool, &mail, app.now(), None)).await?,
            Delivered::Later(why) if mail.attempts < MAX_ATTEMPTS => {
                tracing::warn!(event_id = %mail.event_id, attempts = mail.attempts, why, "a mail was not taken; it is tried again");
                in_time(queue::failed(&app.pool, &mail, &why)).await?;
                // The next one would hardly fare better, and would wait as long.
                return Ok(());
            }
            Delivered::Later(why) | Delivered::Never(why) => {
                tracing::error!(event_id = %mail.event_id, attempts = mail.attempts, why, "a mail was given up");
                in_time(queue::give_up(&app.pool, &mail, app.now(), Some(&why))).await?;
            }
        }
    }
    Ok(())
}

async fn deliver(app: &App, mailer: &SmtpMailer, mail: &Waiting) -> Result<Delivered, sqlx::Error> {
    let never = |why: &str| Ok(Delivered::Never(why.to_owned()));
    let Ok(letter) = serde_json::from_value::<Letter>(mail.letter.0.clone()) else {
        return never("this release does not know this kind of mail");
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
            let secret = app.store.vault().link_secret(ENROLLMENT_LINK, enrollment_id.0.as_bytes());
            if !enrollments::is_open(&app.pool, *enrollment_id, Digest::of(secret), app.now()).await? {
                return Ok(Link::Spent);
            }
            let code = link::encode(*enrollment_id, &secret);
            Ok(Link::Usable(format!("{}/enroll/{code}", app.issuer)))
        }
        Letter::EmailVerification { verification_id, expires_at } => {
            let user = users::find(&app.pool, chancery_domain::ids::UserId(mail.user_id)).await?;
            // The proof is for this address; if it is not the person's any more, nobody there needs to hear of them.
            let current = user.is_some_and(|user| user.email.as_deref() == Some(&mail.recipient));
            if !current || app.now() >= *expires_at {
                return Ok(Link::Spent);
            }
            Ok(Link::Usable(verification_url(app, *verification_id)))
        }
        _ => Ok(Link::None),
    }
}

/// Tells two recipients of one event apart without naming them.
fn digest_of(recipient: &str) -> String {
    Digest::of(recipient).as_bytes()[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}
