//! API keys, made by whoever is signed in at that very moment.

use chancery_domain::api_key::{ApiKey, ApiKeyCommand};
use chancery_domain::ids::ApiKeyId;
use chancery_projections::sessions;

use super::turns::one_at_a_time;
use crate::admin::api_keys::key_error;
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::session::SignedIn;

/// Makes a key, if the session that asks for it still counts when it is recorded. A recovery that replaces everything ends
/// the keys that are there; one that is made from what it ended, a moment later, would live on (decision 20).
///
/// # Errors
/// The refusal as the API says it.
pub async fn make_key(
    app: &App,
    caller: &Caller,
    signed_in: &SignedIn,
    id: ApiKeyId,
    command: ApiKeyCommand,
) -> Result<(), ApiError> {
    let (node, caller, user, session) = (app.clone(), caller.clone(), signed_in.user.id(), signed_in.session.id());
    let making = async move {
        let row = sessions::find(&node.pool, session).await?.filter(|row| row.live_at(node.now()));
        row.ok_or_else(ApiError::not_signed_in)?;
        let context = caller.may_about(user, &command)?;
        node.store.create::<ApiKey>(id, command, context).await.map_err(key_error)?;
        Ok(())
    };
    one_at_a_time(app, making).await
}
