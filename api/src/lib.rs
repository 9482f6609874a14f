//! The server: protocols, pages and administration over HTTP.

pub mod accounts;
pub mod admin;
pub mod app;
mod background;
pub mod cli;
pub mod client_file;
pub mod config;
mod doctor;
pub mod encryption_key;
pub mod grants;
mod healthcheck;
mod house;
pub mod http;
pub mod limits;
pub mod mail;
pub mod oidc;
pub mod openapi;
pub mod pages;
pub mod pictures;
pub mod router;
mod serve;
pub mod signing_keys;
pub mod telemetry;
pub mod user_agent;
pub mod webauthn;
pub mod wiring;

/// Requests and commands are many small allocations on a few threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
