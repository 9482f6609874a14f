//! The server: protocols, pages and administration over HTTP.

pub mod accounts;
pub mod admin;
pub mod app;
pub mod config;
pub mod grants;
pub mod http;
pub mod oidc;
pub mod pages;
pub mod telemetry;
pub mod user_agent;
pub mod webauthn;
