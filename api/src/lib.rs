//! The server: protocols, pages and administration over HTTP.

pub mod config;
pub mod pages;
pub mod user_agent;
