//! Server-rendered pages: each is a struct of display-ready texts beside its template.

pub mod house;
