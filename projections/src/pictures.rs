//! Which profile picture a person has, and the sealed pictures beside the log.

use chancery_adapters::event_store::{Projection, ProjectionError, ProjectionFuture, Tables};
use chancery_domain::digest::Digest;
use chancery_domain::ids::UserId;
use chancery_domain::user::UserEvent;
use chancery_domain::{Event, Recorded};
use sqlx::{PgConnection, PgExecutor};
use time::{Duration, OffsetDateTime};

/// How long a picture is kept that no event names yet: its event follows in a moment, or never.
const UNRECORDED_LASTS: Duration = Duration::hours(1);

/// The view `pictures`.
pub struct Pictures;

impl Projection for Pictures {
    fn name(&self) -> &'static str {
        "pictures"
    }

    fn apply<'a>(&'a self, tables: &'a mut Tables<'_>, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(async move {
            for recorded in events {
                if let Event::User(event) = &recorded.event {
                    apply(tables.connection, recorded, event).await?;
                }
            }
            Ok(())
        })
    }
}

async fn apply(connection: &mut PgConnection, recorded: &Recorded, event: &UserEvent) -> Result<(), ProjectionError> {
    let query = match event {
        UserEvent::PictureSet { picture } => sqlx::query(
            "INSERT INTO pictures (user_id, digest) VALUES ($1, $2)
             ON CONFLICT (user_id) DO UPDATE SET digest = excluded.digest",
        )
        .bind(crate::uuid(recorded)?)
        .bind(picture.as_bytes()),
        UserEvent::PictureRemoved | UserEvent::Erased => {
            sqlx::query("DELETE FROM pictures WHERE user_id = $1").bind(crate::uuid(recorded)?)
        }
        _ => return Ok(()),
    };
    query.execute(connection).await?;
    Ok(())
}

/// Keeps a sealed picture, which an event has yet to name.
///
/// # Errors
/// Those of the database, here and below.
pub async fn keep(
    executor: impl PgExecutor<'_>,
    user: UserId,
    digest: Digest,
    sealed: &[u8],
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO sealed_pictures (digest, user_id, sealed, stored_at) VALUES ($1, $2, $3, $4)")
        .bind(digest.as_bytes())
        .bind(user.0)
        .bind(sealed)
        .bind(now)
        .execute(executor)
        .await?;
    Ok(())
}

/// The sealed bytes of a person's picture.
pub async fn find(executor: impl PgExecutor<'_>, user: UserId, digest: Digest) -> Result<Option<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar("SELECT sealed FROM sealed_pictures WHERE digest = $1 AND user_id = $2")
        .bind(digest.as_bytes())
        .bind(user.0)
        .fetch_optional(executor)
        .await
}

/// Drops a picture that its person replaced or removed.
pub async fn drop_former(executor: impl PgExecutor<'_>, user: UserId, digest: Digest) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM sealed_pictures WHERE digest = $1 AND user_id = $2
         AND digest NOT IN (SELECT p.digest FROM pictures p WHERE p.user_id = $2)",
    )
    .bind(digest.as_bytes())
    .bind(user.0)
    .execute(executor)
    .await?;
    Ok(())
}

/// Drops all pictures of a person who has been erased.
pub async fn drop_all(executor: impl PgExecutor<'_>, user: UserId) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM sealed_pictures WHERE user_id = $1").bind(user.0).execute(executor).await?;
    Ok(())
}

/// Drops what nobody has: left by a process that died between a picture and its event, or before it tidied up.
pub async fn sweep(executor: impl PgExecutor<'_>, now: OffsetDateTime) -> Result<u64, sqlx::Error> {
    let swept = sqlx::query(
        "DELETE FROM sealed_pictures s
         WHERE stored_at < $1 AND NOT EXISTS (SELECT 1 FROM pictures p WHERE p.user_id = s.user_id
                                                                         AND p.digest = s.digest)",
    )
    .bind(now - UNRECORDED_LASTS)
    .execute(executor)
    .await?;
    Ok(swept.rows_affected())
}
