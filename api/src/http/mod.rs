//! What every endpoint shares, one concern a file.

pub mod authorization;
pub mod caller;
pub mod client;
pub mod connections;
pub mod cookie;
pub mod csrf;
pub mod error;
pub mod failures;
pub mod form;
pub mod json;
pub mod key_uses;
pub mod listing;
pub mod precondition;
pub mod principal;
pub mod readiness;
pub mod remote;
pub mod request;
pub mod security_headers;
pub mod see_other;
pub mod server;
pub mod session;
