//! People: who they are, whether they may sign in, what groups they are in.

mod person;
mod query;

use chancery_adapters::event_store::{Projection, ProjectionError, ProjectionFuture, Tables};
use chancery_domain::user::{Profile, RegisteredVia, UserEvent};
use chancery_domain::{Event, Recorded};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

pub use self::person::{GroupOfUser, Person, find_person};
pub use self::query::{
    User, UserFilter, any, claim_keys, existing, find, find_by_name, ids, list, other_admins, usernames,
};

/// The views `users` and `memberships`.
pub struct Users;

impl Projection for Users {
    fn name(&self) -> &'static str {
        "users"
    }

    fn apply<'a>(&'a self, tables: &'a mut Tables<'_>, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(async move {
            for recorded in events {
                match &recorded.event {
                    Event::User(event) => apply(tables.connection, recorded, event).await?,
                    Event::Group(chancery_domain::group::GroupEvent::Deleted) => {
                        sqlx::query("DELETE FROM memberships WHERE group_id = $1::uuid")
                            .bind(crate::uuid(recorded)?)
                            .execute(&mut *tables.connection)
                            .await?;
                    }
                    _ => {}
                }
            }
            Ok(())
        })
    }
}

async fn apply(connection: &mut PgConnection, recorded: &Recorded, event: &UserEvent) -> Result<(), ProjectionError> {
    let id = crate::uuid(recorded)?;
    let at = recorded.recorded_at;
    match event {
        UserEvent::Registered { profile, email_verified, is_admin, via } => {
            // Erased people are in no view.
            let Some(profile) = profile.known() else { return Ok(()) };
            let is_static = *via == RegisteredVia::StaticApiKey;
            insert(connection, id, profile, *email_verified, *is_admin, is_static, at).await?;
        }
        UserEvent::ProfileChanged { change, email_verified, .. } => {
            let Some(change) = change.known() else { return Ok(()) };
            update_profile(connection, id, &change.after, *email_verified, at).await?;
        }
        UserEvent::EmailVerified => dated(connection, "email_verified = true, updated_at = $2", id, at).await?,
        UserEvent::ClaimsSet { claims } => {
            let Some(claims) = claims.known() else { return Ok(()) };
            sqlx::query("UPDATE users SET claims = $2, updated_at = $3 WHERE user_id = $1")
                .bind(id)
                .bind(Json(&claims.after))
                .bind(at)
                .execute(connection)
                .await?;
        }
        UserEvent::GroupJoined { group_id } => {
            sqlx::query("INSERT INTO memberships (group_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(group_id.0)
                .bind(id)
                .execute(connection)
                .await?;
        }
        UserEvent::GroupLeft { group_id } => {
            sqlx::query("DELETE FROM memberships WHERE group_id = $1 AND user_id = $2")
                .bind(group_id.0)
                .bind(id)
                .execute(connection)
                .await?;
        }
        // Apps are told of a picture together with the rest of the profile.
        UserEvent::PictureSet { .. } | UserEvent::PictureRemoved => {
            dated(connection, "updated_at = $2", id, at).await?
        }
        UserEvent::Disabled => flag(connection, "disabled = true", id).await?,
        UserEvent::Enabled => flag(connection, "disabled = false", id).await?,
        UserEvent::AdminGranted => flag(connection, "is_admin = true", id).await?,
        UserEvent::AdminRevoked => flag(connection, "is_admin = false", id).await?,
        UserEvent::SecondPasskeyDeclined { .. } => dated(connection, "second_passkey_declined_at = $2", id, at).await?,
        UserEvent::Erased => {
            sqlx::query("DELETE FROM memberships WHERE user_id = $1").bind(id).execute(&mut *connection).await?;
            sqlx::query("DELETE FROM users WHERE user_id = $1").bind(id).execute(connection).await?;
        }
        UserEvent::EmailVerificationRequested { .. }
        | UserEvent::TestMailRequested
        | UserEvent::PasskeyEnrolled { .. }
        | UserEvent::PasskeyRenamed { .. }
        | UserEvent::PasskeySuspended { .. }
        | UserEvent::PasskeyRestored { .. }
        | UserEvent::PasskeyRemoved { .. }
        | UserEvent::SignedOutEverywhere { .. } => {}
    }
    Ok(())
}

async fn insert(
    connection: &mut PgConnection,
    id: Uuid,
    profile: &Profile,
    email_verified: bool,
    is_admin: bool,
    is_static: bool,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO users (user_id, username, email, email_verified, first_name, last_name, display_name, locale,
                            is_admin, disabled, is_static, claims, registered_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, false, $10, '[]', $11, $11)",
    )
    .bind(id)
    .bind(&profile.username)
    .bind(&profile.email)
    .bind(email_verified)
    .bind(&profile.first_name)
    .bind(&profile.last_name)
    .bind(&profile.display_name)
    .bind(&profile.locale)
    .bind(is_admin)
    .bind(is_static)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

async fn update_profile(
    connection: &mut PgConnection,
    id: Uuid,
    profile: &Profile,
    email_verified: bool,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE users SET username = $2, email = $3, email_verified = $4, first_name = $5, last_name = $6,
                          display_name = $7, locale = $8, updated_at = $9
         WHERE user_id = $1",
    )
    .bind(id)
    .bind(&profile.username)
    .bind(&profile.email)
    .bind(email_verified)
    .bind(&profile.first_name)
    .bind(&profile.last_name)
    .bind(&profile.display_name)
    .bind(&profile.locale)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

async fn flag(connection: &mut PgConnection, assignment: &str, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(&format!("UPDATE users SET {assignment} WHERE user_id = $1")).bind(id).execute(connection).await?;
    Ok(())
}

/// The same with the time of the event as $2.
async fn dated(
    connection: &mut PgConnection,
    assignment: &str,
    id: Uuid,
    at: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    let update = format!("UPDATE users SET {assignment} WHERE user_id = $1");
    sqlx::query(&update).bind(id).bind(at).execute(connection).await?;
    Ok(())
}
