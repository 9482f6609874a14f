//! The protocols over HTTP: exact status, headers and JSON.

mod admin_api;
mod authorization_code;
mod authorization_endpoint;
mod client_authentication;
mod enrollment;
mod history;
mod mail;
mod openapi;
mod openid_discovery;
mod pages;
mod rate_limits;
mod redirect_uri;
mod rfc6749_refresh_token;
mod robustness;
mod rp_initiated_logout;
mod sessions;
mod story_rebuild;
mod story_sign_in;
mod tokens;
mod webauthn_ceremonies;
