//! The settings of an app (OpenID Connect Dynamic Client Registration §2), for a new one and a known one.
//!
//! Posts `seen` (what it was filled in from), `id` (new ones only), `name`, `description`, `launch_url`, `callback_urls` and `logout_callback_urls` (one a
//! line), `is_public`, `pkce_enabled`, `skip_consent`, `requires_reauthentication`, `audience` (`everyone` or `groups`),
//! `group_ids` (repeated), `access_token_minutes`, `refresh_token_minutes` and `id_token_algorithm`.

use askama::Template;
use askama::filters::HtmlSafe;

use super::form::{Choice, Field};

#[derive(Clone, Debug, Template)]
#[template(path = "house/client_form.html")]
pub struct ClientForm {
    pub action: String,
    pub seen: String,
    /// Only a new app can choose its id.
    pub id: Option<Field>,
    pub name: Field,
    pub description: Field,
    pub launch_url: Field,
    pub callback_urls: Field,
    pub logout_callback_urls: Field,
    pub is_public: bool,
    pub pkce_enabled: bool,
    pub skip_consent: bool,
    pub requires_reauthentication: bool,
    pub is_group_restricted: bool,
    pub groups: Vec<Choice>,
    pub access_token_minutes: Field,
    pub refresh_token_minutes: Field,
    pub id_token_algorithms: Vec<Choice>,
}

impl HtmlSafe for ClientForm {}
