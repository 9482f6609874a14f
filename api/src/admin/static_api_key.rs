//! The account that `STATIC_API_KEY` acts as: made on first use, so that its acts have an actor on the record; disabled by
//! the first node that starts without the variable, and enabled by one that starts with it.

use chancery_adapters::event_store::StoreError;
use chancery_domain::user::{Profile, RegisteredVia, UserCommand};
use chancery_projections::users::{self, User};

use crate::accounts::{self, Wanted};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::principal::STATIC_USER;

/// Makes the account what the settings say, at a start. Pocket ID deletes it; here its acts keep their actor.
///
/// # Errors
/// Those of the store.
pub async fn settle(app: &App) -> Result<(), ApiError> {
    let Some(user) = users::find(&app.pool, STATIC_USER).await? else { return Ok(()) };
    let is_wanted = app.config.static_api_key.is_some();
    // It administers for nobody: no other administrator need remain.
    let command = if is_wanted { UserCommand::Enable } else { UserCommand::Disable { other_admins: true } };
    if user.disabled == is_wanted {
        accounts::execute(app, &Caller::trusted(app.system()), STATIC_USER, command).await?;
    }
    Ok(())
}

/// # Errors
/// Those of the store.
pub async fn user(app: &App) -> Result<User, ApiError> {
    if let Some(user) = users::find(&app.pool, STATIC_USER).await? {
        return Ok(user);
    }
    let suffix: String = app.entropy.uuid_v4().simple().to_string().chars().take(6).collect();
    let profile = Profile {
        username: format!("static-api-user-{suffix}"),
        email: None,
        first_name: "Static API User".to_owned(),
        last_name: String::new(),
        display_name: "Static API User".to_owned(),
        locale: None,
    };
    let wanted = Wanted { profile, email_verified: false, is_admin: true, disabled: false };
    let caller = Caller::trusted(app.system());
    let made = accounts::register(app, &caller, STATIC_USER, wanted, RegisteredVia::StaticApiKey, Vec::new()).await;
    // Another request may have been first.
    if let Err(error) = made
        && error.code != ApiError::from(StoreError::Conflict).code
        && error.code != "already_in_use"
    {
        return Err(error);
    }
    users::find(&app.pool, STATIC_USER).await?.ok_or_else(ApiError::internal)
}
