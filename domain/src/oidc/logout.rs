//! The request to end a session (OpenID Connect RP-Initiated Logout 1.0 §2).

use crate::client::ClientSettings;
use crate::ids::{ClientId, SessionId, UserId};
use crate::oauth::params::Params;
use crate::oauth::redirect_uri;

/// What a verified `id_token_hint` says. It may have expired (§2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    pub user: UserId,
    pub client: ClientId,
    pub session: Option<SessionId>,
}

/// Where to go after signing out.
///
/// "An `id_token_hint` carrying an ID Token for the RP is also RECOMMENDED when requesting post-logout redirection" (§3):
/// here it is required, so that nobody is sent anywhere on a stranger's word.
pub fn post_logout_redirect(params: &Params, hint: Option<&Hint>, client: Option<&ClientSettings>) -> Option<String> {
    let requested = params.value("post_logout_redirect_uri")?;
    let registered = &client?.post_logout_redirect_uris;
    hint?;
    redirect_uri::find(registered, requested)?;
    let Some(state) = params.value("state") else { return Some(requested.to_owned()) };
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("state", state).finish();
    let separator = if requested.contains('?') { '&' } else { '?' };
    Some(format!("{requested}{separator}{query}"))
}

/// Whether the request asked for a redirect that is not allowed: an error page, not a silent "signed out".
pub fn refused_redirect(params: &Params, allowed: Option<&str>) -> bool {
    params.value("post_logout_redirect_uri").is_some() && allowed.is_none()
}
