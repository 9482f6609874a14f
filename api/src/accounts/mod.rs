//! What happens to people's accounts, for the API, the pages and the command line alike: one way each.

mod keys;
mod links;
mod turns;

use axum::http::StatusCode;
use chancery_adapters::event_store::{ExecuteError, StoreError};
use chancery_domain::Subject;
use chancery_domain::custom_claim::{ClaimsRefusal, MalformedClaim};
use chancery_domain::enrollment::{Enrollment, EnrollmentCommand, RevokedWhy};
use chancery_domain::ids::{GroupId, UserId};
use chancery_domain::user::{Profile, RegisteredVia, User as UserAggregate, UserCommand, UserRefusal};
use chancery_projections::users::{self, User};
use chancery_projections::{enrollments, erasures, pictures, sessions};
use serde_json::json;

pub use self::keys::make_key;
pub use self::links::{
    ENROLLMENT_LINK, Link, enrollment_error, issue_link, issue_setup_link, mail_invitation, revoke_links,
};
pub use self::turns::one_at_a_time;
use crate::admin::users::user_not_found;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::precondition::Held;
use crate::http::principal::STATIC_USER;
use crate::http::session::SignedIn;

/// A person to be registered, or what is to become of one.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub profile: Profile,
    pub email_verified: bool,
    pub is_admin: bool,
    pub disabled: bool,
}

/// # Errors
/// The refusal as the API says it, here and below.
pub async fn execute(app: &App, caller: &Caller, id: UserId, command: UserCommand) -> Result<i64, ApiError> {
    execute_all(app, caller, id, vec![command], &None).await
}

/// Several commands on one person in one append.
pub async fn execute_all(
    app: &App,
    caller: &Caller,
    id: UserId,
    commands: Vec<UserCommand>,
    held: &Held<UserAggregate>,
) -> Result<i64, ApiError> {
    let context = caller.may_all(Some(id), &commands)?;
    let executed = app.store.execute_all::<UserAggregate>(id, commands, held.as_ref(), context).await;
    Ok(executed.map_err(user_error)?.position)
}

/// Commands of which one may take an administrator away; they are told whether another remains.
///
/// That is read and decided upon by one at a time on all nodes: two administrators who remove each other at once would
/// each find the other still there, and leave nobody (attacks AD-05).
pub async fn execute_keeping_an_admin(
    app: &App,
    caller: &Caller,
    id: UserId,
    held: &Held<UserAggregate>,
    commands: impl FnOnce(bool) -> Vec<UserCommand> + Send + 'static,
) -> Result<i64, ApiError> {
    let (node, caller, held) = (app.clone(), caller.clone(), held.clone());
    let executing = async move {
        let other_admins = users::other_admins(&node.pool, id).await? > 0;
        execute_all(&node, &caller, id, commands(other_admins), &held).await
    };
    one_at_a_time(app, executing).await
}

/// Registers a person with their groups, and nothing to sign in with yet.
pub async fn register(
    app: &App,
    caller: &Caller,
    id: UserId,
    wanted: Wanted,
    via: RegisteredVia,
    groups: Vec<GroupId>,
) -> Result<i64, ApiError> {
    let Wanted { profile, email_verified, is_admin, disabled } = wanted;
    let register = UserCommand::Register { user_id: id, profile, email_verified, is_admin, via };
    let mut commands = vec![register];
    if !groups.is_empty() {
        commands.push(UserCommand::SetGroups { groups });
    }
    if disabled {
        commands.push(UserCommand::Disable { other_admins: true });
    }
    execute_all(app, caller, id, commands, &None).await
}

/// Makes a person what is wanted: profile, rights and state in one append.
pub async fn change(
    app: &App,
    caller: &Caller,
    id: UserId,
    wanted: Wanted,
    held: &Held<UserAggregate>,
) -> Result<i64, ApiError> {
    let Wanted { profile, email_verified, is_admin, disabled } = wanted;
    let commands = move |other_admins| {
        vec![
            UserCommand::ChangeProfile { profile, email_verified },
            if is_admin { UserCommand::GrantAdmin } else { UserCommand::RevokeAdmin { other_admins } },
            if disabled { UserCommand::Disable { other_admins } } else { UserCommand::Enable },
        ]
    };
    execute_keeping_an_admin(app, caller, id, held, commands).await
}

/// A person changes their own profile. A changed address is unproven (attacks AD-08).
pub async fn change_own(
    app: &App,
    caller: &Caller,
    user: &User,
    profile: Profile,
    held: &Held<UserAggregate>,
) -> Result<i64, ApiError> {
    execute_all(app, caller, user.id(), vec![UserCommand::ChangeOwnProfile { profile }], held).await
}

/// Records the erasure, then destroys the person's data key and what is sealed under it outside the log.
pub async fn erase(app: &App, caller: &Caller, id: UserId, held: &Held<UserAggregate>) -> Result<i64, ApiError> {
    if id == STATIC_USER {
        // It could not be made again: nobody gets the id of somebody who was erased.
        let says = "This account is there for the STATIC_API_KEY; take that out of the settings instead";
        return Err(ApiError::new(StatusCode::CONFLICT, "static_api_user", says));
    }
    let erase = |other_admins| vec![UserCommand::Erase { other_admins }];
    let position = execute_keeping_an_admin(app, caller, id, held, erase).await?;
    finish_erasure(app, id).await?;
    Ok(position)
}

