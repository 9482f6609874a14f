//! What a person is called and how to reach them.

use serde::{Deserialize, Serialize};

use crate::field::{FieldError, normalized};

/// A checked profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub username: String,
    pub email: Option<String>,
    pub first_name: String,
    pub last_name: String,
    pub display_name: String,
    /// BCP 47.
    pub locale: Option<String>,
}

/// A profile as somebody typed it.
#[derive(Clone, Debug, Default)]
pub struct ProfileInput {
    pub username: String,
    pub email: Option<String>,
    pub first_name: String,
    pub last_name: String,
    pub display_name: String,
    pub locale: Option<String>,
}

impl Profile {
    /// Normalizes (NFC) and checks.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn parse(input: ProfileInput) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut text = |field, value: &str, max: usize| {
            let value = normalized(value);
            if value.chars().count() > max {
                errors.push(FieldError { field, code: "too_long", message: "is too long" });
            }
            if value.chars().any(is_unprintable) {
                errors.push(FieldError {
                    field,
                    code: "invalid_format",
                    message: "holds characters that cannot be shown",
                });
            }
            value
        };
        let profile = Self {
            username: text("username", &input.username, 50),
            email: input.email.as_deref().map(|email| text("email", email, 254)),
            first_name: text("firstName", &input.first_name, 50),
            last_name: text("lastName", &input.last_name, 50),
            display_name: text("displayName", &input.display_name, 100),
            locale: input.locale.as_deref().map(|locale| text("locale", locale, 35)).filter(|text| !text.is_empty()),
        };
        errors.extend(check_username(&profile.username));
        errors.extend(profile.email.as_deref().and_then(check_email));
        errors.extend(profile.locale.as_deref().and_then(check_locale));
        if errors.is_empty() { Ok(profile.named()) } else { Err(errors) }
    }

    /// Somebody without a display name is shown by their names, or their username.
    fn named(mut self) -> Self {
        if self.display_name.is_empty() {
            self.display_name = format!("{} {}", self.first_name, self.last_name).trim().to_owned();
        }
        if self.display_name.is_empty() {
            self.display_name = self.username.clone();
        }
        self
    }
}

/// Letters, digits and `_.@-` of ASCII, letters or digits at the ends: no two names look alike.
fn check_username(username: &str) -> Option<FieldError> {
    let error = |code, message| Some(FieldError { field: "username", code, message });
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if username.is_empty() {
        return error("required", "is required");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.@-".contains(c);
    if !username.chars().all(allowed) || !end(username.chars().next()) || !end(username.chars().last()) {
        return error(
            "invalid_format",
            "may hold letters, digits and _ . @ - and must begin and end with a letter or digit",
        );
    }
    None
}

/// One `@` with something on both sides and nothing that a mail header would trip over (RFC 5321 §4.5.3.1).
fn check_email(email: &str) -> Option<FieldError> {
    let sound = email.split_once('@').is_some_and(|(local, domain)| {
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[]\\,;:\"".contains(c);
        !local.is_empty()
            && local.len() <= 64
            && !domain.contains('@')
            && domain.split('.').all(|label| !label.is_empty())
            && email.chars().all(plain)
    });
    (!sound).then_some(FieldError { field: "email", code: "invalid_format", message: "is not an e-mail address" })
}

/// Subtags of a language tag (BCP 47, RFC 5646 §2.1), also with the underscore that some write between them (OpenID Connect
/// Core §5.1).
fn check_locale(locale: &str) -> Option<FieldError> {
    let is_subtag = |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_language = |tag: &str| (2..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphabetic());
    let mut tags = locale.split(['-', '_']);
    let sound = tags.next().is_some_and(is_language) && tags.all(is_subtag);
    let message = "is no language such as en or pt-BR";
    (!sound).then_some(FieldError { field: "locale", code: "invalid_format", message })
}

/// Controls, and what turns or hides text around it (UAX #9, UTS #36).
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}
