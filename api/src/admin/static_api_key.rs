//! The account that `STATIC_API_KEY` acts as: made on first use, so that its acts have an actor on the record.

use chancery_adapters::event_store::StoreError;
use chancery_domain::user::{Profile, RegisteredVia};
use chancery_projections::users::{self, User};

use crate::accounts::{self, Wanted};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::principal::STATIC_USER;

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
