//! The protocols over HTTP: exact status, headers and JSON.

mod story_sign_in;