/// The second half of an erasure that is recorded. Whoever hears of one does it: who recorded it may have died, or been cut
/// off from the database, before they came to it.
pub async fn finish_erasure(app: &App, id: UserId) -> Result<(), ApiError> {
    let mut connection = app.pool.acquire().await?;
    app.store.vault().destroy(&Subject::user(id), &mut connection).await.map_err(StoreError::from)?;
    pictures::drop_all(&mut *connection, id).await?;
    Ok(())
}

/// The same for those that nobody heard of who lived on.
pub async fn finish_erasures(app: &App) -> Result<(), ApiError> {
    for id in erasures::unfinished(&app.pool).await? {
        finish_erasure(app, id).await?;
    }
    Ok(())
}

/// Ends a person's sessions but for this one, and what was granted to apps in them. Whether this one still counts is looked
/// up behind the stream as it was read, and recorded only upon that: a session that another one has just ended must not
/// spare what was granted in it (attacks SE-03, RT-05).
pub async fn sign_out_elsewhere(app: &App, caller: &Caller, signed_in: &SignedIn) -> Result<i64, ApiError> {
    let (id, session) = (signed_in.user.id(), signed_in.session.id());
    let read = app.store.load::<UserAggregate>(id).await?;
    let row = sessions::find(&app.pool, session).await?.filter(|row| row.live_at(app.now()));
    row.ok_or_else(ApiError::not_signed_in)?;
    let sign_out = UserCommand::SignOutEverywhere { except: Some(session) };
    execute_all(app, caller, id, vec![sign_out], &Some(read)).await
}

/// Ends all sessions, everything that was granted to apps, and every enrollment link. Says how many people and links.
pub async fn sign_out_everybody(app: &App, caller: &Caller) -> Result<(usize, usize), ApiError> {
    let links = enrollments::open(&app.pool, app.now()).await?;
    for row in &links {
        let revoke = EnrollmentCommand::Revoke { why: RevokedWhy::ByAdmin };
        let context = caller.may(&revoke)?;
        match app.store.execute::<Enrollment>(row.enrollment_id, revoke, context).await {
            // Somebody was faster.
            Ok(_) | Err(ExecuteError::Refused(_)) => {}
            Err(error) => return Err(enrollment_error(error)),
        }
    }
    let people = users::ids(&app.pool).await?;
    for id in &people {
        match execute(app, caller, *id, UserCommand::SignOutEverywhere { except: None }).await {
            Ok(_) => {}
            // Erased meanwhile.
            Err(error) if error.status == StatusCode::NOT_FOUND => {}
            Err(error) => return Err(error),
        }
    }
    Ok((people.len(), links.len()))
}

pub fn user_error(error: ExecuteError<UserRefusal>) -> ApiError {
    let refusal = match error {
        ExecuteError::Store(error) => return error.into(),
        ExecuteError::Refused(refusal) => refusal,
    };
    let conflict = |code| ApiError::new(StatusCode::CONFLICT, code, sentence(&refusal));
    match &refusal {
        UserRefusal::AlreadyRegistered => conflict("already_in_use").with_details(json!({ "property": "id" })),
        UserRefusal::NotRegistered => user_not_found(),
        UserRefusal::Disabled => ApiError::new(StatusCode::FORBIDDEN, "user_disabled", sentence(&refusal)),
        UserRefusal::NoSuchPasskey => ApiError::not_found(),
        UserRefusal::PasskeyAlreadyEnrolled | UserRefusal::TooManyPasskeys => {
            ApiError::new(StatusCode::BAD_REQUEST, "validation_failed", sentence(&refusal))
        }
        UserRefusal::NoEmail => conflict("user_email_not_set"),
        UserRefusal::AskedTooSoon { retry_after } => ApiError {
            retry_after: Some(retry_after.whole_seconds().max(1)),
            ..ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", sentence(&refusal))
        },
        UserRefusal::NoSuchVerification => {
            ApiError::new(StatusCode::BAD_REQUEST, "invalid_email_verification_token", sentence(&refusal))
        }
        UserRefusal::BadPasskeyName(wrong) => ApiError::fields(&[*wrong]),
        UserRefusal::LastPasskey => conflict("last_passkey"),
        UserRefusal::LastAdmin => conflict("last_admin"),
        UserRefusal::Claims(refusal) => claims_error(refusal),
    }
}

pub fn claims_error(refusal: &ClaimsRefusal) -> ApiError {
    let bad = |code| ApiError::new(StatusCode::BAD_REQUEST, code, sentence(refusal));
    match refusal {
        ClaimsRefusal::Reserved(key) => bad("reserved_claim").with_details(json!({ "key": key })),
        ClaimsRefusal::Duplicate(key) => bad("duplicate_claim").with_details(json!({ "key": key })),
        ClaimsRefusal::Mistyped { key, .. } => bad("validation_failed").with_details(json!({ "key": key })),
        ClaimsRefusal::Malformed(claims) => {
            let named = |claim: &MalformedClaim| {
                let MalformedClaim { index, wrong } = claim;
                (format!("[{index}].{}", wrong.field), wrong.code.to_owned(), wrong.message.to_owned())
            };
            ApiError::validation(&claims.iter().map(named).collect::<Vec<_>>())
        }
        ClaimsRefusal::TooMany => ApiError::field("customClaims", "too_long", "are too many: there may be 100"),
    }
}

/// A refusal as a sentence for people.
pub fn sentence(refusal: &impl std::fmt::Display) -> String {
    let text = refusal.to_string();
    let mut characters = text.chars();
    let first = characters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(characters).collect()
}
