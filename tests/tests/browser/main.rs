//! The main job in a real browser with a virtual authenticator.

mod looks;
mod stories;
