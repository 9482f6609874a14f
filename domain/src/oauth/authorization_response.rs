//! What goes back to the client from the authorization endpoint (RFC 6749 §4.1.2, RFC 9207, Form Post Response Mode).

use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use super::error::OAuthError;

/// How the parameters travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    #[default]
    Query,
    FormPost,
}

/// Where an answer goes, and the `state` that goes with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnAddress {
    pub redirect_uri: String,
    pub mode: ResponseMode,
    pub state: Option<String>,
}

/// The parameters of an answer, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationResponse {
    pub address: ReturnAddress,
    pub parameters: Vec<(&'static str, String)>,
}

impl ReturnAddress {
    /// Success. `iss` is in every response (RFC 9207 §2).
    pub fn code(self, code: String, issuer: &str) -> AuthorizationResponse {
        self.respond(vec![("code", code)], issuer)
    }

    pub fn error(self, error: OAuthError, issuer: &str) -> AuthorizationResponse {
        let (code, description) = (error.code.as_str().to_owned(), error.description.to_owned());
        self.respond(vec![("error", code), ("error_description", description)], issuer)
    }

    fn respond(self, mut parameters: Vec<(&'static str, String)>, issuer: &str) -> AuthorizationResponse {
        parameters.extend(self.state.clone().map(|state| ("state", state)));
        parameters.push(("iss", issuer.to_owned()));
        AuthorizationResponse { address: self, parameters }
    }
}

impl AuthorizationResponse {
    /// The error's code and description, if it is one.
    pub fn error(&self) -> Option<(&str, &str)> {
        let value = |wanted| self.parameters.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
        Some((value("error")?, value("error_description")?))
    }

    /// The redirect URI with the parameters in its query, kept as it was registered (RFC 6749 §3.1.2 lets it have a query
    /// of its own). The empty fragment keeps a browser from carrying over the one of the request (RFC 9110 §10.2.2, attacks
    /// AZ-16); programs that are opened by a scheme of their own inherit none, and may be stricter about what they get.
    pub fn location(&self) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.parameters).finish();
        let separator = if self.address.redirect_uri.contains('?') { '&' } else { '?' };
        let is_web = ["https:", "http:"].iter().any(|scheme| self.address.redirect_uri.starts_with(scheme));
        let fragment = if is_web { "#" } else { "" };
        format!("{}{separator}{query}{fragment}", self.address.redirect_uri)
    }
}
