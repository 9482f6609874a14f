//! Parameters → [`AuthorizationRequest`], in two phases (RFC 6749 §4.1.2.1).
//!
//! First who asks and where the answer goes: an error there is shown to the person, never redirected. Only then the rest,
//! whose errors go back to the client.

use serde::{Deserialize, Serialize};

use crate::client::ClientSettings;
use crate::ids::ClientId;
use crate::oauth::authorization_response::{ResponseMode, ReturnAddress};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::params::Params;
use crate::oauth::pkce::CodeChallenge;
use crate::oauth::redirect_uri;
use crate::oauth::scope::{OPENID, Scopes};
use crate::oidc::claims::scope_of;

/// OpenID Connect Core §3.1.2.1; longer ones could not be echoed safely.
const MAX_STATE: usize = 4_096;
const MAX_NONCE: usize = 1_024;
/// Claims about the authentication, which say nothing of the person (OpenID Connect Core §2).
const PROTOCOL_CLAIMS: [&str; 8] = ["sub", "iss", "aud", "auth_time", "nonce", "acr", "amr", "sid"];

/// A request that may be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    pub client_id: ClientId,
    pub address: ReturnAddress,
    pub scopes: Scopes,
    pub nonce: Option<String>,
    pub code_challenge: Option<CodeChallenge>,
    pub prompts: Vec<Prompt>,
    /// Seconds since the last authentication at most.
    pub max_age: Option<i64>,
    pub id_token_hint: Option<String>,
    pub login_hint: Option<String>,
    pub acr_values: Vec<String>,
    pub claims: RequestedClaims,
}

impl AuthorizationRequest {
    /// What the person must have consented to: the scopes, and for a claim asked for by its name the scope that releases
    /// it.
    pub fn consent_scopes(&self) -> Scopes {
        let of_claims = self.claims.names.iter().filter(|name| !PROTOCOL_CLAIMS.contains(&name.as_str()));
        Scopes::known(self.scopes.iter().chain(of_claims.map(|name| scope_of(name))))
    }
}

/// OpenID Connect Core §3.1.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    None,
    Login,
    Consent,
    SelectAccount,
}

/// The names in the `claims` parameter (OpenID Connect Core §5.5), for either place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedClaims {
    pub names: Vec<String>,
    /// The `acr` values that are essential.
    pub essential_acr: Vec<String>,
    /// Whom alone the ID token may be about (§3.1.2.2).
    #[serde(default)]
    pub subject: Option<String>,
}

/// Why nobody can be redirected anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    #[error("the app did not say who it is")]
    MissingClient,
    #[error("there is no such app here")]
    UnknownClient,
    #[error("the app did not say where to return to")]
    MissingRedirectUri,
    #[error("the app asked to return to an address that is not registered for it")]
    UnregisteredRedirectUri,
}

/// Phase one: the client by its id.
///
/// # Errors
/// [`BadAddress::MissingClient`] or [`BadAddress::UnknownClient`].
pub fn client_id(params: &Params) -> Result<ClientId, BadAddress> {
    let text = params.value("client_id").ok_or(BadAddress::MissingClient)?;
    text.parse().map_err(|_| BadAddress::UnknownClient)
}

/// Phase one: where the answer goes. With one registered URI, `redirect_uri` must still be there (OpenID Connect Core
/// §3.1.2.1: REQUIRED).
///
/// # Errors
/// Why there is nowhere to go.
pub fn return_address(params: &Params, settings: &ClientSettings) -> Result<ReturnAddress, BadAddress> {
    let requested = params.value("redirect_uri").ok_or(BadAddress::MissingRedirectUri)?;
    redirect_uri::find(&settings.redirect_uris, requested).ok_or(BadAddress::UnregisteredRedirectUri)?;
    // A mode that is not known is an error of phase two, which then goes by query.
    let mode = match params.value("response_mode") {
        Some("form_post") => ResponseMode::FormPost,
        _ => ResponseMode::Query,
    };
    let state = params.value("state").filter(|state| state.len() <= MAX_STATE).map(str::to_owned);
    Ok(ReturnAddress { redirect_uri: requested.to_owned(), mode, state })
}

/// Phase two: everything else.
///
/// # Errors
/// What goes back to the client.
pub fn parse(
    params: &Params,
    client_id: ClientId,
    address: ReturnAddress,
    settings: &ClientSettings,
) -> Result<AuthorizationRequest, OAuthError> {
    params.check()?;
    refuse_nul(params)?;
    refuse_request_objects(params)?;
    require_code(params)?;
    require_known_mode(params)?;
    require_short_state(params)?;
    Ok(AuthorizationRequest {
        client_id,
        address,
        scopes: scopes(params)?,
        nonce: nonce(params)?,
        code_challenge: code_challenge(params, settings)?,
        prompts: prompts(params)?,
        max_age: max_age(params)?,
        id_token_hint: params.value("id_token_hint").map(str::to_owned),
        login_hint: params.value("login_hint").map(str::to_owned),
        acr_values: words(params.value("acr_values")),
        claims: requested_claims(params),
    })
}

/// A request may have to wait for its person, and what waits is kept (attacks UN-03).
fn refuse_nul(params: &Params) -> Result<(), OAuthError> {
    if params.hold_nul() {
        return Err(OAuthError::invalid_request("a parameter holds a character that none may hold"));
    }
    Ok(())
}

