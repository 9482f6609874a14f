//! Server-rendered pages: each is a struct of display-ready texts beside its template.

pub mod assets;
pub mod desk;
pub mod handlers;
pub mod house;
mod released;
pub mod render;
pub mod verification;
