//! The signing keys and their states. Private keys are in no view: they are read, sealed, from their streams.

use chancery_adapters::event_store::{Projection, ProjectionError, ProjectionFuture, Tables};
use chancery_domain::signing_key::SigningKeyEvent;
use chancery_domain::{Event, Recorded};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;

/// The view `signing_keys`.
pub struct SigningKeys;

impl Projection for SigningKeys {
    fn name(&self) -> &'static str {
        "signing_keys"
    }

    fn apply<'a>(&'a self, tables: &'a mut Tables<'_>, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(async move {
            for recorded in events {
                if let Event::SigningKey(event) = &recorded.event {
                    apply(tables.connection, &recorded.aggregate_id, event).await?;
                }
            }
            Ok(())
        })
    }
}

async fn apply(connection: &mut PgConnection, kid: &str, event: &SigningKeyEvent) -> Result<(), ProjectionError> {
    let query = match event {
        SigningKeyEvent::Staged { algorithm, public_jwk, staged_at, .. } => sqlx::query(
            "INSERT INTO signing_keys (kid, algorithm, status, public_jwk, staged_at) VALUES ($1, $2, 'staged', $3, $4)",
        )
        .bind(kid)
        .bind(algorithm.as_str())
        .bind(Json(public_jwk))
        .bind(staged_at),
        SigningKeyEvent::Activated { at } => {
            sqlx::query("UPDATE signing_keys SET status = 'active', activated_at = $2 WHERE kid = $1").bind(kid).bind(at)
        }
        SigningKeyEvent::Retired { at } => {
            sqlx::query("UPDATE signing_keys SET status = 'retired', retired_at = $2 WHERE kid = $1").bind(kid).bind(at)
        }
        SigningKeyEvent::Removed { .. } => sqlx::query("DELETE FROM signing_keys WHERE kid = $1").bind(kid),
    };
    query.execute(connection).await?;
    Ok(())
}

/// A signing key, as the view has it.
#[derive(Clone, Debug, FromRow)]
pub struct SigningKeyRow {
    pub kid: String,
    pub algorithm: String,
    pub status: String,
    pub public_jwk: Json<serde_json::Value>,
    pub staged_at: OffsetDateTime,
    pub activated_at: Option<OffsetDateTime>,
    pub retired_at: Option<OffsetDateTime>,
}

/// All keys that are published, the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn all(executor: impl PgExecutor<'_>) -> Result<Vec<SigningKeyRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM signing_keys ORDER BY staged_at, kid").fetch_all(executor).await
}
