//! `/admin/api-keys`: keys with which programs act for an administrator. Making one posts `name`, `description` and
//! `expires_at` to the page itself; revoking is asked again at `{id}/revoke`. The list is
//! paged by `page`.

use askama::Template;

use super::form::Field;
use super::frame::Frame;
use super::parts::{Pages, Revealed, When};

#[derive(Clone, Debug, Template)]
#[template(path = "house/api_keys.html")]
pub struct ApiKeys {
    pub frame: Frame,
    /// A key just made; it cannot be shown again.
    pub key: Option<Revealed>,
    pub keys: Vec<ApiKey>,
    pub pages: Pages,
    pub name: Field,
    pub description: Field,
    pub expires_at: Field,
}

#[derive(Clone, Debug)]
pub struct ApiKey {
    pub id: String,
    pub name: String,
    pub description: String,
    pub created: When,
    pub expires: When,
    pub is_expired: bool,
    pub last_used: Option<When>,
}
