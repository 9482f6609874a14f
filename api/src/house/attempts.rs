//! Who failed to prove who they are within the last minutes, for the diagnostics
//! ([decision 10](../../../docs/decisions/0010-rate-limits.md)).

use chancery_projections::{clients, users};
use time::macros::format_description;

use crate::app::App;
use crate::limits::guesses::{self, Guessed};
use crate::pages::house::{Failed, Tone};

/// # Errors
/// Those of the database.
pub async fn failed(app: &App) -> Result<Vec<Failed>, sqlx::Error> {
    let mut rows = Vec::new();
    for failed in app.limits.guesses.of_late(app.now()).await? {
        let (tone, state) = match failed.refused_until {
            Some(until) => {
                let at = until.format(format_description!("[hour]:[minute]:[second] UTC")).unwrap_or_default();
                (Tone::Stop, format!("Refused until {at}"))
            }
            None => (Tone::Mind, format!("{} of {} failures used", failed.used, failed.of)),
        };
        rows.push(Failed { what: what(app, &failed).await?, network: failed.network, tone, state });
    }
    Ok(rows)
}

async fn what(app: &App, failed: &guesses::Failed) -> Result<String, sqlx::Error> {
    Ok(match failed.at {
        Guessed::EnrollmentLink => "Links to create a passkey".to_owned(),
        Guessed::ApiKey => "API keys".to_owned(),
        Guessed::Passkey => {
            let user = match failed.about.parse() {
                Ok(id) => users::find(&app.pool, id).await?,
                Err(_) => None,
            };
            user.map_or("Passkeys".to_owned(), |user| format!("{}’s passkeys", user.display_name))
        }
        Guessed::ClientSecret => {
            let client = match failed.about.parse() {
                Ok(id) => clients::find(&app.pool, &id).await?,
                Err(_) => None,
            };
            client.map_or("Secrets of unknown apps".to_owned(), |client| {
                format!("The secret of {}", client.settings.name)
            })
        }
    })
}
