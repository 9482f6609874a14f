//! The protocols over HTTP: exact status, headers and JSON.

mod authorization_code;
mod authorization_endpoint;
mod client_authentication;
mod enrollment;
mod openid_discovery;
mod redirect_uri;
mod rfc6749_refresh_token;
mod rp_initiated_logout;
mod sessions;
mod story_sign_in;
mod tokens;
mod webauthn_ceremonies;
