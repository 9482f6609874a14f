//! The rules of OAuth 2.0 that endpoints share, one a file. They know parameters and types, nothing of HTTP.

pub mod authorization_response;
pub mod client_authentication;
pub mod error;
pub mod params;
pub mod pkce;
pub mod redirect_uri;
pub mod scope;
#[cfg(test)]
mod tests;
pub mod token_value;
