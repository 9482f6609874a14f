//! Enrollment links that may still be used.

use chancery_adapters::event_store::{Projection, ProjectionError, ProjectionFuture, Tables};
use chancery_domain::digest::Digest;
use chancery_domain::enrollment::{EnrollmentEvent, Purpose};
use chancery_domain::ids::{EnrollmentId, UserId};
use chancery_domain::{Event, Recorded};
use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

/// The view `enrollments`.
pub struct Enrollments;

impl Projection for Enrollments {
    fn name(&self) -> &'static str {
        "enrollments"
    }

    fn apply<'a>(&'a self, tables: &'a mut Tables<'_>, events: &'a [Recorded]) -> ProjectionFuture<'a> {
        Box::pin(async move {
            for recorded in events {
                if let Event::Enrollment(event) = &recorded.event {
                    apply(tables.connection, recorded, event).await?;
                }
            }
            Ok(())
        })
    }
}

async fn apply(
    connection: &mut PgConnection,
    recorded: &Recorded,
    event: &EnrollmentEvent,
) -> Result<(), ProjectionError> {
    let id = crate::uuid(recorded)?;
    let close = "UPDATE enrollments SET closed = $2 WHERE enrollment_id = $1";
    let query = match event {
        EnrollmentEvent::Issued { purpose, secret, issued_at, expires_at } => {
            let (purpose, user) = match purpose {
                Purpose::Setup => ("setup", None),
                Purpose::Invitation { user_id } => ("invitation", Some(*user_id)),
                Purpose::Recovery { user_id, .. } => ("recovery", Some(*user_id)),
            };
            sqlx::query(
                "INSERT INTO enrollments (enrollment_id, purpose, user_id, secret, issued_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(id)
            .bind(purpose)
            .bind(user.map(|user| user.0))
            .bind(secret.as_bytes())
            .bind(issued_at)
            .bind(expires_at)
        }
        EnrollmentEvent::Opened { at } => {
            sqlx::query("UPDATE enrollments SET opened_at = $2 WHERE enrollment_id = $1").bind(id).bind(at)
        }
        EnrollmentEvent::Redeemed { .. } => sqlx::query(close).bind(id).bind("redeemed"),
        EnrollmentEvent::Revoked { .. } => sqlx::query(close).bind(id).bind("revoked"),
    };
    query.execute(connection).await?;
    Ok(())
}

/// An enrollment link, as the view has it.
#[derive(Clone, Debug, FromRow)]
pub struct EnrollmentRow {
    pub enrollment_id: Uuid,
    pub purpose: String,
    pub user_id: Option<Uuid>,
    pub issued_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub opened_at: Option<OffsetDateTime>,
    pub closed: Option<String>,
}

impl EnrollmentRow {
    pub fn id(&self) -> EnrollmentId {
        EnrollmentId(self.enrollment_id)
    }
}

/// The links of a person that are neither used nor revoked nor expired.
///
/// # Errors
/// Those of the database, here and below.
pub async fn open_of(
    executor: impl PgExecutor<'_>,
    user: UserId,
    now: OffsetDateTime,
) -> Result<Vec<EnrollmentRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT * FROM enrollments WHERE user_id = $1 AND closed IS NULL AND expires_at > $2 ORDER BY issued_at",
    )
    .bind(user.0)
    .bind(now)
    .fetch_all(executor)
    .await
}

/// Whether a link with this secret can be used.
pub async fn is_open(
    executor: impl PgExecutor<'_>,
    id: EnrollmentId,
    secret: Digest,
    now: OffsetDateTime,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM enrollments
                        WHERE enrollment_id = $1 AND secret = $2 AND closed IS NULL AND expires_at > $3)",
    )
    .bind(id.0)
    .bind(secret.as_bytes())
    .bind(now)
    .fetch_one(executor)
    .await
}

/// All links that are open.
pub async fn open(executor: impl PgExecutor<'_>, now: OffsetDateTime) -> Result<Vec<EnrollmentRow>, sqlx::Error> {
    sqlx::query_as("SELECT * FROM enrollments WHERE closed IS NULL AND expires_at > $1 ORDER BY issued_at")
        .bind(now)
        .fetch_all(executor)
        .await
}

/// The set-up links that are open.
pub async fn open_setups(
    executor: impl PgExecutor<'_>,
    now: OffsetDateTime,
) -> Result<Vec<EnrollmentRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT * FROM enrollments WHERE purpose = 'setup' AND closed IS NULL AND expires_at > $1 ORDER BY issued_at",
    )
    .bind(now)
    .fetch_all(executor)
    .await
}
