//! The main job in a real browser with a virtual authenticator.

mod defenses;
mod looks;
mod pictures;
mod posts;
mod stories;
