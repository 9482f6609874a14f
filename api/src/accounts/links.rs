//! Enrollment links: the only way to a first passkey, and back in for whoever has lost all of theirs.

use axum::http::StatusCode;
use chancery_adapters::event_store::ExecuteError;
use chancery_domain::digest::Digest;
use chancery_domain::enrollment::{Enrollment, EnrollmentCommand, EnrollmentRefusal, Purpose, RevokedWhy, link};
use chancery_domain::ids::{EnrollmentId, UserId};
use chancery_domain::user::UserRefusal;
use chancery_projections::enrollments::{self, EnrollmentRow};
use chancery_projections::passkeys;
use chancery_projections::users::User;
use time::{Duration, OffsetDateTime};

use super::turns::one_at_a_time;
use super::{sentence, user_error};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::error::ApiError;

/// What the secret of an enrollment link follows from, beside its id.
pub const ENROLLMENT_LINK: &str = "enrollment";

/// A link that was just issued; its code is shown this once.
#[derive(Clone, Debug)]
pub struct Link {
    pub code: String,
    pub url: String,
    pub expires_at: OffsetDateTime,
    /// It is mailed to whom it is for, where there is mail. A recovery link never is.
    pub is_mailed: bool,
}

/// Issues an enrollment link for a person and revokes the open ones: one for each person at a time. Whoever has a passkey
/// already gets a recovery link, which with `replace` ends all other passkeys, sessions and API keys when it is redeemed.
///
/// # Errors
/// The refusal as the API says it, here and below.
pub async fn issue_link(
    app: &App,
    caller: &Caller,
    user: &User,
    lifetime: Duration,
    replace: bool,
) -> Result<Link, ApiError> {
    if user.is_static {
        let says = "This account is there for the STATIC_API_KEY alone: nobody signs in to it";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "one_time_access_disabled", says));
    }
    let (node, caller, user) = (app.clone(), caller.clone(), user.clone());
    let issuing = async move {
        let purpose = match has_passkey(&node, &user).await? {
            false => Purpose::Invitation { user_id: user.id() },
            true => Purpose::Recovery { user_id: user.id(), replace },
        };
        let open = enrollments::open_of(&node.pool, user.id(), node.now()).await?;
        issue(&node, &caller, purpose, lifetime, &open).await
    };
    one_at_a_time(app, issuing).await
}

/// Ends a person's open links. Whoever opens one hears that it is not valid.
pub async fn revoke_links(app: &App, caller: &Caller, id: UserId) -> Result<(), ApiError> {
    let revoke = EnrollmentCommand::Revoke { why: RevokedWhy::ByAdmin };
    let context = caller.may(&revoke)?;
    for row in enrollments::open_of(&app.pool, id, app.now()).await? {
        app.store.execute::<Enrollment>(row.id(), revoke.clone(), context).await.map_err(enrollment_error)?;
    }
    Ok(())
}

async fn has_passkey(app: &App, user: &User) -> Result<bool, ApiError> {
    Ok(!passkeys::of_user(&app.pool, user.id()).await?.is_empty())
}

/// Invites a person by mail, and shows nobody the link. Whoever has a passkey already would get a recovery link, which is
/// never mailed: whoever reads somebody's mail must not be able to become them (decision 11).
pub async fn mail_invitation(app: &App, caller: &Caller, user: &User, lifetime: Duration) -> Result<(), ApiError> {
    let refused = |says: &str| ApiError::new(StatusCode::FORBIDDEN, "one_time_access_disabled", says.to_owned());
    if app.config.smtp.is_none() {
        return Err(refused("No mail is sent from here; make a link and give it to the person yourself"));
    }
    if user.email.is_none() {
        return Err(user_error(ExecuteError::Refused(UserRefusal::NoEmail)));
    }
    if has_passkey(app, user).await? {
        let says = "This person has a passkey, so that it would be a recovery link, which is never mailed; make one and \
                    give it to them yourself";
        return Err(refused(says));
    }
    issue_link(app, caller, user, lifetime, false).await?;
    Ok(())
}

/// The link by which the first administrator sets the instance up.
pub async fn issue_setup_link(app: &App, caller: &Caller, lifetime: Duration) -> Result<Link, ApiError> {
    let (node, caller) = (app.clone(), caller.clone());
    let issuing = async move {
        let open = enrollments::open_setups(&node.pool, node.now()).await?;
        issue(&node, &caller, Purpose::Setup, lifetime, &open).await
    };
    one_at_a_time(app, issuing).await
}

async fn issue(
    app: &App,
    caller: &Caller,
    purpose: Purpose,
    lifetime: Duration,
    open: &[EnrollmentRow],
) -> Result<Link, ApiError> {
    let id = EnrollmentId(app.entropy.uuid_v4());
    let now = app.now();
    let secret = app.store.vault().link_secret(ENROLLMENT_LINK, id.0.as_bytes(), now);
    let is_mailed = matches!(purpose, Purpose::Invitation { .. });
    let issue = EnrollmentCommand::Issue { purpose, secret: Digest::of(secret), now, lifetime };
    let mut unit = app.store.unit(caller.may(&issue)?);
    for row in open {
        let revoke = EnrollmentCommand::Revoke { why: RevokedWhy::Superseded };
        unit.execute::<Enrollment>(&row.enrollment_id.to_string(), revoke).await.map_err(enrollment_error)?;
    }
    unit.create::<Enrollment>(&id.to_string(), issue).await.map_err(enrollment_error)?;
    unit.commit().await?;
    let code = link::encode(id, &secret);
    Ok(Link { url: format!("{}/enroll/{code}", app.issuer), code, expires_at: now + lifetime, is_mailed })
}

pub fn enrollment_error(error: ExecuteError<EnrollmentRefusal>) -> ApiError {
    match error {
        ExecuteError::Store(error) => error.into(),
        ExecuteError::Refused(EnrollmentRefusal::BadLifetime) => {
            ApiError::field("ttl", "ttl", "must lie between a second and 31 days")
        }
        ExecuteError::Refused(refusal) => {
            ApiError::new(StatusCode::UNAUTHORIZED, "token_invalid_or_expired", sentence(&refusal))
        }
    }
}
