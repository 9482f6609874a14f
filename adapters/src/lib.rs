//! The outside world: each module is one port of the domain, or the store of its events.

pub mod attempts;
pub mod batched;
pub mod clock;
pub mod embedded_postgres;
pub mod entropy;
pub mod event_store;
pub mod geo_locator;
pub mod geo_updates;
pub mod mailer;
mod outbound;
pub mod passkeys;
pub mod pictures;
pub mod postgres;
pub mod short_lived;
pub mod signing;
pub mod vault;
