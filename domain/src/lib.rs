//! What Chancery knows and decides, without I/O, clock, randomness or async.
//!
//! Each aggregate is a folder: its state and rules (`decide`, `evolve`), commands, events, refusals and tests.
//! Time, random values and verified facts arrive inside the command. `adapters` stores the events, `projections`
//! turns them into views, `api` speaks the protocols.

pub mod actor;
pub mod claim;
pub mod context;
pub mod country;
pub mod custom_claim;
pub mod decider;
pub mod digest;
pub mod event;
pub mod field;
pub mod ids;
pub mod personal;
pub mod policy;
pub mod ports;
pub mod secret;
pub mod signing_algorithm;

pub mod authorization;
pub mod oauth;
pub mod oidc;

pub mod api_key;
pub mod client;
pub mod consent;
pub mod encryption_key;
pub mod enrollment;
pub mod grant;
pub mod group;
pub mod session;
pub mod sign_in_attempt;
pub mod signing_key;
pub mod user;

pub use decider::{Decider, Root};
pub use event::{Event, Recorded, StoredEvent};
pub use personal::{Change, Personal, Subject};
