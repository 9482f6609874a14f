//! Apps from a file: `chancery import-clients FILE`, for instances that are set up by scripts.
//!
//! The file is a JSON array of what `POST /api/oidc/clients` takes, each with its `id`, and with the `secret` of an app that
//! has one. Importing it again changes what differs and nothing else; apps that it does not name stay as they are.

use chancery_adapters::event_store::{StoreError, Unit};
use chancery_domain::client::{Client, ClientCommand};
use chancery_domain::context::Context;
use chancery_domain::digest::Digest;
use chancery_domain::ids::{ClientId, ClientSecretId};
use chancery_projections::clients;
use serde::Deserialize;

use crate::admin::client_input::ClientInput;
use crate::admin::client_secrets::{check_secret, prefix_of};
use crate::admin::clients::client_error;
use crate::app::App;
use crate::http::error::ApiError;

#[derive(Deserialize)]
struct Entry {
    #[serde(flatten)]
    input: ClientInput,
    #[serde(default)]
    secret: Option<String>,
}

/// What became of an app in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Registered,
    Changed,
    Unchanged,
}

/// Why nothing of the file was taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the file is not a JSON array of apps: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("app {nth} ({name}): {says}")]
    Entry { nth: usize, name: String, says: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes the whole file in one append, or nothing of it.
///
/// # Errors
/// The first entry that may not be, by the same rules as at the API.
pub async fn import(app: &App, context: &Context, text: &str) -> Result<Vec<(ClientId, Outcome)>, ImportError> {
    let entries: Vec<Entry> = serde_json::from_str(text)?;
    let mut unit = app.store.unit(context);
    let mut outcomes = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let taken = take(app, &mut unit, entry).await;
        let wrong = |error: ApiError| {
            let name = entry.input.id.as_ref().unwrap_or(&entry.input.name).clone();
            ImportError::Entry { nth: index + 1, name, says: error.message }
        };
        outcomes.push(taken.map_err(wrong)?);
    }
    unit.commit().await?;
    Ok(outcomes)
}

async fn take(app: &App, unit: &mut Unit, entry: &Entry) -> Result<(ClientId, Outcome), ApiError> {
    let bad_id = || ApiError::field("id", "client_id", "is missing or no client id");
    let id: ClientId = entry.input.id.as_deref().unwrap_or_default().parse().map_err(|_| bad_id())?;
    let known = clients::find_remembered(&app.pool, &id).await?;
    let settings = entry.input.settings(app, known.as_ref().map(|known| &*known.row.settings))?;
    let mut commands = match (&known, settings.is_group_restricted) {
        (None, _) => vec![ClientCommand::Register { settings }],
        (Some(_), true) => vec![ClientCommand::Change { settings }],
        // Lifting the restriction forgets the allowed groups, as at the API.
        (Some(_), false) => {
            vec![ClientCommand::Change { settings }, ClientCommand::RestrictAccess { groups: Vec::new() }]
        }
    };
    if let Some(secret) = &entry.secret {
        check_secret(secret)?;
        let (digest, now) = (Digest::of(secret), app.now());
        if !known.as_ref().is_some_and(|known| known.has_secret(digest, now)) {
            let (secret_id, prefix) = (ClientSecretId(app.entropy.uuid_v4()), prefix_of(secret));
            commands.push(ClientCommand::AddSecret { secret_id, prefix, digest, expires_at: None, now });
        }
    }
    let mut changed = false;
    for command in commands {
        changed |= !unit.execute::<Client>(id.as_str(), command).await.map_err(client_error)?.is_empty();
    }
    let outcome = match (known, changed) {
        (None, _) => Outcome::Registered,
        (Some(_), true) => Outcome::Changed,
        (Some(_), false) => Outcome::Unchanged,
    };
    Ok((id, outcome))
}
