//! The body that registers and changes a person, before it is checked.

use chancery_domain::user::{Profile, ProfileInput};
use serde::Deserialize;

use crate::accounts::Wanted;
use crate::http::error::ApiError;
use crate::http::json::or_default;

/// `UserInput` of Pocket ID.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UserInput {
    /// Chosen by the caller, at creation only.
    pub id: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub username: String,
    pub email: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub email_verified: bool,
    #[serde(deserialize_with = "or_default")]
    pub first_name: String,
    #[serde(deserialize_with = "or_default")]
    pub last_name: String,
    #[serde(deserialize_with = "or_default")]
    pub display_name: String,
    #[serde(deserialize_with = "or_default")]
    pub is_admin: bool,
    pub locale: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub disabled: bool,
    #[serde(deserialize_with = "or_default")]
    pub user_group_ids: Vec<String>,
}

impl UserInput {
    /// # Errors
    /// One for each member that is not as it must be.
    pub fn wanted(&self) -> Result<Wanted, ApiError> {
        let Self { email_verified, is_admin, disabled, .. } = *self;
        Ok(Wanted { profile: self.profile()?, email_verified, is_admin, disabled })
    }

    /// What people may change of themselves.
    ///
    /// # Errors
    /// One for each member that is not as it must be.
    pub fn profile(&self) -> Result<Profile, ApiError> {
        let input = ProfileInput {
            username: self.username.clone(),
            email: self.email.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            display_name: self.display_name.clone(),
            locale: self.locale.clone(),
        };
        Profile::parse(input).map_err(|errors| ApiError::fields(&errors))
    }
}