/// OpenID Connect Core §3.1.2.6: not supported, said so, and never fetched.
fn refuse_request_objects(params: &Params) -> Result<(), OAuthError> {
    if params.value("request").is_some() {
        return Err(OAuthError::new(ErrorCode::RequestNotSupported, "the request parameter is not supported"));
    }
    if params.value("request_uri").is_some() {
        return Err(OAuthError::new(ErrorCode::RequestUriNotSupported, "the request_uri parameter is not supported"));
    }
    if params.value("registration").is_some() {
        return Err(OAuthError::new(
            ErrorCode::RegistrationNotSupported,
            "the registration parameter is not supported",
        ));
    }
    Ok(())
}

/// RFC 9700 §2.1.2: only the code flow.
fn require_code(params: &Params) -> Result<(), OAuthError> {
    match params.value("response_type") {
        Some("code") => Ok(()),
        Some(_) => Err(OAuthError::new(ErrorCode::UnsupportedResponseType, "response_type must be code")),
        None => Err(OAuthError::invalid_request("response_type is missing")),
    }
}

fn require_known_mode(params: &Params) -> Result<(), OAuthError> {
    match params.value("response_mode") {
        None | Some("query" | "form_post") => Ok(()),
        Some(_) => Err(OAuthError::invalid_request("response_mode must be query or form_post")),
    }
}

fn require_short_state(params: &Params) -> Result<(), OAuthError> {
    if params.value("state").is_some_and(|state| state.len() > MAX_STATE) {
        return Err(OAuthError::invalid_request("state is too long"));
    }
    Ok(())
}

/// OpenID Connect Core §11: `offline_access` counts for a code flow request; without `openid` this is plain OAuth.
fn scopes(params: &Params) -> Result<Scopes, OAuthError> {
    let scopes = Scopes::parse(params.value("scope").unwrap_or_default())?;
    if scopes.is_empty() || !scopes.contains(OPENID) {
        return Err(OAuthError::new(ErrorCode::InvalidScope, "the scope must include openid"));
    }
    Ok(scopes)
}

fn nonce(params: &Params) -> Result<Option<String>, OAuthError> {
    match params.value("nonce") {
        Some(nonce) if nonce.len() > MAX_NONCE => Err(OAuthError::invalid_request("nonce is too long")),
        nonce => Ok(nonce.map(str::to_owned)),
    }
}

/// RFC 9700 §2.1.1: public clients must, others should; an operator may let an old one off.
fn code_challenge(params: &Params, settings: &ClientSettings) -> Result<Option<CodeChallenge>, OAuthError> {
    let method = params.value("code_challenge_method");
    match params.value("code_challenge") {
        Some(challenge) => CodeChallenge::parse(challenge, method).map(Some),
        None if method.is_some() => Err(OAuthError::invalid_request("code_challenge is missing")),
        None if settings.requires_pkce() => Err(OAuthError::invalid_request("code_challenge is required")),
        None => Ok(None),
    }
}

/// OpenID Connect Core §3.1.2.1: `none` stands alone. An unknown value is refused rather than taken for another.
fn prompts(params: &Params) -> Result<Vec<Prompt>, OAuthError> {
    let prompts: Result<Vec<Prompt>, OAuthError> = words(params.value("prompt"))
        .iter()
        .map(|word| match word.as_str() {
            "none" => Ok(Prompt::None),
            "login" => Ok(Prompt::Login),
            "consent" => Ok(Prompt::Consent),
            "select_account" => Ok(Prompt::SelectAccount),
            _ => Err(OAuthError::invalid_request("prompt has an unknown value")),
        })
        .collect();
    let prompts = prompts?;
    if prompts.contains(&Prompt::None) && prompts.len() > 1 {
        return Err(OAuthError::invalid_request("prompt=none must stand alone"));
    }
    Ok(prompts)
}

fn max_age(params: &Params) -> Result<Option<i64>, OAuthError> {
    let Some(text) = params.value("max_age") else { return Ok(None) };
    let digits = !text.is_empty() && text.len() <= 10 && text.bytes().all(|c| c.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| digits);
    seconds.map(Some).ok_or(OAuthError::invalid_request("max_age must be a whole number of seconds"))
}

fn words(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default().split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A malformed `claims` parameter asks for nothing; so does one with NUL in it, which JSON can only write like this.
fn requested_claims(params: &Params) -> RequestedClaims {
    let sound = params.value("claims").filter(|text| !text.contains("\\u0000"));
    let parsed = sound.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let Some(parsed) = parsed else { return RequestedClaims::default() };
    let mut requested = RequestedClaims::default();
    for place in ["id_token", "userinfo"] {
        let Some(members) = parsed.get(place).and_then(|members| members.as_object()) else { continue };
        for (name, demand) in members.iter().take(50) {
            if name == "acr" && demand.get("essential").and_then(|essential| essential.as_bool()) == Some(true) {
                requested.essential_acr = acr_of(demand);
            }
            if (place, name.as_str()) == ("id_token", "sub") {
                // A value that is no text names nobody.
                requested.subject = demand.get("value").map(|value| value.as_str().unwrap_or_default().to_owned());
            }
            if !requested.names.contains(name) {
                requested.names.push(name.clone());
            }
        }
    }
    requested
}

fn acr_of(demand: &serde_json::Value) -> Vec<String> {
    let one = demand.get("value").and_then(|value| value.as_str());
    let many = demand.get("values").and_then(|values| values.as_array());
    let many = many.into_iter().flatten().filter_map(|value| value.as_str());
    one.into_iter().chain(many).map(str::to_owned).collect()
}
