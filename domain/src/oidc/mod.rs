//! What OpenID Connect adds: claims, tokens, metadata, logout.

pub mod access_token;
pub mod claims;
pub mod discovery;
pub mod id_token;
pub mod logout;
#[cfg(test)]
mod tests;
