//! `/admin/mail`: whether mail arrives.

use axum::extract::State;
use axum::response::Response;
use chancery_projections::mails::queue::{self, MailRow};

use super::frame::{Page, Steward, frame, require_step_up, shown, when};
use crate::app::App;
use crate::http::request::Circumstances;
use crate::http::see_other::see_other;
use crate::http::session::SignedIn;
use crate::mail::requests;
use crate::pages::house::{Letter, MailPage, Room, Tone};
use crate::pages::render::page;

const PATH: &str = "/admin/mail";
/// Mails on the page.
const LIMIT: i64 = 50;
/// How long, in quarters of a second, a test mail is waited for before the page is shown without its end.
const PATIENCE: u32 = 20;
const QUARTER: std::time::Duration = std::time::Duration::from_millis(250);

pub async fn show(State(app): State<App>, Steward(signed_in): Steward) -> Response {
    shown(&app, mail(&app, &signed_in).await)
}

async fn mail(app: &App, signed_in: &SignedIn) -> Page {
    let settings = app.config.smtp.as_ref().map_or_else(Vec::new, |smtp| {
        vec![
            ("Mail server", format!("{}:{}", smtp.host, smtp.port)),
            ("Encryption", smtp.security_in_words().to_owned()),
            ("From", smtp.from.clone()),
            ("At most", format!("{} an hour", smtp.hourly)),
        ]
    });
    let letters = queue::latest(&app.pool, LIMIT).await?.into_iter().map(|row| letter(app, row)).collect();
    Ok(page(&MailPage {
        frame: frame(app, signed_in, Room::Mail),
        settings,
        own_address: signed_in.user.email.clone(),
        letters,
    }))
}

fn letter(app: &App, row: MailRow) -> Letter {
    let (tone, state) = match (row.sent_at, row.given_up_at, &row.failure) {
        (Some(_), ..) => (Tone::Good, "Sent"),
        (None, Some(_), None) => (Tone::Good, "No longer needed"),
        (None, Some(_), Some(_)) => (Tone::Stop, "Given up"),
        (None, None, Some(_)) => (Tone::Mind, "Will be tried again"),
        (None, None, None) => (Tone::Mind, "Waiting"),
    };
    Letter {
        tone,
        state,
        about: about(&row.kind),
        to: row.name.unwrap_or_else(|| "somebody who is gone".to_owned()),
        address: row.recipient,
        at: when(app, row.sent_at.or(row.given_up_at).unwrap_or(row.queued_at)),
        failure: row.failure,
    }
}

fn about(kind: &str) -> &'static str {
    match kind {
        "invitation" => "Invitation",
        "recovery_issued" => "A recovery link was made",
        "recovery_used" => "A recovery link was used",
        "new_sign_in" => "New device or place",
        "passkey_added" => "Passkey added",
        "passkey_removed" => "Passkey removed",
        "passkey_suspended" => "Passkey stopped",
        "address_changed" => "E-mail address changed",
        "refresh_reused" => "App signed out: a token came twice",
        "email_verification" => "Confirm an e-mail address",
        "test" => "Test mail",
        _ => "Mail",
    }
}

/// Sends a mail to whoever asks, by the same way as every other mail.
pub async fn test(State(app): State<App>, circumstances: Circumstances, Steward(signed_in): Steward) -> Response {
    let shown_page = async {
        require_step_up(&app, &signed_in, PATH)?;
        let caller = signed_in.caller(&app, &circumstances);
        let position = requests::request_test_mail(&app, &caller, signed_in.user.id()).await?;
        for _ in 0..PATIENCE {
            if queue::was_tried(&app.pool, position).await? {
                break;
            }
            tokio::time::sleep(QUARTER).await;
        }
        Ok(see_other(PATH))
    };
    shown(&app, shown_page.await)
}
