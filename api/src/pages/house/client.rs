//! `/admin/apps/new` and `/admin/apps/{id}`: an app's settings, its secrets, and what to copy into it.
//!
//! Settings post to the page itself. Below it: `secrets` (`expires_at`, a day or nothing); and, asked again,
//! `secrets/{id}/remove` and `delete`.

use askama::Template;

use super::client_form::ClientForm;
use super::form::Field;
use super::frame::Frame;
use super::parts::{Revealed, When};
use super::roll::Roll;

#[derive(Clone, Debug, Template)]
#[template(path = "house/client.html")]
pub struct ClientPage {
    pub frame: Frame,
    pub id: String,
    pub name: String,
    pub letter: String,
    pub description: String,
    pub is_public: bool,
    /// Allowances for old apps, each a sentence.
    pub warnings: Vec<String>,
    /// A secret just made; it cannot be shown again.
    pub secret: Option<Revealed>,
    pub secrets: Vec<SecretRow>,
    pub expires_at: Field,
    pub issuer: String,
    /// The other addresses that an app may ask for.
    pub endpoints: Vec<Endpoint>,
    pub form: ClientForm,
    pub latest: Roll,
}

#[derive(Clone, Debug)]
pub struct SecretRow {
    pub id: String,
    /// The first letters, by which an operator knows it again.
    pub prefix: String,
    pub created: When,
    pub expires: Option<When>,
    pub is_expired: bool,
}

/// A value that the app asks for.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Unique on the page.
    pub id: String,
    pub label: String,
    pub value: String,
}

#[derive(Clone, Debug, Template)]
#[template(path = "house/new_client.html")]
pub struct NewClient {
    pub frame: Frame,
    pub form: ClientForm,
}
