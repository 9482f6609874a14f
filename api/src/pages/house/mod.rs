//! The house: a person's own account, and administration. Plain forms and links; only passkey ceremonies need a script.
//!
//! Every struct holds display-ready texts, and the templates know no type of another layer. Forms post to the page they
//! are on, or to a path below it, and expect a 303. What cannot be undone is asked again on a [`Confirm`] page.
//! Ids on things to press are stable, for tests and password managers: `#save`, `#create`, `#confirm`, `#cancel`,
//! `#add-passkey`, `#sign-out`, `#sign-out-everywhere`, `#search`, `#reveal`.

mod account;
mod activity;
mod api_keys;
mod apps;
mod claims;
mod client;
mod client_form;
mod clients;
mod confirm;
mod diagnostics;
mod filters;
mod form;
mod frame;
mod group;
mod groups;
mod history;
mod mail;
mod map;
mod overview;
mod parts;
mod passkeys;
mod people;
mod person;
mod picture_form;
mod profile_form;
mod raw_event;
mod roll;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod samples_admin;
#[cfg(test)]
mod samples_clients;
mod sessions;
#[cfg(test)]
mod tests;

pub use account::Account;
pub use activity::Activity;
pub use api_keys::{ApiKey, ApiKeys};
pub use apps::{App, Apps};
pub use claims::{ClaimRow, ClaimsForm};
pub use client::{ClientPage, Endpoint, NewClient, SecretRow};
pub use client_form::ClientForm;
pub use clients::{ClientRow, Clients};
pub use confirm::Confirm;
pub use diagnostics::{Diagnostics, Failed, Header, Hop};
pub use filters::Filters;
pub use form::{Choice, Field};
pub use frame::{Attribution, Frame, Notice, Room, Tone};
pub use group::{GroupPage, Member, NewGroup};
pub use groups::{GroupRow, Groups};
pub use history::History;
pub use mail::{Letter, MailPage};
pub use map::{Map, Point};
pub use overview::{Health, Overview};
pub use parts::{Figure, Pages, Portrait, Revealed, When};
pub use passkeys::{LastUse, Passkey, PasskeyIcon, PasskeyPlace, PasskeyState, Passkeys};
pub use people::{People, PersonRow};
pub use person::{NewPerson, PersonPage};
pub use picture_form::PictureForm;
pub use profile_form::{ProfileForm, ProfileRights};
pub use raw_event::{Fact, RawEvent};
pub use roll::{Change, Day, Detail, Entry, Roll, Word};
pub use sessions::{SessionRow, Sessions};
