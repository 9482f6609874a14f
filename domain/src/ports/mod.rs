//! What the domain asks of the world: small traits, each with its contract. Adapters implement them.

pub mod clock;
pub mod entropy;
pub mod geo_locator;
pub mod passkeys;
