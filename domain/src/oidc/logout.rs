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

impl Hint {
    /// Whether it was issued in this session of this person. One that names no session names all of theirs.
    pub fn names(&self, user: UserId, session: SessionId) -> bool {
        self.user == user && self.session.is_none_or(|own| own == session)
    }
}

/// Where to go after signing out: an address that the client has registered for it, with the state that was sent.
///
/// §3: without a hint "the OP MUST NOT perform post-logout redirection unless the OP has other means of confirming the
/// legitimacy" of it. A client that only names itself by `client_id` is believed once the person has said that they sign out.
pub fn post_logout_redirect(params: &Params, client: Option<&ClientSettings>) -> Option<String> {
    let requested = params.value("post_logout_redirect_uri")?;
    redirect_uri::find(&client?.post_logout_redirect_uris, requested)?;
    let Some(state) = params.value("state") else { return Some(requested.to_owned()) };
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("state", state).finish();
    let separator = if requested.contains('?') { '&' } else { '?' };
    Some(format!("{requested}{separator}{query}"))
}

/// Whether the request asked for a redirect that is not allowed: an error page, not a silent "signed out".
pub fn refused_redirect(params: &Params, allowed: Option<&str>) -> bool {
    params.value("post_logout_redirect_uri").is_some() && allowed.is_none()
}
