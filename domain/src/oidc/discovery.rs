//! Provider metadata (OpenID Connect Discovery 1.0 §3, RFC 8414 §2): only what is really offered.

use serde_json::{Value, json};

use crate::authorization::interaction::SUPPORTED_ACR;
use crate::oauth::scope;
use crate::signing_algorithm::SigningAlgorithm;

/// The document for both well-known locations.
pub fn metadata(issuer: &str) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    let algorithms = SigningAlgorithm::ALL.map(SigningAlgorithm::as_str);
    let secret_methods = ["client_secret_basic", "client_secret_post"];
    json!({
        "issuer": issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/api/oidc/token"),
        "userinfo_endpoint": at("/api/oidc/userinfo"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "revocation_endpoint": at("/api/oidc/revoke"),
        "introspection_endpoint": at("/api/oidc/introspect"),
        "end_session_endpoint": at("/api/oidc/end-session"),
        "scopes_supported": scope::SUPPORTED,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": secret_methods,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash", "name",
            "display_name", "given_name", "family_name", "preferred_username", "nickname", "picture", "locale",
            "updated_at", "email", "email_verified", "groups"
        ],
        "claims_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "acr_values_supported": SUPPORTED_ACR,
        "ui_locales_supported": ["en"]
    })
}
